"""``antigravity plugins …``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click
from msgspec import structs

from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.plugin_skeleton import SkeletonError, write_skeleton
from antigravity.cli.terminal import table
from antigravity.installation import installation_command
from antigravity.plugins import PluginHost, PluginInfo
from antigravity.testing.checks import check_registered


@click.group(cls=Group)
def plugins() -> None:
    """List, check and create plugins.

    A plugin is a Python package in the same environment as the gateway.  Install it with "pip
    install PLUGIN", with "pipx inject antigravity-gateway PLUGIN" if pipx has installed the
    gateway, or with "uv tool install WHEEL --with PLUGIN" if uv has.  WHEEL is the file that the
    gateway was installed from.  "antigravity plugins list" shows the command for this gateway.
    """


@plugins.command("list")
@command_options
def list_plugins(invocation: Invocation) -> None:
    """List all plugins and what they register."""
    host = PluginHost(invocation.configuration().settings.plugins)
    host.load()
    found = host.plugins()
    install = installation_command()
    data = {
        "plugins": [_as_json(plugin) for plugin in found],
        "blocked": sorted(host.blocked),
        "problems": [structs.asdict(problem) for problem in host.problems],
    }
    rows = [(plugin.name, "yes" if plugin.builtin else "no", _has(plugin)) for plugin in found]
    lines = [table(("NAME", "BUILT-IN", "HAS"), rows) if rows else "There are no plugins."]
    if host.blocked:
        lines.append(f"Blocked: {_listed(sorted(host.blocked))}")
    invocation.show({**data, "install": install}, "\n".join(lines))
    note(f"To add one: {install}")
    for problem in host.problems:
        note(f"antigravity: plugin {problem.plugin} {problem.reason}")


@plugins.command("check")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@command_options
def check_plugins(invocation: Invocation, names: tuple[str, ...]) -> None:
    """Check plugins and what they register.

    The exit code is 1 if there are problems.
    """
    host = PluginHost(invocation.configuration().settings.plugins)
    host.load()
    known = {info.name: info for info in host.plugins()}
    broken = {problem.plugin for problem in host.problems}
    missing = [name for name in names if name not in known.keys() | broken]
    if missing:
        blocked = [name for name in missing if name in host.blocked]
        why = f"; blocked: {_listed(blocked)}" if blocked else ""
        raise click.ClickException(
            f"There is no plugin {_listed(missing)}{why}. Run 'antigravity plugins list'."
        )
    chosen = [info for name, info in known.items() if not names or name in names]
    problems = [p for p in host.problems if not names or p.plugin in names]
    problems += check_registered(host.registry, chosen)
    data = {
        "checked": [info.name for info in chosen],
        "problems": [structs.asdict(problem) for problem in problems],
    }
    lines = [f"{problem.plugin}: {problem.reason}" for problem in problems]
    checked, found = _counted(len(chosen), "plugin"), _counted(len(problems), "problem")
    lines.append(f"{checked} checked, {found} found.")
    invocation.show(data, "\n".join(lines))
    if problems:
        raise click.exceptions.Exit(1)


@plugins.command("new")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to create (default: antigravity-NAME).",
)
@command_options
def new_plugin(invocation: Invocation, name: str, into: Path | None) -> None:
    """Create a working plugin as a starting point."""
    folder = into or Path(f"antigravity-{name}")
    try:
        written = write_skeleton(name, folder)
    except SkeletonError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from error
    data = {"folder": str(folder), "files": [str(file) for file in written]}
    lines = [f"Created {folder}. Next steps:", f"  cd {folder}", "  pip install -e '.[test]'"]
    lines += ["  pytest", f"  antigravity plugins check {name}"]
    invocation.show(data, "\n".join(lines))


def _as_json(plugin: PluginInfo) -> dict[str, object]:
    data = structs.asdict(plugin)
    return {**data, **data.pop("registered")}


def _has(plugin: PluginInfo) -> str:
    """Return what a plugin has registered, and the events that it watches."""
    parts = [
        f"{hook.replace('_', ' ').replace('mcp', 'MCP')}: {', '.join(names)}"
        for hook, names in plugin.registered.items()
        if names
    ]
    watched = [hook for hook in plugin.hooks if not hook.startswith("register_")]
    if watched:
        parts.append(f"watches: {', '.join(watched)}")
    return "; ".join(parts) or "-"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "-"
