"""Commands that plugins add.  They are loaded only for the help, and for unknown names."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any, Final

import click

from antigravity.cli.invocation import note
from antigravity.cli.options import given, home_of
from antigravity.config.errors import ConfigurationError
from antigravity.config.snapshot import load
from antigravity.plugins import PluginHost, describe_error

_META: Final = "antigravity.plugin_commands"
_HOOK: Final = "register_commands"


def load_commands(context: click.Context, taken: Mapping[str, Any]) -> Mapping[str, click.Command]:
    """Return the commands of installed plugins, each of which reports its own failures.

    What cannot be loaded is noted.

    :param taken: the gateway's own commands, which cannot be replaced.
    """
    found: dict[str, click.Command] | None = context.meta.get(_META)
    if found is None:
        found = context.meta[_META] = {}
        try:
            settings = load(home_of(context), given(context, "config_file")).settings.plugins
        except ConfigurationError as error:
            note(f"antigravity: plugins are not loaded: {error}")
            return found
        host = PluginHost(settings)
        host.load(hooks=(_HOOK,))
        for problem in host.problems:
            note(f"antigravity: plugin {problem.plugin} {problem.reason}")
        for name, command in host.registry.commands.items():
            plugin = host.registry.owners[_HOOK, name]
            if name in taken:
                note(f"antigravity: plugin {plugin}: the command {name} is the gateway's own")
            else:
                found[name] = _guarded(plugin, command)
    return found


def _guarded(plugin: str, command: click.Command) -> click.Command:
    """Return a command whose failures name its plugin."""
    guarded = copy.copy(command)

    def invoke(context: click.Context) -> Any:
        try:
            return command.invoke(context)
        except (click.exceptions.Exit, click.Abort, click.ClickException, BrokenPipeError):
            raise
        except Exception as error:
            if os.environ.get("ANTIGRAVITY_TRACEBACK"):
                raise
            raise click.ClickException(
                f"plugin {plugin}: the command {command.name} failed: {describe_error(error)}"
            ) from error

    guarded.invoke = invoke  # type: ignore[method-assign, assignment]
    return guarded
