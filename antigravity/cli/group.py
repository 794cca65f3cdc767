"""Groups of commands, whose commands are imported when they are used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from antigravity.cli.options import add_common_options
from antigravity.config.spelling import closest


class Group(click.Group):
    """A group that suggests the nearest command, and has the common options.

    :param lazy: commands by name: where each is, as ``module:attribute``.
    :param has_plugins: whether plugins can add commands.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str] | None = None,
        has_plugins: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        add_common_options(self.params)
        self._lazy = dict(lazy or {})
        self._has_plugins = has_plugins

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*self.commands, *self._lazy, *self._plugin_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command; import it if it is used for the first time."""
        if cmd_name not in self.commands and cmd_name in self._lazy:
            module, _, attribute = self._lazy[cmd_name].partition(":")
            self.commands[cmd_name] = getattr(import_module(module), attribute)
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        return self._plugin_commands(ctx).get(cmd_name)

    def _plugin_commands(self, context: click.Context) -> Mapping[str, click.Command]:
        if not self._has_plugins or context.resilient_parsing:
            return {}
        from antigravity.cli.plugin_commands import load_commands

        return load_commands(context, {**self.commands, **self._lazy})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name.

        :raises UsageError: if there is none, with the nearest name.
        """
        name = args[0]
        if self.get_command(ctx, name) is None and not ctx.resilient_parsing and name[:1] != "-":
            near = closest(name, self.list_commands(ctx))
            hint = f" Did you mean '{ctx.command_path} {near}'?" if near else ""
            ctx.fail(f"There is no command {name!r}.{hint} Run '{ctx.command_path} --help'.")
        return super().resolve_command(ctx, args)
