"""``antigravity version``."""

from __future__ import annotations

import platform

import click
import twisted

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.version import VERSION


@click.command(cls=Command)
@command_options
def version(invocation: Invocation) -> None:
    """Print the version."""
    data = {
        "antigravity": VERSION,
        "python": platform.python_version(),
        "twisted": twisted.__version__,
    }
    invocation.show(data, f"antigravity {VERSION}")
