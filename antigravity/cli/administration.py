"""Requests to the admin API of the running gateway, and ``antigravity reload``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from antigravity.cli.gateway_client import (
    DOCTOR,
    NO_GATEWAY,
    UNAUTHORIZED,
    GatewayAddress,
    NoGatewayError,
    find_address,
    get_json,
    get_pieces,
)
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.config.errors import ConfigurationError
from antigravity.config.running_gateway import find_running_gateway
from antigravity.config.settings import ProxySettings


@click.command(cls=Command)
@command_options
def reload(invocation: Invocation) -> None:
    """Reload the configuration of the running gateway."""
    data = request_admin(invocation, "/admin/reload", "POST")
    invocation.show(data, "The gateway has reloaded its configuration.")


class NoGatewayRunsError(click.ClickException):
    """No gateway runs."""

    exit_code = NO_GATEWAY


class RequestFailedError(click.ClickException):
    """The gateway has not done what it was asked.

    :ivar status: the status of its response, 0 if there was none.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def find_gateway(invocation: Invocation, proxy: ProxySettings) -> GatewayAddress:
    """Return the address of the gateway.

    :raises click.ClickException: if it has none on TCP.
    """
    try:
        address = find_address(invocation.home, proxy)
    except NoGatewayError as error:
        raise click.ClickException(str(error)) from None
    if address is None:
        raise click.ClickException("the configuration has no TCP port of the gateway")
    return address


def unreachable(error: NoGatewayError) -> click.ClickException:
    """Return the error for a person; its exit code says whether no gateway runs."""
    if not error.absent:
        return RequestFailedError(str(error), error.status)
    return NoGatewayRunsError(
        f"no gateway runs: {error}; start one with 'antigravity serve', or {DOCTOR}"
    )


def request_admin(
    invocation: Invocation,
    path: str,
    method: str = "GET",
    body: object = None,
    *,
    timeout: float = 60.0,
    absent: bool = False,
    refused: bool = False,
) -> dict[str, Any]:
    """Return the response of the admin API.

    :param absent: whether to raise a :class:`NoGatewayError` if no gateway runs.
    :param refused: whether to raise one if the gateway that runs has another key.
    """
    try:
        address, key = _admin_access(invocation)
        data = get_json(address, path, key, timeout, method, body)
    except NoGatewayError as error:
        if (absent and error.absent) or (refused and error.status == UNAUTHORIZED):
            raise
        raise unreachable(error) from None
    if not isinstance(data, dict):
        raise click.ClickException(f"{address} is not an antigravity gateway")
    return data


def stream_admin(invocation: Invocation, path: str, *, timeout: float = 120.0) -> Iterator[bytes]:
    """Return the pieces of a response of the admin API.

    :raises NoGatewayError: if no gateway runs, or the one that runs has another key; the iterator
        raises it if the response breaks off.
    """
    try:
        address, key = _admin_access(invocation)
        return get_pieces(address, path, key, timeout)
    except NoGatewayError as error:
        if error.absent or error.status == UNAUTHORIZED:
            raise
        raise unreachable(error) from None


def has_admin_access(invocation: Invocation) -> bool:
    """Return whether the operator's API can be asked, as far as the configuration says."""
    try:
        _admin_access(invocation)
    except (click.ClickException, ConfigurationError):
        return False
    return True


def _admin_access(invocation: Invocation) -> tuple[GatewayAddress, str]:
    """Return the address of the gateway and its admin key.

    :raises NoGatewayError: if no gateway has run in the home.
    :raises click.ClickException: if there is no key.
    """
    configuration = invocation.gateway_configuration()
    proxy = configuration.settings.proxy
    address = find_gateway(invocation, proxy)
    if not proxy.admin_key:
        if not configuration.raw.has_file:
            if find_running_gateway(invocation.home) is None:
                raise NoGatewayError(f"none has been started in {invocation.home}", absent=True)
            raise click.ClickException(
                f"the configuration file {configuration.file} is missing, and with it "
                f"proxy.admin_key; {DOCTOR}"
            )
        raise click.ClickException(
            "the admin API is off, because there is no admin key: set admin_key in the [proxy] "
            f"table of {configuration.file}"
        )
    return address, proxy.admin_key.reveal()
