"""A command of ``antigravity``, which asks the running gateway."""

from __future__ import annotations

import click

from antigravity.cli.administration import request_admin
from antigravity.cli.invocation import Invocation, command_options
from antigravity_plugin_example.visits import PATH


@click.command()
@command_options
def visits(invocation: Invocation) -> None:
    """Show how many requests the running gateway has counted by model."""
    report = request_admin(invocation, PATH)
    lines = [f"{count} {model}" for model, count in sorted(report["counts"].items())]
    invocation.show(report, "\n".join(lines) or "No request was counted yet.")
