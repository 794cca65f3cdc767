"""``antigravity explain``: what would happen to a request for a model, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import click

from antigravity.cli.administration import NoGatewayRunsError, request_admin
from antigravity.cli.completion import MODEL
from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.status import labels_of
from antigravity.cli.terminal import free_in, percent, table
from antigravity.config.spelling import closest

#: The protocols that programs speak to the gateway.
CLIENTS: Final = {
    "claude-code": "anthropic",
    "codex": "openai_responses",
    "gemini-cli": "gemini",
    "opencode": "openai_chat",
    "qwen-code": "openai_chat",
    "droid": "openai_chat",
    "crush": "openai_chat",
    "goose": "openai_chat",
    "aider": "openai_chat",
    "llm": "openai_chat",
    "continue": "openai_chat",
    "zed": "openai_chat",
    "vscode": "openai_chat",
    "copilot-cli": "openai_chat",
}


@click.command(cls=Command)
@click.argument("model", type=MODEL)
@click.option(
    "--client",
    "--protocol",
    "client",
    default="openai_chat",
    show_default=True,
    help="The client's protocol, or a program such as claude-code, codex or gemini-cli.",
)
@command_options
def explain(invocation: Invocation, model: str, client: str) -> None:
    """Show which accounts would serve MODEL, and why others would not.

    It also explains why nothing serves a model, and what helps.
    """
    protocol = CLIENTS.get(client, client)
    query = urlencode({"model": model, "protocol": protocol})
    try:
        data = request_admin(invocation, f"/admin/explain?{query}")
    except click.ClickException as error:
        near = "" if client in CLIENTS else closest(client, CLIENTS)
        hint = f" Or did you mean the client {near!r}?" if near else ""
        if not hint or isinstance(error, NoGatewayRunsError):
            raise
        raise click.ClickException(f"{error.message}{hint}") from None
    invocation.show(data, describe(data, labels_of(invocation.home)))


def describe(data: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    """Return an explanation as text."""
    lines = [f"{data['model']} is served as {data['mapped_model']}"]
    if not data["served"]:
        lines = [f"{data['model']} cannot be served now.", data["problem"]]
    lines += [f"  {step['rule']}: {step['source']} -> {step['target']}" for step in data["steps"]]
    upstreams = [
        (
            each["upstream"],
            "no" if each["rank"] is None else str(each["rank"] + 1),
            each["model"] or "-",
            each["reason"],
        )
        for each in data["upstreams"]
    ]
    if upstreams:
        lines += ["", table(("UPSTREAM", "RANK", "MODEL", "REASON"), upstreams)]
    if data["accounts"]:
        head = ("ACCOUNT", "UPSTREAM", "STATE", "QUOTA LEFT", "REASON")
        lines += ["", table(head, [_account(each, labels) for each in data["accounts"]])]
    quirks = [
        (each["upstream"], name, meaning)
        for each in data["upstreams"]
        for name, meaning in each["quirks"].items()
    ]
    if quirks:
        lines += ["", table(("UPSTREAM", "QUIRK", "MEANING"), quirks)]
    return "\n".join(lines)


def _account(each: Mapping[str, Any], labels: Mapping[str, str]) -> tuple[str, ...]:
    state = each["state"]
    if state in ("locked", "protected"):
        state = f"{state}, {free_in(each['free_in'])}"
    name = labels.get(each["account"]) or each["label"] or each["account"]
    return name, each["upstream"], state, percent(each["remaining"]), each["reason"]
