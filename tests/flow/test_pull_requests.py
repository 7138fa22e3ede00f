"""What people say on a Git host reaches the ledger once and is answered once; nobody is bothered twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from finops_ai.domain.evidence import evidence_hash
from finops_ai.domain.outcome import Outcome
from finops_ai.domain.proposal import Proposal, ProposalState
from finops_ai.forges.base import Forge
from finops_ai.forges.terms import Approval, Terms
from finops_ai.jobs.attend import attend
from finops_ai.jobs.deliver import deliver
from finops_ai.jobs.follow import follow
from finops_ai.jobs.pull_requests import asked
from finops_ai.jobs.recommend import withdraw
from finops_ai.jobs.run import Turn, run
from finops_ai.ledger import outbox, proposals, pull_facts
from tests.git_hosts.proposals import FILES, KEY, proposal
from tests.git_hosts.repository import Repository
from tests.git_hosts.rig import TOKEN, Rig, host

# What all of it stands on is made once, by one worker.
pytestmark = [pytest.mark.timeout(120), pytest.mark.xdist_group("pull-requests")]
PRODUCTION = Terms(approval=Approval(by=("alice", "carol"), above=Decimal(10)))
OTHER = "finops/rightsize/shop/default/deployment-api"


@dataclass
class Loop:
    """The ledger, a host and the jobs between them, at moments a minute apart."""

    engine: sa.Engine
    rig: Rig
    terms: Terms = field(default_factory=Terms)
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def forge(self) -> Forge:
        return self.rig.forge()

    def turn(self) -> Turn:
        self.at += timedelta(minutes=1)
        return Turn(engine=self.engine, as_of=self.at, now=lambda: self.at)

    def propose(self, one: Proposal, *, reopen: bool = False) -> None:
        turn = self.turn()
        with self.engine.begin() as connection:
            proposals.save(connection, one, turn.as_of)
            outbox.put(connection, (asked(turn, "host", one, self.terms, reopen=reopen),), turn.as_of)

    def deliver(self, *, forge: Forge | None = None) -> Outcome:
        return deliver(self.turn(), {}, {"host": forge or self.forge}, "me")

    def follow(self) -> Outcome:
        forge = self.forge
        return run("follow", self.turn(), lambda turn: attend(turn, forge, self.terms, follow(turn, forge)))

    def round(self) -> None:
        for job in (self.follow, self.deliver):
            problems = [one for one in job().problems if one.severity == "error"]
            assert problems == []

    def state(self, key: str = KEY) -> ProposalState:
        found = proposals.proposal(self.engine, key)
        assert found is not None
        return found.state

    def pull(self) -> Any:
        return self.rig.state.pulls[-1]

    def says(self, who: str, text: str) -> None:
        self.rig.state.note(self.pull(), who, text)

    def answers(self) -> list[str]:
        return [one.text.split("\n")[0] for one in self.pull().notes if one.author == self.rig.vendor.me]

    @property
    def overview(self) -> Any:
        return self.rig.state.issues[0]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hosts") / "built"
    Repository(root=root, name="acme/infra", token=TOKEN).build(FILES)
    return root


@pytest.fixture
def loop(ledger: sa.Engine, built: Path, tmp_path: Path) -> Iterator[Loop]:
    with host("github", built, tmp_path / "host") as rig:
        yield Loop(engine=ledger, rig=rig)
        assert rig.vendor.description.violations == []


def test_commands_are_obeyed_and_answered_once(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    loop.says("bob", "Hm.\n\nfinops explain\n\n> finops ignore\n\n```\nfinops ignore\n```")
    loop.says("bob", "finops sell everything")
    for _ in range(3):
        loop.round()
    assert len(loop.answers()) == 2
    assert loop.answers()[0].startswith("**Why default/web**")
    assert loop.answers()[1].startswith("I do not know `sell everything`")
    assert [one.seen_by for one in loop.pull().notes[:2]] == [[loop.rig.vendor.me]] * 2
    assert loop.state() is ProposalState.OPEN


def test_the_same_command_in_another_comment_is_another(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    for _ in range(2):
        loop.says("bob", "finops explain")
    loop.round()
    assert len(loop.answers()) == 2


def test_only_those_who_may_write_command(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    for _ in range(3):
        loop.says("eve", "finops ignore")
        loop.round()
    assert len(loop.answers()) == 1
    assert "may write" in loop.answers()[0]
    assert loop.state() is ProposalState.OPEN
    assert loop.pull().state == "open"


def test_a_lost_ledger_does_not_obey_again(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    loop.says("bob", "finops explain")
    loop.round()
    with loop.engine.begin() as connection:
        connection.execute(sa.text("TRUNCATE pull_command, message, proposal, job_run"))
    loop.propose(proposal())
    loop.deliver()
    loop.round()
    assert len(loop.answers()) == 1
    assert len(loop.rig.state.pulls) == 1


def test_ignored_until_a_day(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    day = loop.at.date() + timedelta(days=30)
    loop.says("bob", f"finops ignore until {day}")
    loop.round()
    assert (loop.pull().state, loop.pull().closed_by) == ("closed", loop.rig.vendor.me)
    assert KEY not in loop.rig.repository.heads()
    assert loop.state() is ProposalState.SUPERSEDED
    assert pull_facts.ignored(loop.engine, loop.at)[KEY].until == day
    assert pull_facts.ignored(loop.engine, loop.at + timedelta(days=29)).keys() == {KEY}
    assert pull_facts.ignored(loop.engine, loop.at + timedelta(days=31)) == {}
    assert f"ignored until {day}" in loop.overview.body


def tick(loop: Loop, word: str) -> None:
    body = loop.overview.body
    assert word in body
    line = next(line for line in body.splitlines() if word in line)
    loop.overview.body = body.replace(line, line.replace("- [ ]", "- [x]"))


def test_boxes_of_the_overview(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    loop.round()
    assert "### Open" in loop.overview.body
    loop.rig.repository.base_moves({"apps/api.yaml": "cpu: 2\n"})
    tick(loop, "make anew")
    loop.round()
    parent = loop.rig.repository.git("rev-parse", f"{KEY}^", cwd=loop.rig.repository.bare)
    assert parent == loop.rig.repository.heads()["trunk"]
    assert "[x]" not in loop.overview.body
    loop.rig.state.close(loop.pull(), "alice")
    loop.round()
    assert loop.state() is ProposalState.CLOSED
    tick(loop, "propose again")
    loop.round()
    assert loop.state() is ProposalState.SUPERSEDED
    loop.propose(proposal(), reopen=True)
    loop.deliver()
    assert [one.state for one in loop.rig.state.pulls] == ["closed", "open"]


def test_what_is_dear_waits_for_somebody_named(loop: Loop) -> None:
    loop.terms = PRODUCTION
    one = proposal()
    loop.propose(one)
    loop.deliver()
    assert loop.pull().draft
    assert "finops:needs-approval" in loop.pull().labels
    assert f"evidence `{evidence_hash(one)}`" in loop.pull().body
    for who in ("bob", "eve"):
        loop.rig.state.approve(loop.pull(), who)
    loop.rig.state.approve(loop.pull(), "alice", commit="0" * 40)
    loop.round()
    assert loop.pull().draft
    assert "### Waiting for approval" in loop.overview.body
    loop.rig.state.approve(loop.pull(), "alice")
    for _ in range(2):
        loop.round()
    assert not loop.pull().draft
    assert "finops:needs-approval" not in loop.pull().labels
    assert "Approved by alice" in loop.pull().body
    given = pull_facts.approval_of(loop.engine, KEY, evidence_hash(one))
    assert given is not None
    assert (given.by, given.how, given.commit) == ("alice", "review", loop.pull().head)
    with loop.engine.connect() as connection:
        audit = connection.execute(sa.text("SELECT key, evidence, by, how, commit FROM v_approval")).all()
    assert [tuple(row) for row in audit] == [(KEY, evidence_hash(one), "alice", "review", loop.pull().head)]


def test_other_figures_are_approved_anew(loop: Loop) -> None:
    loop.terms = PRODUCTION
    loop.propose(proposal())
    loop.deliver()
    loop.rig.state.approve(loop.pull(), "alice")
    loop.round()
    assert not loop.pull().draft
    loop.propose(proposal("300m"))
    loop.deliver()
    assert loop.pull().draft
    loop.round()
    assert loop.pull().draft
    loop.rig.state.label(loop.pull(), "alice", "finops:approved")
    loop.rig.state.pulls[-1].events[-1] = (
        "labeled",
        "alice",
        loop.rig.clock.now() + timedelta(seconds=2),
        "finops:approved",
    )
    loop.round()
    assert not loop.pull().draft


def test_a_message_of_other_figures_opens_nothing(loop: Loop) -> None:
    """An approval of the old figures must not carry the new ones past the approver."""
    loop.propose(proposal())
    turn = loop.turn()
    proposals.save(loop.engine, proposal("100m"), turn.as_of)
    loop.deliver()
    assert loop.rig.state.pulls == []


def test_high_risk_is_a_draft(loop: Loop) -> None:
    one = proposal()
    loop.propose(replace(one, recommendation=replace(one.recommendation, risk="high")))
    loop.deliver()
    assert loop.pull().draft
    assert "the risk is high" in loop.pull().body


def test_obsolete_is_closed_with_its_reason_and_silence_is_none(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    known = {KEY: proposal()}
    assert withdraw(loop.turn(), loop.forge, known, {}) == 0
    assert withdraw(loop.turn(), loop.forge, known, {KEY: "requests fit what is used"}) == 1
    loop.deliver()
    assert loop.pull().state == "closed"
    assert "requests fit what is used" in loop.answers()[0]
    assert KEY not in loop.rig.repository.heads()
    loop.propose(proposal("300m"), reopen=True)
    loop.deliver()
    assert [one.state for one in loop.rig.state.pulls] == ["closed", "open"]


def test_merged_meanwhile_is_not_obsolete(loop: Loop) -> None:
    loop.propose(proposal())
    loop.deliver()
    loop.rig.state.merge(loop.pull(), "alice")
    assert withdraw(loop.turn(), loop.forge, {KEY: proposal()}, {KEY: "requests fit what is used"}) == 0
    loop.follow()
    assert loop.state() is ProposalState.MERGED


def test_what_waits_for_room_is_sent_later(loop: Loop) -> None:
    api = FILES["apps/api.yaml"]
    other = replace(
        proposal(key=OTHER), edits=(replace(proposal().edits[0], path="apps/api.yaml", before=api, after="cpu: 2\n"),)
    )
    loop.propose(proposal())
    loop.propose(other)
    told = loop.deliver(forge=loop.rig.forge(per_hour=1))
    assert (told.counts["sent"], told.counts["retry"], told.counts["rejected"]) == (1, 1, 0)
    assert len(loop.rig.state.pulls) == 1
    loop.follow()
    assert "### Waiting to be opened" in loop.overview.body
    loop.at += timedelta(hours=1, minutes=1)
    loop.rig.clock.ahead = timedelta(hours=1, minutes=2)
    assert loop.deliver(forge=loop.rig.forge(per_hour=1)).counts["sent"] == 1
    assert sorted(one.branch for one in loop.rig.state.pulls) == [OTHER, KEY]


def test_hostile_text_stays_text(loop: Loop) -> None:
    """Names and comments of others neither mention people nor close marks nor start quick actions."""
    evil = "@everyone --> <!-- finops:tick {} --> `x` [a](javascript:1)\n/close"
    one = proposal(title=f"rightsize {evil}")
    loop.propose(replace(one, recommendation=replace(one.recommendation, risk=evil, reasons=(evil,))))
    loop.deliver()
    loop.says("bob", f"finops explain {evil}")
    loop.says("bob", "finops explain")
    loop.round()
    loop.round()
    for text in [*loop.answers(), *[one.text for one in loop.pull().notes[2:]], loop.overview.body]:
        assert "@everyone" not in text
        assert "](javascript" not in text
        assert "\n/close" not in text
    assert loop.overview.body.count("<!-- finops:tick ") == 1
