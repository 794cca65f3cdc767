"""A real PostgreSQL server for tests, on a socket in a temporary directory."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

#: Where Debian has the programs of the server, which are not on the path.
_FOLDERS = "/usr/lib/postgresql"
#: Who runs the server if the tests run as root: it refuses to run as root itself.
_USER = "postgres"


def programs() -> Path | None:
    """Return the folder of the server's programs, the newest if there are several."""
    found = sorted(Path(_FOLDERS).glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    program = shutil.which("postgres")
    return Path(program).resolve().parent if program else None


def why_absent() -> str:
    """Return why tests with a PostgreSQL server cannot run here, empty if they can."""
    if importlib.util.find_spec("psycopg") is None:
        return "psycopg is not installed: the extra `postgres`"
    if programs() is None:
        return "there is no PostgreSQL server: apt-get install postgresql"
    if os.name != "nt" and os.geteuid() == 0 and _account() is None:
        return "the tests run as root, and there is no user postgres for the server"
    return ""


def _account() -> Any:
    import pwd

    try:
        return pwd.getpwnam(_USER)
    except KeyError:
        return None


class PostgresServer:
    """A server with data of its own; :meth:`start` and :meth:`stop` can be repeated."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._data = directory / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._options: dict[str, Any] = {"cwd": directory, "stdin": subprocess.DEVNULL}
        if os.geteuid() == 0:
            account = _account()
            os.chown(directory, account.pw_uid, account.pw_gid)
            self._options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        program = programs()
        assert program is not None
        self._programs = program
        self._run(
            "initdb", "--pgdata", str(self._data), "--username", "ledger", "--auth", "trust",
            "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync",
        )  # fmt: skip

    def url(self, database: str = "postgres", **parameters: str) -> str:
        """Return the address of a database."""
        query = "".join(f"&{name}={quote(value)}" for name, value in parameters.items())
        return f"postgresql://ledger@/{database}?host={quote(str(self.directory), safe='')}{query}"

    def start(self, **settings: str) -> None:
        """Start the server unless it runs, and wait until it answers."""
        if self._process is not None and self._process.poll() is None:
            return
        defaults = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "full_page_writes": "off",
            "max_connections": "40",
            "shared_buffers": "16MB",
        }
        options = [f"--{name}={value}" for name, value in {**defaults, **settings}.items()]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._data), *options],
                stdout=log,
                stderr=log,
                **self._options,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert self._process.poll() is None, (self.directory / "log").read_text("utf-8")
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """Stop the server at once; all connections break."""
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.send_signal(2)  # a fast shutdown
        process.wait(30)

    def create(self, database: str) -> str:
        """Create an empty database, and return its address."""
        self.execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Execute a statement, and return its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url(), connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**_environment(), "LC_ALL": "C.UTF-8"},
            **self._options,
        )
        assert done.returncode == 0, done.stderr


def _environment() -> Mapping[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


@contextmanager
def running_server(**settings: str) -> Iterator[PostgresServer]:
    """Return a context with a running server, whose data is deleted at the end.

    The directory has a short name, because a socket's name must be short.
    """
    directory = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    server = PostgresServer(directory)
    try:
        server.start(**settings)
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
