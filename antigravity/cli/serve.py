"""``antigravity serve``: run the gateway in the foreground."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from antigravity.cli.group import Command
from antigravity.cli.options import decorate, given


@click.command(cls=Command)
@click.option("--port", "-p", type=int, help="The TCP port (default: 8045); 0 selects a free one.")
@click.option(
    "--listen", "-l", multiple=True, help="A Twisted endpoint to listen on; may be repeated."
)
@click.option("--demo", is_flag=True, help="Serve all models from the built-in simulator.")
@click.option(
    "--demo-if-empty",
    is_flag=True,
    help="The same, as long as neither an upstream nor an account is configured.",
)
@click.option(
    "--workers",
    "-w",
    metavar="N|auto",
    help="The number of processes that serve, or one per core with auto (default: 1).",
)
@decorate
def serve(
    port: int | None,
    listen: tuple[str, ...],
    demo: bool,
    demo_if_empty: bool,
    workers: str | None,
) -> None:
    """Run the gateway in the foreground, until Ctrl-C.

    This is the same service as "twistd -n antigravity".  "antigravity service install" starts it
    with your session instead.
    """
    context = click.get_current_context()
    arguments = [f"--listen={each}" for each in listen]
    if port is not None:
        arguments.append(f"--port={port}")
    for option, name in (("--home", "home"), ("--config", "config_file")):
        if value := given(context, name):
            arguments.append(f"{option}={Path(value).expanduser().absolute()}")
    if workers is not None:
        arguments.append(f"--workers={workers}")
    arguments += ["--demo"] * demo + ["--demo-if-empty"] * demo_if_empty
    run_twistd("antigravity", arguments)


def run_twistd(service: str, arguments: list[str]) -> None:
    """Run a service of ``twistd`` in this process, in the foreground.

    :raises SystemExit: when it ends.
    """
    from twisted.scripts import twistd

    no_pid_file = [] if os.name == "nt" else ["--pidfile="]
    sys.argv = ["twistd", "--nodaemon", *no_pid_file, service, *arguments]
    twistd.run()
