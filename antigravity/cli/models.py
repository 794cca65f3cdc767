"""``antigravity models``."""

from __future__ import annotations

from typing import Any

import click

from antigravity.cli.gateway_client import DOCTOR, NoGatewayError, gateway_address, get_json
from antigravity.cli.invocation import Invocation, command_options, table


@click.command()
@command_options
def models(invocation: Invocation) -> None:
    """List the models that the running gateway serves."""
    proxy = invocation.configuration().settings.proxy
    address = gateway_address(proxy)
    if address is None:
        raise click.ClickException("the configuration has no TCP port of the gateway")
    try:
        data = get_json(address, "/v1/models", proxy.api_key.reveal(), timeout=60.0)
    except NoGatewayError as error:
        raise click.ClickException(f"{error}; {DOCTOR}") from None
    found = data.get("data") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise click.ClickException(f"{address} is not an antigravity gateway")
    rows = [_row(model) for model in found if isinstance(model, dict)]
    invocation.show(data, table(("MODEL", "OWNER"), rows) if rows else "There are no models.")


def _row(model: dict[str, Any]) -> tuple[str, str]:
    return str(model.get("id", "")), str(model.get("owned_by", ""))
