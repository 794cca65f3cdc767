"""The options of all commands, which may stand before or after a command's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from antigravity.config.home import find_home
from antigravity.version import VERSION

#: The prefix of their values in ``click.Context.meta``, which a command shares with its groups.
_META: Final = "antigravity."


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Remember a value that was given; the last one on the command line wins."""
    if value and parameter.name is not None:
        context.meta[_META + parameter.name] = value


def _show_version(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not context.resilient_parsing:
        click.echo(f"antigravity {VERSION}")
        context.exit()


class CommonOption(click.Option):
    """An option that every group and every command has."""


def common_options() -> list[CommonOption]:
    """Return new objects for the options that every group and every command has."""
    shared: dict[str, Any] = {"expose_value": False, "callback": _keep}
    return [
        CommonOption(
            ["--home"],
            type=click.Path(file_okay=False),
            help="The home directory (default: $ANTIGRAVITY_HOME, else the platform's).",
            **shared,
        ),
        CommonOption(
            ["--config", "config_file"],
            type=click.Path(dir_okay=False, path_type=Path),
            help="Read this configuration file instead of the one in the home directory.",
            **shared,
        ),
        CommonOption(["--json", "as_json"], is_flag=True, help="Print JSON.", **shared),
        CommonOption(
            ["--quiet"], is_flag=True, help="Print results and errors only, no hints.", **shared
        ),
        CommonOption(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Print the version.",
        ),
    ]


def add_common_options(parameters: list[click.Parameter]) -> None:
    """Add the common options to a command's parameters, except for names that it has itself."""
    taken = {name for each in parameters for name in each.opts}
    parameters += [each for each in common_options() if not taken.intersection(each.opts)]


def given(context: click.Context, name: str, default: Any = None) -> Any:
    """Return the value of a common option, wherever it was given."""
    return context.meta.get(_META + name, default)


def home_of(context: click.Context) -> Path:
    """Return the home directory that a command uses."""
    return find_home(given(context, "home"))


def is_quiet() -> bool:
    """Return whether the command that runs was told to print results and errors only."""
    context = click.get_current_context(silent=True)
    return context is not None and bool(given(context, "quiet"))


def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a function that becomes a command."""
    parameters: list[click.Parameter] = getattr(function, "__click_params__", [])
    # click reads them in the reverse order
    declared = list(reversed(parameters))
    add_common_options(declared)
    function.__click_params__ = list(reversed(declared))  # type: ignore[attr-defined]
    return function
