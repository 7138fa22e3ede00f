"""Who owns a path, as each Git host reads CODEOWNERS."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from finops_ai.forges.codeowners import owners

FILE = """
# comment
*               @global            # everything
*.go            docs@example.com
/build/logs/    @doctocat
docs/*          @docs-team
apps/           @octocat
/docs/          @docs-lead
/scripts/       @doctocat @octocat
**/logs         @acme/logs
/apps/github
/with\\ space.md @space
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("readme.md", ["@global"]),
        ("src/main.go", ["docs@example.com"]),
        ("build/logs/a/b.txt", ["@acme/logs"]),
        ("deep/apps/x.yaml", ["@octocat"]),
        ("docs/a.md", ["@docs-lead"]),
        ("scripts/run", ["@doctocat", "@octocat"]),
        ("apps/github", []),
        ("apps/other", ["@octocat"]),
        ("with space.md", ["@space"]),
    ],
)
def test_the_last_rule_counts(path: str, expected: list[str]) -> None:
    assert list(owners(FILE, [path], "last")) == expected


def test_a_star_at_the_end_stays_in_its_folder() -> None:
    assert owners("docs/* @a", ["docs/x.md"], "last") == ("@a",)
    assert owners("docs/* @a", ["docs/deep/x.md"], "last") == ()


SECTIONS = """
* @everyone
[Docs] @docs
*.md
api.md @api
[Infra][2]
apps/ @infra
^[Optional] @maybe
apps/web.yaml
!apps/web.yaml
"""


def test_the_last_rule_of_every_section_counts() -> None:
    assert owners(SECTIONS, ["x.md"], "sections") == ("@everyone", "@docs")
    assert owners(SECTIONS, ["api.md"], "sections") == ("@everyone", "@api")
    assert owners(SECTIONS, ["apps/web.yaml"], "sections") == ("@everyone", "@infra")


def test_expressions_over_the_whole_path_all_count() -> None:
    text = "apps/.* @a @org/b\n.*\\.yaml @c\n!docs/.* @d\n( @broken\n"
    assert owners(text, ["apps/web.yaml"], "all") == ("@a", "@org/b", "@c", "@d")
    assert owners(text, ["docs/x.md"], "all") == ()


def test_several_paths_name_everybody_once() -> None:
    assert owners("/a @x @y\n/b @y @z", ["b", "a"], "last") == ("@y", "@z", "@x")


@given(text=st.text(), path=st.text(min_size=1), syntax=st.sampled_from(["last", "sections", "all"]))
@example(text="\\", path="0", syntax="last")
def test_no_text_breaks_it_and_owners_are_plain(text: str, path: str, syntax: str) -> None:
    for owner in owners(text, [path], syntax):
        assert not set(owner) & set(" \n<>`[]()#!*")
