"""The options and the output of all commands."""

from __future__ import annotations

import functools
import json
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, cast

import click
from msgspec import Struct

from antigravity.config.home import find_home
from antigravity.config.known_names import KnownNames
from antigravity.config.snapshot import Configuration, load
from antigravity.ir.printable import strip_controls

_Parameters = ParamSpec("_Parameters")


class Invocation(Struct, frozen=True):
    """The options that every command has."""

    home: Path
    config_file: Path | None = None
    as_json: bool = False

    def configuration(self, known: KnownNames | None = None) -> Configuration:
        """Return the configuration that the gateway would use.

        :param known: the names that plugins have registered, if they are loaded.
        :raises ConfigurationError: if it is invalid.
        """
        return load(self.home, self.config_file, known=known)

    def show(self, data: Any, text: str) -> None:
        """Print the result: ``data`` with ``--json``, else ``text``."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif text:
            click.echo(text)


def command_options(
    function: Callable[Concatenate[Invocation, _Parameters], None],
) -> Callable[_Parameters, None]:
    """Add ``--json``, ``--home`` and ``--config`` to a command, and pass it an invocation."""

    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @click.option(
        "--home",
        type=click.Path(file_okay=False),
        help="The home directory (default: $ANTIGRAVITY_HOME, else the platform's).",
    )
    @click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Read this configuration file instead of the one in the home directory.",
    )
    @functools.wraps(function)
    def wrapped(
        *args: Any,
        as_json: bool,
        home: str | None,
        config_file: Path | None,
        **options: Any,
    ) -> None:
        function(Invocation(find_home(home), config_file, as_json), *args, **options)

    return cast(Callable[_Parameters, None], wrapped)


def note(text: str) -> None:
    """Print a message that is not the result, to standard error.

    It may repeat a server's words, so control characters are removed.
    """
    click.echo(strip_controls(text), err=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in columns."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _width(text: str) -> int:
    """Return how many columns a terminal needs for ``text``."""
    return sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
        if not unicodedata.combining(letter)
    )
