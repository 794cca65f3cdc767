"""``antigravity simulator``: a simulated provider as a server of its own."""

from __future__ import annotations

import click

from antigravity.cli.group import Command
from antigravity.cli.options import decorate
from antigravity.cli.serve import run_twistd


@click.command(cls=Command)
@click.option(
    "--port",
    "-p",
    type=click.IntRange(0, 65535),
    default=9045,
    show_default=True,
    help="The TCP port on 127.0.0.1; 0 selects a free one.",
)
@click.option(
    "--listen", multiple=True, help="A Twisted endpoint to listen on instead; may be repeated."
)
@click.option(
    "--rules",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Read directives for prompts from this TOML file; may be repeated.",
)
@click.option("--token-lifetime", type=float, help="Seconds until an OAuth token expires.")
@click.option("--raw-schemas", is_flag=True, help="Let Code Assist accept raw JSON Schemas.")
@decorate
def simulator(
    port: int,
    listen: tuple[str, ...],
    rules: tuple[str, ...],
    token_lifetime: float | None,
    raw_schemas: bool,
) -> None:
    """Run a simulated provider in the foreground, until Ctrl-C.

    It serves the APIs of OpenAI, Anthropic and Google without a model, so that you can add accounts
    and try failures before you have a key.  The documentation of the simulator lists what prompts
    and keys make it do.
    """
    arguments = [f"--port={port}"]
    arguments += [f"--listen={each}" for each in listen]
    arguments += [f"--rules={each}" for each in rules]
    if token_lifetime is not None:
        arguments.append(f"--token-lifetime={token_lifetime}")
    run_twistd("antigravity-simulator", arguments + ["--raw-schemas"] * raw_schemas)
