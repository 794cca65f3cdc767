"""``antigravity status``, ``explain`` and ``reload``: the operator's API of the running gateway."""

from __future__ import annotations

import time
from typing import Any, Final
from urllib.parse import quote

import click

from antigravity.accounts.pool_status import percent
from antigravity.cli.account_view import format_time
from antigravity.cli.gateway_client import (
    DOCTOR,
    NO_GATEWAY,
    GatewayAddress,
    NoGatewayError,
    find_address,
    get_json,
)
from antigravity.cli.invocation import Invocation, command_options, table
from antigravity.cli.mcp_servers import describe_login
from antigravity.config.settings import ProxySettings

#: What people see first as long as a demo runs.
DEMO: Final = (
    "DEMO: a built-in simulator answers every request. "
    "Add an account with 'antigravity accounts add' to end it."
)


@click.command()
@command_options
def status(invocation: Invocation) -> None:
    """Show the running gateway's accounts, locks and MCP servers."""
    data = request_admin(invocation, "/admin/status")
    pool = data["pool"]
    rows = [
        (str(each["id"]), str(each["upstream"]), str(each["running"]), str(each["bindings"]))
        for each in pool["accounts"]
    ]
    summary = (
        f"version {data['version']}, mode {pool['mode']}: {data['running_requests']} running, "
        f"{pool['queue']['waiting']} waiting, {len(pool['locks'])} locked"
    )
    heads = ("ACCOUNT", "UPSTREAM", "RUNNING", "CONVERSATIONS")
    demo = [DEMO] if data["demo"] else []
    lines = [*demo, summary, table(heads, rows) if rows else "There are no accounts."]
    if pool["locks"]:
        columns = ("LOCKED", "UPSTREAM", "MODEL", "REASON", "UNTIL")
        lines += ["", table(columns, [_locked(each) for each in pool["locks"]])]
    lines += [
        f"The owner of {each['account']} has to verify it: {each['help']}"
        for each in pool["locks"]
        if each["help"]
    ]
    if count := data.get("wrong_keys"):
        lines += ["", f"{count} requests had a wrong key since the gateway started."]
    if problem := data["configuration"]["problem"]:
        lines += ["", f"The newest configuration is not in use: {problem}"]
    if pool["protected"]:
        columns = ("PROTECTED", "MODELS", "REMAINING", "RESERVE", "UNTIL")
        lines += ["", table(columns, [_protected(each) for each in pool["protected"]])]
    if data["mcp"]["servers"]:
        known = ("MCP SERVER", "STATE", "REVISION", "TOOLS", "LOGIN", "REASON")
        lines += ["", table(known, map(_mcp_server, data["mcp"]["servers"]))]
    invocation.show(data, "\n".join(lines))


@click.command()
@click.argument("model")
@click.option("--protocol", default="openai_chat", show_default=True, help="the client's protocol")
@command_options
def explain(invocation: Invocation, model: str, protocol: str) -> None:
    """Show which accounts would serve MODEL, and why others would not."""
    data = request_admin(
        invocation, f"/admin/explain?model={quote(model)}&protocol={quote(protocol)}"
    )
    upstreams = [
        (
            each["upstream"],
            "no" if each["rank"] is None else str(each["rank"] + 1),
            each["model"] or "",
            each["reason"],
        )
        for each in data["upstreams"]
    ]
    accounts = [
        (each["account"], each["upstream"], each["state"], each["reason"])
        for each in data["accounts"]
    ]
    lines = [f"{data['model']} is served as {data['mapped_model']}"]
    lines += [f"  {step['rule']}: {step['source']} -> {step['target']}" for step in data["steps"]]
    lines += ["", table(("UPSTREAM", "RANK", "MODEL", "REASON"), upstreams)]
    lines += ["", table(("ACCOUNT", "UPSTREAM", "STATE", "REASON"), accounts)]
    quirks = [
        (each["upstream"], name, meaning)
        for each in data["upstreams"]
        for name, meaning in each["quirks"].items()
    ]
    if quirks:
        lines += ["", table(("UPSTREAM", "QUIRK", "MEANING"), quirks)]
    invocation.show(data, "\n".join(lines))


@click.command()
@command_options
def reload(invocation: Invocation) -> None:
    """Reload the configuration of the running gateway."""
    data = request_admin(invocation, "/admin/reload", "POST")
    invocation.show(data, "The gateway has reloaded its configuration.")


def _locked(each: dict[str, Any]) -> tuple[str, ...]:
    until = "-" if each["free_in"] is None else format_time(time.time() + each["free_in"])
    who, model = each["account"] or "all accounts", each["model"] or "all models"
    return who, each["upstream"], model, each["reason"], until


def _mcp_server(each: dict[str, Any]) -> tuple[str, ...]:
    login = each.get("login", {"state": "none"})
    short = {"none": "-", "needed": "needed"}
    logged_in = short.get(login["state"]) or describe_login(login, each["name"])
    names = ("name", "state", "revision", "tools")
    return (*(str(each[key]) for key in names), logged_in, str(each["reason"]))


def _protected(each: dict[str, Any]) -> tuple[str, ...]:
    until = "-" if each["free_in"] is None else format_time(time.time() + each["free_in"])
    remaining, threshold = percent(each["remaining"]), percent(each["threshold"])
    return (each["account"], each["models"], remaining, threshold, until)


class NoGatewayRunsError(click.ClickException):
    """No gateway runs."""

    exit_code = NO_GATEWAY


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
        return click.ClickException(str(error))
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
) -> dict[str, Any]:
    """Return the response of the operator's API.

    :param absent: whether to raise a :class:`NoGatewayError` if no gateway runs.
    """
    configuration = invocation.gateway_configuration()
    proxy = configuration.settings.proxy
    address = find_gateway(invocation, proxy)
    if not proxy.admin_key:
        if not configuration.raw.has_file:
            raise click.ClickException(
                f"the configuration file {configuration.file} is missing, and with it "
                f"proxy.admin_key; {DOCTOR}"
            )
        raise click.ClickException(
            "the operator's API is off: set proxy.admin_key in the configuration"
        )
    try:
        data = get_json(address, path, proxy.admin_key.reveal(), timeout, method, body)
    except NoGatewayError as error:
        if absent and error.absent:
            raise
        raise unreachable(error) from None
    if not isinstance(data, dict):
        raise click.ClickException(f"{address} is not an antigravity gateway")
    return data
