"""``antigravity service``: start the gateway with the user's session."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.service_files import MARKER, Manager, ServiceFile, service_file
from antigravity.config.atomic import write_atomically
from antigravity.config.running_gateway import find_running_gateway

#: Seconds that a command of the service manager may take.
_TIMEOUT: Final = 60.0

_manager_option = click.option(
    "--manager",
    type=click.Choice(["systemd", "launchd"]),
    help="The service manager (default: the system's).",
)
_dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print the file and the commands, and change nothing."
)


@click.group(cls=Group)
def service() -> None:
    """Start the gateway with your session: a systemd user unit, or a launchd agent.

    No command needs root.
    """


@service.command()
@click.option("--port", type=click.IntRange(1, 65535), help="The TCP port of the gateway.")
@click.option("--no-start", is_flag=True, help="Only write the file.")
@click.option("--force", is_flag=True, help="Replace a file that somebody else has written.")
@_manager_option
@_dry_run_option
@command_options
def install(
    invocation: Invocation,
    port: int | None,
    no_start: bool,
    force: bool,
    manager: Manager | None,
    dry_run: bool,
) -> None:
    """Write the service's file, and start the gateway now and with each session."""
    file = _file(invocation, manager, port)
    commands = () if no_start else file.start
    if dry_run:
        _show(invocation, file, commands, text=file.text)
        return
    if file.path.exists() and not force and not _is_ours(file.path):
        raise click.ClickException(f"{file.path} is not from this command; --force replaces it")
    file.path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file.path, file.text.encode(), mode=0o644)
    note(f"Wrote {file.path}.")
    if commands and file.path.suffix == ".plist":
        _run(file.stop, must_succeed=False)  # an agent that runs cannot be bootstrapped
    _run(commands)
    _show(invocation, file, (), text="" if no_start else "The gateway starts with your session.")
    if file.path.suffix == ".service" and commands:
        note("To keep it running without a session: loginctl enable-linger")


@service.command()
@_manager_option
@_dry_run_option
@command_options
def uninstall(invocation: Invocation, manager: Manager | None, dry_run: bool) -> None:
    """Stop the service, and remove its file."""
    file = _file(invocation, manager, None)
    if dry_run:
        _show(invocation, file, (*file.stop, *file.after_removal), text=f"remove {file.path}")
        return
    if not file.path.exists():
        raise click.ClickException(f"no service is installed: {file.path} does not exist")
    if not _is_ours(file.path):
        raise click.ClickException(f"{file.path} is not from 'antigravity service install'")
    _run(file.stop, must_succeed=False)
    file.path.unlink()
    _run(file.after_removal, must_succeed=False)
    _show(invocation, file, (), text=f"Removed {file.path}.")


@service.command()
@_manager_option
@command_options
def status(invocation: Invocation, manager: Manager | None) -> None:
    """Show whether the service is installed, and whether it runs."""
    file = _file(invocation, manager, None)
    installed = file.path.exists()
    runs = installed and _run((file.check,), must_succeed=False)
    record = find_running_gateway(invocation.home)
    gateway = None if record is None else {"pid": record.pid, "addresses": record.addresses}
    data = {"file": str(file.path), "installed": installed, "active": runs, "gateway": gateway}
    lines = [f"{file.path}: {'installed' if installed else 'not installed'}"]
    if installed:
        lines.append("The service runs." if runs else "The service does not run.")
    if record is not None:
        where = ", ".join(record.addresses) or "no TCP port"
        lines.append(f"A gateway runs in {invocation.home}: process {record.pid}, {where}")
    invocation.show(data, "\n".join(lines))
    if not runs:
        click.get_current_context().exit(1)


def _file(invocation: Invocation, manager: Manager | None, port: int | None) -> ServiceFile:
    """Return the file of the service.

    :raises click.ClickException: if the system has neither service manager.
    """
    if manager is None:
        if os.name == "nt":
            raise click.ClickException(
                "there is neither systemd nor launchd; let the Task Scheduler run 'antigravity "
                "serve' when you log on"
            )
        manager = "launchd" if sys.platform == "darwin" else "systemd"
    command = [sys.executable, "-m", "antigravity", "serve", "--home", str(invocation.home)]
    if invocation.config_file is not None:
        command += ["--config", str(invocation.config_file.absolute())]
    if port is not None:
        command += ["--port", str(port)]
    uid = os.getuid() if hasattr(os, "getuid") else 0
    try:
        return service_file(manager, command, os.environ, Path.home(), uid)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _is_ours(path: Path) -> bool:
    return MARKER in path.read_text("utf-8", "replace")


def _run(commands: Sequence[Sequence[str]], *, must_succeed: bool = True) -> bool:
    """Run commands of the service manager; return whether all have succeeded.

    :raises click.ClickException: if one fails that must not, with the commands that are left.
    """
    for number, command in enumerate(commands):
        try:
            done = subprocess.run(  # noqa: S603 - fixed programs with fixed arguments
                command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
            )
            failed = done.returncode != 0
            reason = " ".join(done.stderr.split())[:300] or f"exit code {done.returncode}"
        except (OSError, subprocess.TimeoutExpired) as error:
            failed, reason = True, type(error).__name__
        if not failed:
            continue
        if must_succeed:
            rest = "; ".join(map(shlex.join, commands[number:]))
            raise click.ClickException(f"{shlex.join(command)}: {reason}; left to do: {rest}")
        return False
    return True


def _show(
    invocation: Invocation, file: ServiceFile, commands: Sequence[Sequence[str]], *, text: str
) -> None:
    lines = [f"# {file.path}", text.rstrip()] if commands else [text.rstrip()]
    lines += [f"$ {shlex.join(each)}" for each in commands]
    data = {"file": str(file.path), "text": file.text, "commands": [list(c) for c in commands]}
    invocation.show(data, "\n".join(lines))
