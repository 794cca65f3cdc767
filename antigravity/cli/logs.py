"""``antigravity logs``: the log of the gateway, as it is kept in the home."""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO, Final

import click

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.config.log_files import log_paths
from antigravity.ir.printable import strip_controls

#: Seconds between two looks at the file.
_PAUSE: Final = 0.25


@click.command(cls=Command)
@click.option("-f", "--follow", is_flag=True, help="Print new lines as they come, until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(min=0),
    default=50,
    show_default=True,
    help="The number of lines to begin with.",
)
@command_options
def logs(invocation: Invocation, follow: bool, count: int) -> None:
    """Print the last lines of the gateway's log, also if it does not run.

    The log is in logs/ of the home.  With --json each line is an object with a member line.
    """
    paths = log_paths(invocation.home)
    if not paths and not follow:
        raise click.ClickException(
            f"there is no log in {invocation.home / 'logs'}: no gateway has run there, or log.file "
            "is false"
        )
    for line in _last_lines(paths, count):
        _print(invocation, line)
    if follow:
        try:
            for line in follow_lines(invocation.home, paths):
                _print(invocation, line)
        except KeyboardInterrupt:
            return


def _print(invocation: Invocation, line: str) -> None:
    line = strip_controls(line.rstrip("\n").replace("\t", "    "))
    click.echo(json.dumps({"line": line}, ensure_ascii=False) if invocation.as_json else line)


def _is_open(file: BinaryIO, path: Path) -> bool:
    return os.path.samestat(os.fstat(file.fileno()), path.stat())


def _last_lines(paths: list[Path], count: int) -> list[str]:
    """Return the last lines of the newest files, oldest first."""
    found: list[str] = []
    for path in paths:
        if len(found) >= count:
            break
        with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
            found = [*deque(file, count - len(found)), *found]
    return found


def follow_lines(home: Path, paths: list[Path]) -> Generator[str]:
    """Yield each complete line that is added, over rotations of the file."""
    file = paths[0].open("rb") if paths else None
    rest = b""
    try:
        if file is not None:
            file.seek(0, os.SEEK_END)
        while True:
            if file is not None and (data := file.read()):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    yield line.decode("utf-8", "replace")
                continue
            newest = log_paths(home)[:1]
            if newest and (file is None or not _is_open(file, newest[0])):
                if file is not None:
                    file.close()
                file, rest = newest[0].open("rb"), b""
                continue
            time.sleep(_PAUSE)
    finally:
        if file is not None:
            file.close()
