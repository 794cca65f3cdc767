"""``antigravity export``: finished requests in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import click

from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.ledger_source import LedgerSource, read_time
from antigravity.config.atomic import open_atomically
from antigravity.interfaces.ledger import ExportQuestion


@click.command()
@click.option("--since", default="24h", show_default=True, help="24h, 7d, today, 2026-11-30")
@click.option("--until", default=None, help="the end; the same forms (default: now)")
@click.option(
    "--format",
    "form",
    default="jsonl",
    show_default=True,
    type=click.Choice(["jsonl", "csv", "har"]),
    help="JSON lines, CSV, or HTTP Archive 1.2",
)
@click.option(
    "--payloads", is_flag=True, help="also what was sent and received, if it is kept; har has it"
)
@click.option("--unmasked", is_flag=True, help="show e-mail addresses as they are")
@click.option(
    "--output",
    "-o",
    default=None,
    type=click.Path(dir_okay=False, path_type=Path),
    help="write a file that only you can read, instead of the standard output",
)
@click.option("--model", default=None, help="only this served model")
@click.option("--account", default=None, help="only this account")
@click.option("--upstream", default=None, help="only this upstream")
@click.option("--client", default=None, help="only this client program")
@click.option("--session", default=None, help="only this session of Claude Code")
@click.option("--failed", is_flag=True, help="only requests that failed")
@command_options
def export(
    invocation: Invocation,
    since: str,
    until: str | None,
    form: Any,
    payloads: bool,
    unmasked: bool,
    output: Path | None,
    model: str | None,
    account: str | None,
    upstream: str | None,
    client: str | None,
    session: str | None,
    failed: bool,
) -> None:
    """Write finished requests, oldest first, for other programs."""
    if form == "csv" and payloads:
        raise click.UsageError("CSV has no payloads; use --format jsonl or har.")
    now = time.time()
    question = ExportQuestion(
        since=read_time(since, now),
        until=None if until is None else read_time(until, now),
        format=form,
        payloads=payloads,
        unmasked=unmasked,
        model=model,
        account=account,
        upstream=upstream,
        client=client,
        session=session,
        outcome="error" if failed else None,
    )
    pieces = LedgerSource(invocation).export(question)
    if output is None:
        _write(sys.stdout.buffer, pieces)
        sys.stdout.flush()
        return
    with open_atomically(output) as file:
        size = _write(file, pieces)
    note(f"{output}: {size} bytes")


def _write(file: BinaryIO, pieces: Iterable[bytes]) -> int:
    size = 0
    for piece in pieces:
        file.write(piece)
        size += len(piece)
    return size
