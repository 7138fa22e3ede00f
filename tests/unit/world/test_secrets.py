from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from finops_ai.domain.errors import ConfigError
from finops_ai.world.secrets import FoundText, SecretRef, Secrets

WORD = "kEy-4711/äß +x"


def test_a_secret_is_found_in_the_environment_a_file_and_a_mounted_folder(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("from a file\n")
    (tmp_path / "MOUNTED").write_text("from the folder")
    secrets = Secrets(
        {"PLAIN": "from the environment", "ONE_FILE": str(tmp_path / "one"), "FINOPS_SECRETS_DIR": str(tmp_path)}
    )
    assert secrets.get("PLAIN").get_secret_value() == "from the environment"
    assert secrets.get("ONE").get_secret_value() == "from a file"
    assert secrets.get("MOUNTED").get_secret_value() == "from the folder"
    assert secrets.get(SecretRef(env="ONE")).get_secret_value() == "from a file"
    assert secrets.get(SecretRef(file=str(tmp_path / "one"))).get_secret_value() == "from a file"
    assert secrets.find("NOWHERE") is None


def test_the_environment_comes_before_the_folder_and_a_rotated_file_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "TOKEN").write_text("old one")
    environ = {"FINOPS_SECRETS_DIR": str(tmp_path)}
    secrets = Secrets(environ)
    assert secrets.get("TOKEN").get_secret_value() == "old one"
    (tmp_path / "TOKEN").write_text("new one")
    assert secrets.get("TOKEN").get_secret_value() == "new one"
    environ["TOKEN"] = "nearest one"
    assert secrets.get("TOKEN").get_secret_value() == "nearest one"
    assert secrets.redact("old one, new one, nearest one") == "***, ***, ***"


def test_a_secret_shows_nowhere_by_itself() -> None:
    secret = Secrets({"TOKEN": WORD}).get("TOKEN")
    assert WORD not in f"{secret} {secret!r}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot read"),
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe", "not UTF-8"),
        (b"x" * 70_000, "larger than"),
    ],
)
def test_a_file_that_cannot_be_a_secret_names_its_variable(tmp_path: Path, content: bytes | None, says: str) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"TOKEN_FILE: .*{says}"):
        Secrets({"TOKEN_FILE": str(path)}).get("TOKEN")


def test_a_missing_secret_says_what_to_set_and_two_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"TOKEN is not set: export TOKEN, or TOKEN_FILE"):
        Secrets({"TOKEN": ""}).get("TOKEN")
    with pytest.raises(ConfigError, match="TOKEN and TOKEN_FILE are both set"):
        Secrets({"TOKEN": "a", "TOKEN_FILE": str(tmp_path / "b")}).get("TOKEN")


@pytest.mark.parametrize("name", ["../TOKEN", "a/b", "", "..", "a\nb"])
def test_a_name_cannot_climb_out_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "TOKEN").write_text("outside")
    (tmp_path / "in").mkdir()
    with pytest.raises(ConfigError, match="cannot be the name of a secret"):
        Secrets({"FINOPS_SECRETS_DIR": str(tmp_path / "in")}).get(name)


@given(st.text(min_size=4).filter(str.strip), st.text(), st.text())
def test_what_was_read_is_masked_in_any_text(value: str, before: str, after: str) -> None:
    secrets = Secrets({})
    secrets.learn(value)
    shown = secrets.redact(f"{before}{value}{after}")
    assert value not in shown or value in before + "***" + after


def test_a_secret_is_masked_however_it_is_quoted() -> None:
    secrets = Secrets({"TOKEN": WORD})
    secrets.get("TOKEN")
    forms = [WORD, quote(WORD), quote(WORD, safe=""), base64.b64encode(WORD.encode()).decode()]
    assert secrets.redact(" | ".join(forms)) == " | ".join(["***"] * len(forms))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://finops:p%40ss@db:5432/x", "postgresql://***@db:5432/x"),
        ("https://user:p@ss@host/", "https://***@host/"),
        ("GET https://h/p?access_token=abc&page=2", "GET https://h/p?access_token=***&page=2"),
        ("https://b.s3/x?X-Amz-Signature=0af&X-Amz-Date=1", "https://b.s3/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("{'Authorization': 'Bearer abcdefghij.k'}", "{'Authorization': 'Bearer ***'}"),
        ("mailto a@b.org about 3 > 2?", "mailto a@b.org about 3 > 2?"),
    ],
)
def test_what_looks_like_a_credential_is_masked_though_nobody_read_it(text: str, shown: str) -> None:
    assert Secrets({}).redact(text) == shown


class _Settings(BaseModel):
    routing_key: SecretRef


def test_a_secret_field_takes_references_only() -> None:
    assert _Settings.model_validate({"routing_key": {"env": "KEY"}}).routing_key == SecretRef(env="KEY")
    found = FoundText("the secret", SecretRef(env="FINOPS__SINKS__0__ROUTING_KEY"))
    assert _Settings.model_validate({"routing_key": found}).routing_key == found.reference
    for inline in ("the secret", 17, ["the secret"]):
        with pytest.raises(ValidationError, match="never written here"):
            _Settings.model_validate({"routing_key": inline})
    for wrong in ({}, {"env": "A", "file": "b"}, {"env": ""}):
        with pytest.raises(ValidationError, match="name one place"):
            _Settings.model_validate({"routing_key": wrong})
    with pytest.raises(ValidationError, match="not permitted"):
        _Settings.model_validate({"routing_key": {"value": "the secret"}})
