"""``antigravity connect`` and ``disconnect``: configure clients for the gateway, and undo it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from antigravity.app.diff_masks import mask_diff
from antigravity.cli.connect_target import find_target
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.terminal import table
from antigravity.config.spelling import closest
from antigravity.connect.client import KEY_VARIABLE, NAME, Client, Target, this_machine
from antigravity.connect.clients import CLIENTS, find_client
from antigravity.connect.connections import Connections
from antigravity.connect.plan import ChangedMeanwhileError, ConnectError, Plan, State
from antigravity.connect.texts import dialogs, hints

#: Texts of the gateway's that look like secrets where they are.
_OURS: Final = frozenset({NAME, KEY_VARIABLE})
#: How often a plan is made again because a client has written its file meanwhile.
_TRIES: Final = 3
_MORE: Final = (
    "antigravity connect CLIENT --dry-run shows what would change; antigravity run CLIENT starts a "
    "client without changing anything."
)
_STATES: Final = {
    "connected": "connected",
    "changed": "connected, changed since",
    "elsewhere": "points elsewhere",
    "not connected": "-",
    "by hand": "by hand",
    "unreadable": "unreadable",
}


def complete_client(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """Return the names of clients that begin with a text, for the shell."""
    return [name for name in CLIENTS if name.startswith(incomplete)]


def known_client(name: str) -> Client:
    """Return a client by its name, or that of its program.

    :raises UsageError: if there is none.
    """
    client = find_client(name)
    if client is None:
        near = closest(name, CLIENTS)
        hint = f"  Did you mean {near}?" if near else ""
        raise click.UsageError(f"There is no client {name!r}.{hint}  See 'antigravity connect'.")
    return client


@click.command(cls=Command)
@click.argument("client", default="", shell_complete=complete_client)
@click.option("--model", default="", help="The model that the client shall use.")
@click.option(
    "--url", default="", help="The gateway's address, if clients reach it at another one."
)
@click.option("--dry-run", is_flag=True, help="Show the changes, and write nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@command_options
def connect(
    invocation: Invocation, client: str, model: str, url: str, dry_run: bool, yes: bool
) -> None:
    """Point CLIENT at the gateway; without one, list all clients.

    Shows what changes in the client's configuration, asks, and writes only settings of its own.
    "antigravity disconnect" undoes it.
    """
    connections = Connections(invocation.home, this_machine())
    if not client:
        _show_clients(invocation, [connections.state(each) for each in CLIENTS.values()])
        return
    known = known_client(client)
    target = find_target(invocation, known, model, url)
    if known.files is None:
        _show_by_hand(invocation, known, target)
        return
    secret = target.key if target.demands_key else ""
    done = _carry_out(
        invocation,
        connections,
        lambda: connections.plan_connect(known, target),
        secret=secret,
        dry_run=dry_run,
        yes=yes,
    )
    if done and not invocation.as_json:
        click.echo(f"{known.title} is connected to {target.address}.")
        for hint in hints(known, target):
            click.echo(f"  {hint}")


@click.command(cls=Command)
@click.argument("client", shell_complete=complete_client)
@click.option("--dry-run", is_flag=True, help="Show the changes, and write nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@command_options
def disconnect(invocation: Invocation, client: str, dry_run: bool, yes: bool) -> None:
    """Undo "antigravity connect CLIENT".

    Only values that are still what was written are taken back; whatever was changed since stays.
    """
    known = known_client(client)
    connections = Connections(invocation.home, this_machine())
    done = _carry_out(
        invocation,
        connections,
        lambda: connections.plan_disconnect(known),
        secret="",
        dry_run=dry_run,
        yes=yes,
    )
    if done and not invocation.as_json:
        click.echo(f"{known.title} is disconnected.")


def _carry_out(
    invocation: Invocation,
    connections: Connections,
    make_plan: Callable[[], Plan],
    *,
    secret: str,
    dry_run: bool,
    yes: bool,
) -> bool:
    """Show a plan, ask, and apply it; return whether it was applied."""
    for attempt in range(_TRIES):
        try:
            plan = make_plan()
            _show_plan(invocation, plan, secret, dry_run)
            if dry_run:
                return False
            is_forgotten = not any(file.record for file in plan.files)
            if not plan.is_change and not is_forgotten:
                return True
            if plan.is_change and not yes and not _may_write():
                return False
            connections.apply(plan)
        except ChangedMeanwhileError as error:
            if attempt == _TRIES - 1:
                raise click.ClickException(f"{error}  Close the client, and try again.") from None
            note(f"{error}  The changes are computed again:")
        except ConnectError as error:
            raise click.ClickException(str(error)) from None
        else:
            return True
    return False


def _may_write() -> bool:
    if not sys.stdin.isatty():
        raise click.UsageError(
            "standard input is no terminal, so that the command cannot ask: use --yes, or --dry-run"
        )
    return click.confirm("Write this?", default=True)


def _show_plan(invocation: Invocation, plan: Plan, secret: str, dry_run: bool) -> None:
    diff = mask_diff(plan.diff(), secret, _OURS, plan.documents())
    if invocation.as_json:
        files = [str(file.path) for file in plan.files if file.is_change]
        data = {"client": plan.client.name, "files": files, "diff": diff, "kept": plan.left}
        data["permissions"] = plan.permissions
        click.echo(json.dumps({**data, "dry_run": dry_run}, indent=2, ensure_ascii=False))
        return
    if not plan.is_change:
        click.echo("Nothing changes.")
    for line in diff.splitlines():
        click.echo(click.style(line, fg=_color_of(line)))
    for sentence in plan.permissions:
        click.echo(sentence)
    for name in plan.left:
        note(f"{name} was changed since, so it stays.")


def _color_of(line: str) -> str | None:
    if line.startswith(("---", "+++", "@@")):
        return "cyan"
    return {"+": "green", "-": "red"}.get(line[:1])


def _show_clients(invocation: Invocation, states: list[State]) -> None:
    rows = [
        (
            each.client,
            "yes" if each.installed else "-",
            _STATES[each.state],
            each.address or each.problem,
        )
        for each in states
    ]
    lines = [table(("CLIENT", "INSTALLED", "STATE", "ADDRESS"), rows), "", _MORE]
    data: list[dict[str, Any]] = [
        {name: getattr(each, name) for name in each.__struct_fields__} for each in states
    ]
    invocation.show(data, "\n".join(lines))


def _show_by_hand(invocation: Invocation, client: Client, target: Target) -> None:
    """Show what people do themselves: settings of a window, or variables of the shell."""
    start = client.start(target) if client.start else None
    variables = dict(start.variables) if start else {}
    lines = [f"{client.title} is connected by hand:"]
    fields = dialogs(client, target)
    for dialog in fields:
        lines += [f"  {dialog.title}", *(f"    {field}" for field in dialog.fields)]
    lines += [f"  {hint}" for hint in hints(client, target)]
    if variables:
        lines += ["", "sh:"] + [f"  export {name}={value}" for name, value in variables.items()]
        lines += ["", "PowerShell:"]
        lines += [f'  $env:{name} = "{value}"' for name, value in variables.items()]
    data = {
        "client": client.name,
        "hints": hints(client, target),
        "dialogs": [{"title": each.title, "fields": each.fields} for each in fields],
        "variables": variables,
    }
    invocation.show(data, "\n".join(lines))
