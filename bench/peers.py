"""The compared programs: the gateway, the plain proxy, and other gateways from a peers file."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.machine import commit
from bench.programs import SOURCE, Program, free_port, gateway, plain_proxy, running

#: The peers that are described here; the format is described at its beginning.
PEERS_FILE: Final = Path(__file__).with_name("peers.toml")
#: The name of the column to which the others are compared.
FLOOR: Final = "floor"


@dataclass(frozen=True)
class Place:
    """Where programs run: a scratch ``folder``, the fake provider's ``address``, and ``peers``.

    ``peers`` is the folder in which other gateways are installed, ``env`` the environment that
    makes programs trust the fake provider.
    """

    folder: Path
    scheme: str
    upstream: int
    peers: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The address of the fake provider."""
        return f"{self.scheme}://127.0.0.1:{self.upstream}"

    def fill(self, text: str, port: int, folder: Path) -> str:
        """Return ``text`` of a peers file with its places filled."""
        values = {
            "PORT": str(port),
            "SCHEME": self.scheme,
            "UPSTREAM": str(self.upstream),
            "FOLDER": str(folder),
            "PEERS": str(self.peers),
        }
        for name, value in values.items():
            text = text.replace(f"@{name}@", value)
        return text


@dataclass(frozen=True)
class Column(ABC):
    """A program with the requests that it gets: one column of the table.

    ``protocol`` is the client's, ``upstream`` that of the fake provider; ``model`` and ``headers``
    replace those of :class:`bench.requests.RequestSpec`.  ``version`` is shown below the table.
    """

    name: str
    title: str
    protocol: str
    upstream: str
    version: str
    model: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_ours: bool = False

    @abstractmethod
    def start(self, place: Place) -> AbstractContextManager[Program]:
        """Run the program until the block ends."""


@dataclass(frozen=True)
class _Gateway(Column):
    source: Path = SOURCE

    def start(self, place: Place) -> AbstractContextManager[Program]:
        return gateway(self.name, self.source, place.folder, place.address, env=place.env)


@dataclass(frozen=True)
class _PlainProxy(Column):
    def start(self, place: Place) -> AbstractContextManager[Program]:
        return plain_proxy(self.name, place.folder, place.address, place.env)


@dataclass(frozen=True)
class _Peer(Column):
    command: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)

    def start(self, place: Place) -> AbstractContextManager[Program]:
        port = free_port()
        folder = place.folder / f"{self.name}-{port}"
        folder.mkdir()
        for name, text in self.files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(place.fill(text, port, folder))
        command = [place.fill(word, port, folder) for word in self.command]
        env = {name: place.fill(text, port, folder) for name, text in self.env.items()}
        return running(self.name, command, port, folder, dict(place.env) | env)


@dataclass(frozen=True)
class Direct(Column):
    """The fake provider itself, which shows what the clients and it take of each time."""

    program: Program | None = None

    def start(self, place: Place) -> AbstractContextManager[Program]:
        """Return the running program."""
        assert self.program is not None
        return nullcontext(self.program)


def direct_column(program: Program) -> Column:
    """Return the column of the fake provider."""
    return Direct("direct", "provider, directly", "openai", "openai", "", program=program)


def our_columns(sources: Mapping[str, Path]) -> list[Column]:
    """Return the columns of the gateways in the folders ``sources``, by name."""
    columns: list[Column] = []
    for name, source in sources.items():
        version = f"{name} {commit(source)}"
        for pair, protocol, upstream, title in (
            ("oai", "openai", "openai", "OpenAI → OpenAI"),
            ("gem", "anthropic", "gemini", "Anthropic → Gemini"),
            ("int", "anthropic", "internal", "Anthropic → v1internal"),
        ):
            heading = f"{'antigravity' if name == 'gateway' else name}, {title}"
            column = _Gateway(
                f"{name}-{pair}", heading, protocol, upstream, version, is_ours=True, source=source
            )
            columns.append(column)
    return columns


def floor_column(version: str) -> Column:
    """Return the column of the plain proxy."""
    return _PlainProxy(FLOOR, "Klein + treq", "openai", "openai", version)


def peer_columns(file: Path, peers: Path) -> tuple[list[Column], list[str]]:
    """Return the columns of the peers in ``file`` that are installed, and notes on the others."""
    columns: list[Column] = []
    notes = []
    for name, peer in tomllib.loads(file.read_text()).items():
        program = peer["program"].replace("@PEERS@", str(peers))
        if shutil.which(program) is None and not Path(program).is_file():
            missing = peer["program"].removeprefix("@PEERS@/")
            notes.append(f"{name} is not installed: there is no {missing}.")
            continue
        version = f"{name} {_version(peer, peers)}"
        for column in peer["columns"]:
            columns.append(_peer_column(peer, column, version))
    return columns, notes


def _peer_column(peer: Mapping[str, Any], column: Mapping[str, Any], version: str) -> Column:
    return _Peer(
        column["name"],
        column["title"],
        column["protocol"],
        column["upstream"],
        version,
        column.get("model", ""),
        column.get("headers", {}),
        command=peer["command"],
        files=peer.get("files", {}),
        env=peer.get("env", {}),
    )


def _version(peer: Mapping[str, Any], peers: Path) -> str:
    """Return the last word of the output of the peer's command for its version."""
    command = [word.replace("@PEERS@", str(peers)) for word in peer["version"]]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return (done.stdout + done.stderr).split()[-1].rpartition("/")[2]
