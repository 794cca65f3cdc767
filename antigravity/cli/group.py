"""Commands and groups of commands, which show their help in sections.

The commands of a group are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import click

from antigravity.cli.options import CommonOption, add_common_options
from antigravity.config.spelling import closest

#: The section of commands that are in no other one.
_OTHERS: Final = "Other commands"
#: The most characters of a command's first sentence, which a list of commands shows.
_LONGEST: Final = 200


class Command(click.Command):
    """A command whose help has the common options in a section of their own."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options."""
        _write_options(self.get_params(ctx), ctx, formatter)


class Group(click.Group):
    """A group that suggests the nearest command, and has the common options.

    :param lazy: commands by name: where each is, as ``module:attribute``.
    :param has_plugins: whether plugins can add commands.
    :param sections: the names of commands by the section of the help that lists them.
    """

    command_class = Command

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str] | None = None,
        has_plugins: bool = False,
        sections: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        add_common_options(self.params)
        self._lazy = dict(lazy or {})
        self._has_plugins = has_plugins
        self._sections = dict(sections or {})

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

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, and then the options."""
        self.format_commands(ctx, formatter)
        _write_options(self.get_params(ctx), ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what each command does, section by section."""
        left = self.list_commands(ctx)
        sections = dict(self._sections)
        named = {name for names in sections.values() for name in names}
        if others := [name for name in left if name not in named]:
            sections[_OTHERS if sections else "Commands"] = others
        width = max(map(len, left), default=0)
        for title, names in sections.items():
            rows = [
                (name.ljust(width), command.get_short_help_str(_LONGEST))
                for name in names
                if (command := self.get_command(ctx, name)) is not None and not command.hidden
            ]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

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


def _write_options(
    parameters: Iterable[click.Parameter], context: click.Context, formatter: click.HelpFormatter
) -> None:
    """Write the options of a command, and then those of all commands."""
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for each in parameters:
        if (record := each.get_help_record(context)) is not None:
            (common if isinstance(each, CommonOption) or each.is_eager else own).append(record)
    for title, records in (("Options", own), ("Options of all commands", common)):
        if records:
            with formatter.section(title):
                formatter.write_dl(records)
