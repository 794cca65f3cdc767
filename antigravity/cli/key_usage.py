"""What is left of one key, asked with the key itself: ``antigravity usage --key``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import click

from antigravity.cli.administration import find_gateway, unreachable
from antigravity.cli.gateway_client import GatewayAddress, NoGatewayError, get_json
from antigravity.cli.invocation import Invocation
from antigravity.config.errors import ConfigurationError
from antigravity.config.raw_configuration import KEY_VARIABLE

_PATH: Final = "/v1/usage"
#: The most characters of a key.
_LONGEST: Final = 10_000


def show_key_usage(invocation: Invocation, url: str) -> None:
    """Print what is left of the key in the environment, or that is typed.

    It is no argument, because others can see those, and shells keep them.

    :param url: the address of the gateway, ``""`` for the one of the home.
    """
    address = _address(invocation, url)
    try:
        data = get_json(address, _PATH, _read_key())
    except NoGatewayError as error:
        raise unreachable(error) from None
    if not isinstance(data, dict):
        raise click.ClickException(f"{address} is not an antigravity gateway")
    invocation.show(data, "\n".join(_lines(data)))


def _read_key() -> str:
    """Return the key in the environment, else what is typed or the line of the standard input.

    :raises click.ClickException: if there is none.
    """
    if key := os.environ.get(KEY_VARIABLE, "").strip():
        return key
    if sys.stdin.isatty():
        return str(click.prompt("API key", hide_input=True, err=True)).strip()
    if key := sys.stdin.readline(_LONGEST).strip():
        return key
    raise click.ClickException(
        f"there is no API key: set {KEY_VARIABLE}, or write it to the standard input"
    )


def _address(invocation: Invocation, url: str) -> GatewayAddress:
    """Return the address of the gateway.

    :raises click.ClickException: if it has none on TCP.
    """
    if not url:
        try:
            proxy = invocation.gateway_configuration().settings.proxy
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from None
        return find_gateway(invocation, proxy)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise click.UsageError(f"--url: {url!r} is not an address such as http://127.0.0.1:8045")
    is_safe = parts.scheme == "https"
    # Who names an address trusts it: a gateway cannot prove that it knows a key of a client, of
    # which it has only a digest.
    return GatewayAddress(parts.hostname, port or (443 if is_safe else 80), True, is_safe)


def _lines(data: Mapping[str, Any]) -> Iterator[str]:
    yield f"Key {data['label']} ({data['id']})"
    for each in data["limits"]:
        yield f"{each['remaining']} of {each['limit']} {each['unit']} left in this minute"
    for each in data["budgets"]:
        end = f"; it is full again at {each['resets_at']}" if each["resets_at"] else ""
        yield (
            f"${each['remaining']:.4f} of ${each['limit']:.2f} left per {each['per']} "
            f"(${each['spent']:.4f} spent, ${each['reserved']:.4f} reserved){end}"
        )
    if not data["limits"] and not data["budgets"]:
        yield "It has no limits per minute, and no budgets."
