"""Folders for work on disk, held by a lock that dies with its process: what a killed process left is swept by the next.

A process that is killed removes nothing, and a scheduler that is killed in a loop would fill the disk. Each folder
therefore has a file HELD that its process keeps locked. The kernel lets go of the lock when the process dies, however
it dies, and only then; a number of a process in a name would prove nothing, for numbers are given out again and begin
anew in every container. HELD is locked before it gets its name, so a folder is either held or not yet known as one of
these: without HELD it is never swept, whoever made it.

HELD names the kernel that it is locked in. A lock is not always seen from another machine that shares the folder, so
what another kernel locked is left alone; that includes what was left before this machine was started again.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HELD = ".finops-held"
_PREFIX = "finops-"
_WORK = "work"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_swept: set[Path] = set()


class Scratch:
    """A folder of this process, private to its user, at `path`; it goes when closed, forgotten, or at the very end.

    It lies in the temporary folder or, as a hidden one, `within` another, such as the one that a file is to be moved
    to. The first one that a process makes there sweeps what killed processes left there. Raises OSError when the disk
    takes no folder.
    """

    def __init__(self, purpose: str, *, within: Path | None = None) -> None:
        parent = Path(tempfile.gettempdir()) if within is None else within
        if parent not in _swept:
            _swept.add(parent)
            sweep(parent)
        hidden = "" if within is None else "."
        folder = Path(tempfile.mkdtemp(prefix=f"{hidden}{_PREFIX}{purpose}-", dir=parent))
        self.path = folder / _WORK
        self._remove = weakref.finalize(self, _remove, folder, _hold(folder))
        self.path.mkdir()

    def close(self) -> None:
        """Remove the folder as far as the disk lets it; again does nothing."""
        self._remove()


@contextmanager
def scratch(purpose: str, *, within: Path | None = None) -> Iterator[Path]:
    """A `Scratch` for as long as the block lasts. Raises OSError when the disk takes no folder."""
    made = Scratch(purpose, within=within)
    try:
        yield made.path
    finally:
        made.close()


def sweep(parent: Path) -> None:
    """Remove the folders in `parent` whose process is dead. What cannot be removed stays, and nothing is raised.

    Only folders of this user, never what is behind a link; beside those names that begin alike nothing is opened.
    """
    with suppress(OSError), os.scandir(parent) as entries:
        alike = [entry.path for entry in entries if entry.name.removeprefix(".").startswith(_PREFIX)]
        for path in alike:
            with suppress(OSError):
                _sweep(Path(path))


def _sweep(folder: Path) -> None:
    """Everything is reached through the opened folder, so that nobody can put another in its place meanwhile."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        if os.fstat(opened).st_uid != os.geteuid():
            return
        held = os.open(HELD, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened)
        try:
            if stat.S_ISREG(os.fstat(held).st_mode) and os.read(held, 200) == _kernel():
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(_WORK, ignore_errors=True, dir_fd=opened)
                if not _has_work(opened):  # else something resists: the next process tries again
                    os.unlink(HELD, dir_fd=opened)
                    folder.rmdir()
        finally:
            os.close(held)
    finally:
        os.close(opened)


def _has_work(opened: int) -> bool:
    try:
        os.stat(_WORK, dir_fd=opened, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _hold(folder: Path) -> int | None:
    """The lock on a new folder. None where the disk has no room for it or knows no locks: then nobody sweeps it."""
    held = None
    try:
        held, name = tempfile.mkstemp(prefix=f"{HELD}-", dir=folder)
        os.write(held, _kernel())
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(name).rename(folder / HELD)
    except OSError:
        if held is not None:
            os.close(held)
        return None
    return held


def _remove(folder: Path, held: int | None) -> None:
    """HELD goes last: who is killed on the way, or kept from it by the disk, leaves what can be swept."""
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    if not (folder / _WORK).exists():
        shutil.rmtree(folder, ignore_errors=True)
    if held is not None:
        os.close(held)


def _kernel() -> bytes:
    """One run of one machine: containers on it share it and see each other's locks."""
    try:
        return _BOOT_ID.read_bytes()
    except OSError:
        return os.uname().nodename.encode()
