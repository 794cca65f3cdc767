"""``antigravity tunnel``: the gateway on the Internet."""

from __future__ import annotations

import time
from typing import Any

import click

from antigravity.cli.administration import request_admin
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.tunnel_install import install

#: Seconds between two looks at a tunnel that starts, and beyond the time that it may take.
_LOOK = 0.25
_MORE = 5.0


@click.group()
def tunnel() -> None:
    """Put the running gateway on the Internet, with cloudflared."""


tunnel.add_command(install)


@tunnel.command()
@command_options
def status(invocation: Invocation) -> None:
    """Say how the tunnel is, and its address."""
    data = request_admin(invocation, "/admin/tunnel")
    invocation.show(data, "\n".join(_lines(data)))


@tunnel.command()
@click.option(
    "--insecure",
    is_flag=True,
    help="Start it even if authentication is off: everybody on the Internet may come in.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait until it stands.")
@command_options
def start(invocation: Invocation, insecure: bool, no_wait: bool) -> None:
    """Start the tunnel of the running gateway, and say its address.

    It stays until "antigravity tunnel stop", the end of the gateway, or a change of [tunnel] in
    its configuration.
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
    invocation.show(data, "The tunnel is gone.")


def _wait(invocation: Invocation, data: dict[str, Any]) -> dict[str, Any]:
    """Return how the tunnel is once it stands, has failed, or takes too long."""
    deadline = time.monotonic() + data["start_timeout"] + _MORE
    while data["state"] in ("off", "starting") and time.monotonic() < deadline:
        time.sleep(_LOOK)
        data = request_admin(invocation, "/admin/tunnel")
    if data["authentication"] == "off" and data["state"] == "up":
        note("antigravity: authentication is off: everybody who knows the address may come in")
    return data


def _lines(data: dict[str, Any]) -> list[str]:
    words = {
        "off": "The tunnel is off.",
        "refused": "The tunnel does not start.",
        "starting": "The tunnel is starting.",
        "up": "The tunnel stands.",
        "waiting": "The tunnel is down.",
        "failed": "The tunnel cannot be.",
    }
    lines = [words.get(data["state"], str(data["state"])), *data["addresses"]]
    if data["state"] == "up" and not data["addresses"]:
        lines.append("Its public names are those that Cloudflare has for its token.")
    if data["reason"]:
        lines.append(str(data["reason"]))
    if data["retry_in"] is not None:
        lines.append(f"It is tried again in {data['retry_in']:g} s.")
    return lines
