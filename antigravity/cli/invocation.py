"""The options and the output of all commands."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, cast

import click
from msgspec import Struct

from antigravity.cli.options import decorate, given, home_of, is_quiet
from antigravity.config.known_names import KnownNames
from antigravity.config.running_gateway import find_running_gateway
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

    def gateway_configuration(self) -> Configuration:
        """Return the configuration of the running gateway, with its keys; else the same.

        :raises ConfigurationError: if it is invalid.
        """
        record = find_running_gateway(self.home)
        file = self.config_file
        if file is None and record is not None and record.configuration:
            file = Path(record.configuration)
        return load(self.home, file)

    def show(self, data: Any, text: str) -> None:
        """Print the result: ``data`` with ``--json``, else ``text``."""
        if self.as_json:
            click.echo(json.dumps(data, indent=2, ensure_ascii=False))
        elif text:
            click.echo(text)


def command_options(
    function: Callable[Concatenate[Invocation, _Parameters], None],
) -> Callable[_Parameters, None]:
    """Add the common options to a command, and pass it an invocation."""

    @functools.wraps(function)
    def wrapped(*args: Any, **options: Any) -> None:
        function(current_invocation(), *args, **options)

    return cast(Callable[_Parameters, None], decorate(wrapped))


def current_invocation() -> Invocation:
    """Return the common options of the command that runs."""
    context = click.get_current_context()
    return Invocation(
        home_of(context), given(context, "config_file"), given(context, "as_json", False)
    )


def note(text: str) -> None:
    """Print a message that is not the result, to standard error, unless ``--quiet`` was given.

    It may repeat a server's words, so control characters are removed.
    """
    if not is_quiet():
        print_error(text)


def print_error(text: str) -> None:
    """Print a message to standard error, without its control characters."""
    click.echo(strip_controls(text), err=True)
