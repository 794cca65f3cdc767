"""``antigravity status``: the running gateway, its accounts, and what keeps them from serving."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from antigravity.accounts.files import AccountFiles
from antigravity.accounts.pool_status import describe_lock
from antigravity.cli.administration import request_admin
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.mcp_servers import describe_login
from antigravity.cli.terminal import ago, free_in, percent, span, table
from antigravity.config.running_gateway import find_running_gateway

#: What people see first as long as a demo runs.
DEMO: Final = (
    "DEMO: a built-in simulator answers every request. "
    "Add an account with 'antigravity accounts add' to end it."
)
_NO_ACCOUNTS: Final = (
    "There are no accounts.  Add one with 'antigravity accounts add gemini_api' "
    "(or anthropic, openai, codeassist, zai)."
)
_ACCOUNTS: Final = (
    "ACCOUNT",
    "UPSTREAM",
    "STATE",
    "WHY",
    "QUOTA LEFT",
    "IN FLIGHT",
    "LAST USED",
    "LAST ERROR",
)
_WORKERS: Final = ("WORKER", "PROCESS", "STATE", "SINCE", "RUNNING", "RESTARTS", "PROBLEM")


@click.command(cls=Command)
@click.option("--watch", is_flag=True, help="Refresh it until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.2),
    default=2.0,
    show_default=True,
    help="Seconds between two refreshes with --watch.",
)
@command_options
def status(invocation: Invocation, watch: bool, interval: float) -> None:
    """Show the running gateway, and what its accounts do.

    Each account has a row: its state and why, when it is free again, what is left of its quota,
    requests in flight, when it was used last, and its last error.
    """
    while True:
        data = _ask(invocation)
        if watch and not invocation.as_json:
            click.clear()
        home = invocation.home
        invocation.show(data, describe(data, labels_of(home), where_it_runs(home)))
        if not watch:
            return
        try:
            time.sleep(interval)
        except KeyboardInterrupt:
            return


def _ask(invocation: Invocation) -> dict[str, Any]:
    """Return the status of the gateway with all accounts and the tunnel."""
    status = request_admin(invocation, "/admin/status")
    accounts = request_admin(invocation, "/admin/accounts")
    tunnel = request_admin(invocation, "/admin/tunnel")
    return {**status, "accounts": accounts["accounts"], "tunnel": tunnel}


def labels_of(home: Path) -> dict[str, str]:
    """Return the labels of the accounts in files by id; the gateway shows them masked only."""
    return {each.id: each.label for each in AccountFiles(home).load()[0] if each.label}


def where_it_runs(home: Path) -> str:
    """Return where the gateway of a home listens and for how long, ``""`` if it says nothing."""
    record = find_running_gateway(home)
    if record is None:
        return ""
    addresses = f" at {', '.join(record.addresses)}" if record.addresses else ""
    return f"{addresses} (process {record.pid}, up {span(time.time() - record.started)})"


def describe(data: Mapping[str, Any], labels: Mapping[str, str], where: str = "") -> str:
    """Return the status as text.

    :param where: where the gateway runs, which follows its version.
    """
    pool = data["pool"]
    lines = [DEMO, ""] if data["demo"] else []
    running, waiting = data["running_requests"], pool["queue"]["waiting"]
    lines += [
        f"antigravity {data['version']}{where}",
        f"Requests: {running} running, {waiting} waiting for an account; mode {pool['mode']}",
    ]
    rows = [_account(each, labels) for each in data["accounts"]]
    lines += ["", table(_ACCOUNTS, rows) if rows else _NO_ACCOUNTS]
    if pool["fixed"]:
        lines.append(
            f"All requests use {labels.get(pool['fixed'], pool['fixed'])}, if it can serve them; "
            "'antigravity accounts use --auto' ends that."
        )
    lines += _help(data["accounts"], labels)
    if data["upstreams"]:
        upstreams = [(u["name"], u["kind"], *_upstream(u)) for u in data["upstreams"]]
        lines += ["", table(("UPSTREAM", "KIND", "ACCOUNTS", "STATE"), upstreams)]
    if workers := data.get("workers"):
        lines += ["", table(_WORKERS, map(_worker, workers))]
    if data["mcp"]["servers"]:
        head = ("MCP SERVER", "STATE", "REVISION", "TOOLS", "LOGIN", "REASON")
        lines += ["", table(head, map(_mcp_server, data["mcp"]["servers"]))]
    lines += [
        "",
        f"Tunnel: {_tunnel(data['tunnel'])}",
        f"Ledger of requests: {_ledger(data['ledger'])}",
    ]
    if (state := data.get("state")) and state["name"]:
        lines.append(f"Shared state: {_shared_state(state)}")
    if (store := data.get("key_store")) and (store["problem"] or "://" in store["name"]):
        problem = f"; problem: {store['problem']}" if store["problem"] else ""
        lines.append(f"Keys: {store['name']}{problem}")
    if count := data.get("wrong_keys"):
        lines.append(f"Wrong keys since the start: {count}")
    if problem := data["configuration"]["problem"]:
        lines.append(f"The newest configuration is not in use: {problem}")
    return "\n".join(lines)


def _account(account: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    state, why = _state_and_reason(account)
    fixed = ", fixed" if account["is_fixed"] else ""
    error = account["last_error"]
    return (
        _name(account, labels),
        account["upstream"],
        f"{state}{fixed}",
        why or "-",
        _quota(account),
        str(account["running"]),
        ago(account["ago"]),
        f"{ago(account['last_error_ago'])}: {_short(error)}" if error else "-",
    )


def _name(account: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    return labels.get(account["id"]) or str(account["label"] or account["id"])


def _state_and_reason(account: Mapping[str, Any]) -> tuple[str, str]:
    """Return the state of an account with the time of its end, and the reason."""
    state, locks = account["state"], account["locks"]
    whole = [each for each in locks if not each["model"]]
    if whole:
        longest = max(whole, key=_length)
        return f"{state}, {free_in(longest['free_in'])}", describe_lock(longest["reason"])
    if locks:
        soonest = min(locks, key=_length)
        more = f" (and {len(locks) - 1} more models)" if len(locks) > 1 else ""
        why = f"{soonest['model']}: {describe_lock(soonest['reason'])}{more}"
        return f"{state}, {free_in(soonest['free_in'])}", why
    return state, account["why"]


def _length(lock: Mapping[str, Any]) -> float:
    return float("inf") if lock["free_in"] is None else float(lock["free_in"])


def _quota(account: Mapping[str, Any]) -> str:
    """Return the lowest quota of an account, with its group of models."""
    if not account["quotas"]:
        return "unknown"
    lowest = min(account["quotas"], key=lambda each: float(each["remaining"]))
    text = f"{percent(lowest['remaining'])} of {lowest['group']}"
    if lowest["free_in"] is not None and lowest["remaining"] < 1:
        text += f", full in {span(lowest['free_in'])}"
    return f"{text}, kept in reserve" if lowest["is_protected"] else text


def _help(accounts: list[Mapping[str, Any]], labels: Mapping[str, str]) -> list[str]:
    return [
        f"The owner of {_name(account, labels)} has to act: {each['help']}"
        for account in accounts
        for each in account["locks"]
        if each["help"]
    ]


def _upstream(upstream: Mapping[str, Any]) -> tuple[str, str]:
    return str(upstream["accounts"]), upstream["problem"] or "ready"


def _worker(each: Mapping[str, Any]) -> tuple[str, ...]:
    names = ("running", "restarts", "problem")
    process, since = each["pid"] or "-", span(each["seconds"])
    return (str(each["number"]), str(process), each["state"], since, *(str(each[n]) for n in names))


def _mcp_server(each: Mapping[str, Any]) -> tuple[str, ...]:
    login = each.get("login", {"state": "none"})
    short = {"none": "-", "needed": "needed"}
    logged_in = short.get(login["state"]) or describe_login(login, each["name"])
    names = ("name", "state", "revision", "tools")
    return (*(str(each[key]) for key in names), logged_in, str(each["reason"]))


def _tunnel(tunnel: Mapping[str, Any]) -> str:
    addresses = f", {', '.join(tunnel['addresses'])}" if tunnel["addresses"] else ""
    reason = f": {tunnel['reason']}" if tunnel["reason"] else ""
    return f"{tunnel['state']}{addresses}{reason}"


def _ledger(ledger: Mapping[str, Any]) -> str:
    if not ledger["enabled"]:
        return f"off: {ledger['problem']}" if ledger["problem"] else "off"
    lost = f", {ledger['lost']} rows lost" if ledger["lost"] else ""
    problem = f": {ledger['problem']}" if ledger["problem"] else ""
    return f"on, {ledger['bytes'] / 1048576:.1f} MiB{lost}{problem}"


def _shared_state(state: Mapping[str, Any]) -> str:
    if state["problem"]:
        return f"lost: {state['problem']}"
    count = state["gateways"]
    return f"{state['name']}, {count} {'gateway' if count == 1 else 'gateways'}"


def _short(text: str) -> str:
    """Return the beginning of an error, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 80 else f"{line[:79]}…"
