"""``antigravity tunnel``: make the gateway available on the Internet."""

from __future__ import annotations

import time
from typing import Any

import click

from antigravity.cli.administration import request_admin
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.tunnel_install import install

#: Seconds between two polls of a starting tunnel, and after its time limit.
_POLL_INTERVAL = 0.25
_EXTRA_WAIT = 5.0


@click.group(cls=Group)
def tunnel() -> None:
    """Make the gateway available on the Internet, with cloudflared."""


tunnel.add_command(install)


@tunnel.command()
@command_options
def status(invocation: Invocation) -> None:
    """Show the state and the address of the tunnel."""
    data = request_admin(invocation, "/admin/tunnel")
    invocation.show(data, "\n".join(_lines(data)))


@tunnel.command()
@click.option(
    "--insecure",
    is_flag=True,
    help="Start it even without authentication: everyone on the Internet can use the gateway.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for the connection.")
@command_options
def start(invocation: Invocation, insecure: bool, no_wait: bool) -> None:
    """Start the tunnel of the running gateway, and show its address.

    It runs until "antigravity tunnel stop", the end of the gateway, or a change of [tunnel] in the
    configuration.
    """
    data = request_admin(invocation, "/admin/tunnel/start", "POST", {"insecure": insecure})
    if not no_wait:
        data = _wait(invocation, data)
    invocation.show(data, "\n".join(_lines(data)))
    if data["state"] not in ("up", "starting"):
        click.get_current_context().exit(1)


@tunnel.command()
@command_options
def stop(invocation: Invocation) -> None:
    """Stop the tunnel of the running gateway."""
    data = request_admin(invocation, "/admin/tunnel/stop", "POST")
    invocation.show(data, "The tunnel has stopped.")


def _wait(invocation: Invocation, data: dict[str, Any]) -> dict[str, Any]:
    """Wait until the tunnel is up, has failed or takes too long, and return its state."""
    deadline = time.monotonic() + data["start_timeout"] + _EXTRA_WAIT
    while data["state"] in ("off", "starting") and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
        data = request_admin(invocation, "/admin/tunnel")
    if data["authentication"] == "off" and data["state"] == "up":
        note(
            "antigravity: authentication is off: everyone who knows the address can use the gateway"
        )
    return data


def _lines(data: dict[str, Any]) -> list[str]:
    words = {
        "off": "The tunnel is off.",
        "refused": "The tunnel was not started.",
        "starting": "The tunnel is starting.",
        "up": "The tunnel is up.",
        "waiting": "The tunnel is down.",
        "failed": "The tunnel has failed.",
    }
    lines = [words.get(data["state"], str(data["state"])), *data["addresses"]]
    if data["state"] == "up" and not data["addresses"]:
        lines.append("Its public host names are configured at Cloudflare.")
    if data["reason"]:
        lines.append(str(data["reason"]))
    if data["retry_in"] is not None:
        lines.append(f"Next attempt in {data['retry_in']:g} s.")
    return lines
