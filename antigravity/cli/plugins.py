"""``antigravity plugins …``."""

from __future__ import annotations

from collections.abc import Collection

import click
from msgspec import structs

from antigravity.cli.invocation import Invocation, command_options, note, table
from antigravity.plugins import PluginHost


@click.group()
def plugins() -> None:
    """Show the plugins, the built-in ones included."""


@plugins.command("list")
@command_options
def list_plugins(invocation: Invocation) -> None:
    """List all plugins with what they have registered, and those that were left out."""
    host = PluginHost(invocation.configuration().settings.plugins)
    host.load()
    found = host.plugins()
    data = {
        "plugins": [structs.asdict(plugin) for plugin in found],
        "blocked": sorted(host.blocked),
        "problems": [structs.asdict(problem) for problem in host.problems],
    }
    rows = [
        (
            plugin.name,
            "yes" if plugin.builtin else "no",
            _listed(plugin.protocols),
            _listed(plugin.upstream_kinds),
            _listed(plugin.routes),
            _listed(plugin.hooks),
        )
        for plugin in found
    ]
    head = ("NAME", "BUILT-IN", "PROTOCOLS", "UPSTREAM KINDS", "ROUTES", "HOOKS")
    lines = [table(head, rows) if rows else "There are no plugins."]
    if host.blocked:
        lines.append(f"Blocked: {_listed(sorted(host.blocked))}")
    invocation.show(data, "\n".join(lines))
    for problem in host.problems:
        note(f"antigravity: plugin {problem.plugin} {problem.reason}")


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "-"
