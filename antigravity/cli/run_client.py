"""``antigravity run CLIENT``: start a client that uses the gateway, and write nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import click

from antigravity.cli.connect import complete_client, known_client
from antigravity.cli.connect_target import find_target
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.connect.client import this_machine
from antigravity.connect.connections import Connections
from antigravity.connect.plan import ConnectError


@click.command(
    cls=Command, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.option("--model", default="", help="The model that the client shall use.")
@click.option(
    "--url", default="", help="The gateway's address, if clients reach it at another one."
)
@click.argument("client", shell_complete=complete_client)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@command_options
def run(
    invocation: Invocation, client: str, arguments: tuple[str, ...], model: str, url: str
) -> None:
    """Start CLIENT with its environment set for the gateway.

    CLIENT is a name from "antigravity connect", or of its program.  What follows it is passed to
    the program.  Options of this command stand before CLIENT.
    """
    known = known_client(client)
    if known.start is None:
        raise click.ClickException(
            f"{known.title} reads no variables for this; use 'antigravity connect {known.name}'"
        )
    names = [client] if client in known.programs else list(known.programs)
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        raise click.ClickException(f"{' or '.join(names)} is not installed, or not on PATH")
    try:
        obstacle = Connections(invocation.home, this_machine()).find_obstacle(known)
    except ConnectError as error:
        raise click.ClickException(str(error)) from None
    if obstacle:
        raise click.ClickException(
            f"{obstacle}, which no variable replaces; use 'antigravity connect {known.name}'"
        )
    start = known.start(find_target(invocation, known, model, url))
    environment = {name: value for name, value in os.environ.items() if name not in start.unset}
    environment.update(start.variables)
    command = [program, *start.arguments, *arguments]
    sys.stdout.flush()
    if sys.platform == "win32":  # there a new program cannot take this one's place
        done = subprocess.run(command, env=environment, check=False)  # noqa: S603 - as asked
        raise SystemExit(done.returncode)
    os.execve(program, command, environment)  # noqa: S606 - the user's own program
