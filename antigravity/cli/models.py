"""``antigravity models`` and its subcommands."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import quote

import click

from antigravity.cli.administration import find_gateway, request_admin, unreachable
from antigravity.cli.completion import MODEL
from antigravity.cli.gateway_client import NoGatewayError, get_json
from antigravity.cli.group import Group
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.terminal import table

#: What people see if nothing can be served.
_NONE: Final = (
    "No upstream lists a model now. 'antigravity doctor' says why; "
    "'antigravity accounts add' adds an account."
)


@click.group(cls=Group, invoke_without_command=True)
@command_options
def models(invocation: Invocation) -> None:
    """List the models that the running gateway serves."""
    if click.get_current_context().invoked_subcommand is not None:
        return
    proxy = invocation.gateway_configuration().settings.proxy
    address = find_gateway(invocation, proxy)
    try:
        data = get_json(address, "/v1/models", proxy.api_key.reveal(), timeout=60.0)
    except NoGatewayError as error:
        raise unreachable(error) from None
    found = data.get("data") if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise click.ClickException(f"{address} is not an antigravity gateway")
    rows = [_row(model) for model in found if isinstance(model, dict)]
    invocation.show(data, table(("MODEL", "OWNER"), rows) if rows else _NONE)


@models.command()
@click.argument("model", type=MODEL)
@click.option("--protocol", default="openai_chat", show_default=True, help="The client's protocol.")
@command_options
def show(invocation: Invocation, model: str, protocol: str) -> None:
    """Show what the running gateway believes about MODEL, and why."""
    data = request_admin(
        invocation, f"/admin/model?model={quote(model)}&protocol={quote(protocol)}"
    )
    invocation.show(data, "\n\n".join(_describe(each) for each in data["upstreams"]))


def _row(model: dict[str, Any]) -> tuple[str, str]:
    return str(model.get("id", "")), str(model.get("owned_by", ""))


def _describe(upstream: dict[str, Any]) -> str:
    """Return the description of a model at one upstream."""
    way = "passed through" if upstream["native"] else f"translated to {upstream['protocol']}"
    lines = [f"{upstream['model']} at {upstream['upstream']}, {way}"]
    if upstream["plain"] != upstream["model"]:
        lines.append(f"known as {upstream['plain']}")
    rows = [
        (each["field"], json.dumps(each["value"]), each["source"]) for each in upstream["beliefs"]
    ]
    lines.append(
        table(("CAPABILITY", "VALUE", "SOURCE"), rows)
        if rows
        else "Nothing is known about this model: it gets what clients send."
    )
    refused = list(upstream["refused_parameters"].items())
    if refused:
        lines += ["", table(("REFUSED PARAMETER", "MESSAGE"), refused)]
    return "\n".join(lines)
