"""What reached a branch of a Git repository: merged changes and commits, and whose manifests they touched."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from finops_ai.domain.change import NearbyChange
from finops_ai.domain.errors import Unavailable
from finops_ai.domain.period import Days
from finops_ai.domain.placing import Glob, PathPlace, by_labels, by_path, pattern
from finops_ai.forges.git import Branches, Login, Remote
from finops_ai.world.secrets import SecretRef
from finops_ai.world.world import World

if TYPE_CHECKING:
    from dulwich.objects import Commit

LEEWAY_DAYS = 30
"""How far beyond the days asked for the walk goes on: a commit may be dated before its parent."""

MOST_FILES = 500
"""Of one change; one that touches more is a move of everything and belongs to nobody."""

LARGEST_FILE = 256 * 1024
_PULL = re.compile(r"^Merge (?:pull request #(\d+)|branch |remote-tracking )")
_SQUASHED = re.compile(r"\((?:#|!)(\d+)\)$")
_SEE = re.compile(r"^See merge request \S*!(\d+)$", re.MULTILINE)


class Settings(BaseModel):
    """Changes to files that fit `paths` on `branch` (the default one) of `repository`.

    `places` say by path, `labels` (column to label) by the manifests' own labels, whose workload a file is.
    `web_url` is the repository's page, for links to commits; an https repository is its own. `token` opens a private
    one, at `user` as the host wants it: any name will do for most, `x-access-token` for tokens of apps.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["git"]
    name: str
    repository: str = Field(pattern=r"^(https?|ssh|git|file)://[^@]+$|^/")
    branch: str | None = None
    paths: tuple[Glob, ...] = ("**",)
    places: tuple[PathPlace, ...] = ()
    labels: dict[str, str] = {}
    web_url: str | None = Field(default=None, pattern=r"^https?://[^\s@]+$")
    token: SecretRef | None = None
    user: str = Field(default="oauth2", min_length=1)

    @model_validator(mode="after")
    def _token_goes_by_http(self) -> Self:
        if self.token is not None and not re.fullmatch(r"https?://[^/]+/.*", self.repository, re.S):
            raise ValueError("a token goes with an http(s) repository only; for ssh a key of this machine is used")
        return self


class History:
    """Reads first parents only: what a merge brought reached the branch when it was merged, not when it was written."""

    def __init__(self, settings: Settings, world: World) -> None:
        self.name = settings.name
        self._told = settings
        self._secrets = world.secrets
        self._paths = [pattern(glob) for glob in settings.paths]
        repository = settings.repository
        own = repository.removesuffix(".git") if repository.startswith("http") else None
        self._web = (settings.web_url or own or "").rstrip("/")

    def changes(self, days: Days) -> Iterator[NearbyChange]:
        oldest = days.start - timedelta(days=LEEWAY_DAYS)
        branches = self._fetched(days, oldest)
        for commit, at, parent in _walked(branches, oldest):
            if at.date() in days:
                files = self._files(branches, commit, parent)
                if files:
                    yield self._change(branches, commit, at, files)

    def _fetched(self, days: Days, oldest: date) -> Branches:
        """What came since `oldest`; everything where the server cannot leave out the rest.

        A change is told by what its parent was: where that of a change of `days` was left out, all is needed too.
        """
        login = None if self._told.token is None else self._login
        remote = Remote(self._told.repository, self._told.branch, login, self._secrets.redact)
        try:
            branches = remote.fetch(since=datetime.combine(oldest, time(), UTC))
        except Unavailable:  # so says a server that knows no dates, and any where nothing is as new
            branches = remote.fetch(history=False)
            return branches if _at(branches.base).date() < oldest else remote.fetch()
        walked = _walked(branches, oldest)
        cut = any(commit.parents and parent is None and at.date() >= days.start for commit, at, parent in walked)
        return remote.fetch() if cut else branches

    def _login(self) -> Login:
        if self._told.token is None:
            raise ValueError("a login needs a token")
        return Login(user=self._told.user, password=self._secrets.get(self._told.token).get_secret_value())

    def _files(self, branches: Branches, commit: Commit, parent: Commit | None) -> dict[str, Any]:
        """Changed paths that are looked at, each with the blob that tells what it was or is."""
        from dulwich.diff_tree import tree_changes

        found: dict[str, Any] = {}
        for one in tree_changes(branches.repo.object_store, parent.tree if parent else None, commit.tree):
            entry = one.new if one.new and one.new.path else one.old
            path = (entry.path or b"").decode("utf-8", "replace") if entry else ""
            if entry and any(glob.fullmatch(path) for glob in self._paths):
                found[path] = entry.sha
        return found

    def _change(self, branches: Branches, commit: Commit, at: datetime, files: Mapping[str, Any]) -> NearbyChange:
        message = commit.message.decode("utf-8", "replace")
        sha = commit.id.decode()
        merged = bool(len(commit.parents) > 1 or _SQUASHED.search(message.partition("\n")[0]))
        places = self._places(branches, files) if len(files) <= MOST_FILES else ()
        return NearbyChange(
            source=self.name,
            key=sha,
            kind="merge" if merged else "commit",
            what=title(message) or sha[:12],
            who=commit.author.decode("utf-8", "replace").partition("<")[0].strip(),
            at=at,
            url=f"{self._web}/commit/{sha}" if self._web else None,
            places=places,
        )

    def _places(self, branches: Branches, files: Mapping[str, Any]) -> tuple[Mapping[str, str], ...]:
        """Each place once. A label of the manifest comes before what its path says."""
        found: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        for path, sha in files.items():
            said = by_path(path, self._told.places)
            objects = self._objects(branches, path, sha) if self._told.labels else []
            for place in [{**said, **told} for told in objects] or [said]:
                if place:
                    found[tuple(sorted(place.items()))] = place
        return tuple(found.values())

    def _objects(self, branches: Branches, path: str, sha: Any) -> list[dict[str, str]]:
        if not path.endswith((".yaml", ".yml", ".json")):
            return []
        content = branches.repo.object_store[sha].as_raw_string()
        return [] if len(content) > LARGEST_FILE else [by_labels(one, self._told.labels) for one in _metadata(content)]


def title(message: str) -> str:
    """The line that says what was done: of a merge, its request's own title and number."""
    subject, _, rest = message.strip().partition("\n")
    merge = _PULL.match(subject)
    if not merge:
        return subject.strip()
    own = next((line.strip() for line in rest.splitlines() if line.strip()), "")
    see = _SEE.search(rest)
    number = f" (#{merge[1]})" if merge[1] else f" (!{see[1]})" if see else ""
    return f"{own}{number}" if own and not own.startswith("See merge request") else subject.strip()


def _metadata(content: bytes) -> Iterator[Any]:
    """The metadata of every object of a manifest; none of a file that is no YAML, such as a template."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        documents = list(YAML(typ="safe").load_all(content))
    except (YAMLError, ValueError, RecursionError):
        return
    for document in documents:
        if isinstance(document, dict):
            yield document.get("metadata")


def _walked(branches: Branches, oldest: date) -> Iterator[tuple[Commit, datetime, Commit | None]]:
    """Commits of the branch from the newest back to `oldest`, with their instants and first parents."""
    commit: Commit | None = branches.base
    while commit is not None and (at := _at(commit)).date() >= oldest:
        parent = _parent(branches, commit)
        yield commit, at, parent
        commit = parent


def _at(commit: Commit) -> datetime:
    try:
        return datetime.fromtimestamp(commit.commit_time, tz=UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, tz=UTC)


def _parent(branches: Branches, commit: Commit) -> Commit | None:
    """The first parent; None at the root, and where a shallow history ends."""
    from dulwich.objects import Commit

    if not commit.parents or commit.parents[0] not in branches.repo.object_store:
        return None
    found = branches.repo.object_store[commit.parents[0]]
    return found if isinstance(found, Commit) else None


def make(settings: Settings, world: World) -> History:
    return History(settings, world)
