"""``antigravity config …``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from msgspec import structs

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import UNTIDY, AccountFiles
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.terminal import table
from antigravity.config.display import flatten, masked
from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.home import FILE_NAME
from antigravity.config.paths import dotted
from antigravity.config.settings import Settings
from antigravity.config.spelling import closest
from antigravity.plugins import PluginHost
from antigravity.routing.capability_table import load_table
from antigravity.upstreams.quirks import quirk_table


@click.group(cls=Group)
def config() -> None:
    """Check and show the configuration."""


@config.command()
@command_options
def check(invocation: Invocation) -> None:
    """Check the configuration, and show all problems."""
    try:
        plugins = PluginHost(invocation.configuration().settings.plugins)
        plugins.load()
        configuration = invocation.configuration(plugins.registry.known_names)
    except ConfigurationError as error:
        problems = error.problems
    else:
        files = AccountFiles(invocation.home)
        records, broken = files.load()
        problems = (
            *configuration.warnings,
            *model_file_problems(configuration.settings, invocation.home),
            *quirk_problems(configuration.settings),
            *CredentialStore(configuration.settings, records).problems,
            *(Problem(str(file), severity="warning") for file in broken),
            *(Problem(UNTIDY, place=str(path), severity="warning") for path in files.untidy),
            *(
                Problem(f"plugin {each.plugin} {each.reason}", severity="warning")
                for each in plugins.problems
            ),
        )
    good = not any(problem.severity == "error" for problem in problems)
    lines = [f"{problem.severity}: {problem}" for problem in problems]
    if good:
        lines.append("The configuration is valid.")
    data = {"valid": good, "problems": [structs.asdict(problem) for problem in problems]}
    invocation.show(data, "\n".join(lines))
    if not good:
        click.get_current_context().exit(1)


def quirk_problems(settings: Settings) -> list[Problem]:
    """Return a warning for each configured quirk that the gateway does not know."""
    known = quirk_table()
    return [
        Problem(
            f"the quirk {quirk!r} is unknown; only a plugin may use it",
            key=dotted(("upstreams", name, "quirks")),
            suggestion=closest(quirk, known.names),
            severity="warning",
        )
        for name, upstream in settings.upstreams.items()
        for quirk in upstream.quirks
        if not known.has(quirk)
    ]


def model_file_problems(settings: Settings, home: Path) -> list[Problem]:
    """Return the problems of the operator's model files."""
    try:
        load_table([home / Path(name).expanduser() for name in settings.models.files])
    except ValueError as error:
        return [Problem(str(error), key="models.files")]
    return []


@config.command()
@command_options
def show(invocation: Invocation) -> None:
    """Show all settings with their origins."""
    configuration = invocation.configuration()
    settings = masked(configuration.settings)
    origins = {
        dotted(path): str(configuration.raw.origin(path) or "default")
        for path, _ in flatten(settings)
    }
    data = {"file": _file(configuration.file), "settings": settings, "origins": origins}
    rows = [
        (dotted(path), _written(value), origins[dotted(path)]) for path, value in flatten(settings)
    ]
    invocation.show(data, table(("KEY", "VALUE", "FROM"), rows))


@config.command()
@command_options
def path(invocation: Invocation) -> None:
    """Print the path of the configuration file."""
    file = invocation.config_file or invocation.home / FILE_NAME
    data = {"home": str(invocation.home), "file": str(file), "exists": file.exists()}
    invocation.show(data, str(file))


def _file(file: Any) -> str | None:
    return str(file) if file.exists() else None


def _written(value: Any) -> str:
    """Return a value in about the form of TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value}"'
        case list():
            return f"[{', '.join(map(_written, value))}]"
        case dict():
            return "{}"
        case _:
            return str(value)
