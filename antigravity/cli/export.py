"""``antigravity export``: finished requests in a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Unpack

import click

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options, note
from antigravity.cli.ledger_options import RowFilters, filter_options, session_option, time_options
from antigravity.cli.ledger_source import LedgerSource, read_time
from antigravity.config.atomic import open_atomically
from antigravity.interfaces.ledger import ExportQuestion


@click.command(cls=Command)
@time_options("24h")
@click.option(
    "--format",
    "form",
    default="jsonl",
    show_default=True,
    type=click.Choice(["jsonl", "csv", "har"]),
    help="JSON lines, CSV, or HTTP Archive 1.2.",
)
@click.option(
    "--payloads",
    is_flag=True,
    help="Also write what was sent and received, if it was stored; har always has it.",
)
@click.option("--unmasked", is_flag=True, help="Do not mask e-mail addresses.")
@click.option(
    "--output",
    "-o",
    default=None,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file, which only you can read, instead of standard output.",
)
@filter_options
@session_option
@click.option("--failed", is_flag=True, help="Only requests that failed.")
@command_options
def export(
    invocation: Invocation,
    /,
    since: str,
    until: str | None,
    form: Any,
    payloads: bool,
    unmasked: bool,
    output: Path | None,
    failed: bool,
    **filters: Unpack[RowFilters],
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
        outcome="error" if failed else None,
        **filters,
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
