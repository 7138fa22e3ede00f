"""The demo's folder as a whole: complete, valid, the same when written again."""

from datetime import date
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest
from ruamel.yaml import YAML

from finops_ai.config import load
from finops_ai.demo.company import simulate
from finops_ai.demo.files import AS_OF, write_demo


@pytest.fixture
def demo(tmp_path):
    return write_demo(tmp_path / "a folder: with 'marks'", policies=Path("config/policies"))


def test_shared_costs_are_placed_and_untagged_usage_stays_visible(demo):
    """The patterns must take the payer's own charges, not everything that the payer is billed for."""
    patterns = YAML(typ="safe").load(demo.layout.config.read_text())["allocation"]["patterns"]
    assert {pattern["key"] for pattern in patterns} == {"sub_account_id", "service_name"}
    globs = {pattern["glob"] for pattern in patterns}
    untagged = [
        charge.meter.name
        for provider in ("aws", "northwind")
        for charge in simulate(as_of=AS_OF).charges(provider, AS_OF)
        if not charge.tags and charge.kind != "SavingsPlanNegation"
        if not globs & {charge.meter.account.number, charge.meter.service.name}
    ]
    assert set(untagged) == {"sandbox-instances", "shared-disks", "shared-nat"}


def stamps(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in folder.rglob("*") if path.is_file()}


def test_configuration_is_valid_and_points_at_what_was_written(demo):
    from finops_ai.app import kinds

    load(demo.layout.config, {}, kinds())
    told = YAML(typ="safe").load(demo.layout.config.read_text())
    for part in (*told["sources"], *told["usage"]):
        assert Path(url2pathname(urlsplit(part["uri"]).path)).exists()
    assert Path(told["forges"][0]["repository"]).is_dir()
    assert Path(told["recommend"]["policies"]).is_absolute()
    outputs = {told["sinks"][0]["path"], told["forges"][0]["pulls"], told["report"]["folder"]}
    assert all(Path(path).parent == demo.layout.folder for path in outputs)


def test_writing_again_changes_nothing(demo):
    before = stamps(demo.layout.folder)
    again = write_demo(demo.layout.folder, policies=Path("config/policies"))
    assert again == demo
    assert stamps(demo.layout.folder) == before


def test_the_truth_is_nowhere_on_disk(demo):
    names = [incident.name.encode() for incident in demo.incidents]
    assert names
    for path in demo.layout.folder.rglob("*"):
        if path.is_file():
            assert not any(name in path.read_bytes() for name in names)


def test_an_earlier_day_first_restates_the_month_between(tmp_path):
    first = write_demo(tmp_path, policies=Path("config/policies"), known_on=date(2026, 4, 3))
    second = write_demo(tmp_path, policies=Path("config/policies"))
    assert first.as_of == second.as_of == AS_OF
    assert first.incidents == second.incidents

    def bills(demo):
        return {(bill.source, str(bill.billing_period)): bill for bill in demo.bills}

    changed = {key for key, bill in bills(second).items() if bills(first).get(key) != bill}
    assert changed == {("aws", "2026-03"), ("aws", "2026-04"), ("northwind", "2026-04")}
