"""``antigravity requests`` and ``antigravity request ID``: what happened to requests."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import Any, Final, Unpack, get_args

import click
import msgspec

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.ledger_options import RowFilters, filter_options, session_option, time_options
from antigravity.cli.ledger_source import LedgerSource, read_time
from antigravity.cli.payload_view import describe_message
from antigravity.cli.terminal import table
from antigravity.cli.usage import money
from antigravity.interfaces.ledger import (
    PAGE_LIMIT,
    Order,
    RequestDetail,
    RequestQuestion,
    RequestSummary,
)
from antigravity.interfaces.refusals import describe_error_kind
from antigravity.ledger.csv_lines import COLUMNS, csv_line, csv_row

_HEAD: Final = (
    *("TIME", "ID", "CLIENT", "MODEL", "SERVED BY", "ACCOUNT", "STATUS", "TOOK", "TOKENS", "COST"),
)
#: Seconds between two questions with ``--follow``.
_PAUSE: Final = 1.0


@click.command(cls=Command)
@time_options()
@click.option(
    "--limit",
    default=50,
    show_default=True,
    type=click.IntRange(1, 100_000),
    help="The most requests to show.",
)
@filter_options
@session_option
@click.option("--text", default=None, help="Only requests whose error contains this text.")
@click.option(
    "--sort",
    default="time",
    show_default=True,
    type=click.Choice(get_args(Order)),
    help="Newest first, or the highest values of the newest 20,000 requests.",
)
@click.option("--failed", is_flag=True, help="Only requests that failed.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for a spreadsheet.")
@click.option("--follow", "-f", is_flag=True, help="Show new requests as they end, until Ctrl-C.")
@command_options
def requests(
    invocation: Invocation,
    /,
    since: str | None,
    until: str | None,
    limit: int,
    text: str | None,
    sort: Order,
    failed: bool,
    as_csv: bool,
    follow: bool,
    **filters: Unpack[RowFilters],
) -> None:
    """List finished requests, newest first, or those with the highest values."""
    now = time.time()
    question = RequestQuestion(
        since=None if since is None else read_time(since, now),
        until=None if until is None else read_time(until, now),
        outcome="error" if failed else None,
        text=text,
        sort=sort,
        limit=min(limit, PAGE_LIMIT),
        **filters,
    )
    source = LedgerSource(invocation)
    if follow and sort != "time":
        raise click.UsageError("--follow shows new requests as they end, so --sort does not apply.")
    if follow and as_csv:
        raise click.UsageError("--follow prints text or JSON, not CSV.")
    if follow:
        _follow(invocation, source, question)
        return
    found = _pages(source, question, limit)
    if as_csv:
        lines = (csv_line(COLUMNS), *(csv_line(csv_row(each)) for each in found))
        click.echo("".join(lines), nl=False)
        return
    ids = Counter(each.id for each in found)
    rows = [_row(each, is_unique=ids[each.id] == 1) for each in found]
    invocation.show(
        msgspec.to_builtins(found),
        table(_HEAD, rows) if rows else "There are no such requests in the ledger.",
    )


@click.command(cls=Command)
@click.argument("reference", metavar="ID")
@click.option(
    "--payloads", is_flag=True, help="Also show what was sent and received, if it was stored."
)
@command_options
def request(invocation: Invocation, reference: str, payloads: bool) -> None:
    """Show one request with its attempts.

    Of several requests with the same ID, which clients choose, this is the last one.  ID@NUMBER, as
    shown for such requests, names one of them.
    """
    source = LedgerSource(invocation)
    found = source.request(reference)
    data = msgspec.to_builtins(found)
    data = {**data.pop("request"), **data}
    text = _describe(found)
    if payloads:
        # A gateway of an earlier version has no references.
        kept = source.payloads(found.request.reference or reference)
        data["payloads"] = msgspec.to_builtins(kept.messages)
        text = "\n".join((text, *map(describe_message, kept.messages)))
    invocation.show(data, text)


def _pages(source: LedgerSource, question: RequestQuestion, limit: int) -> list[RequestSummary]:
    found: list[RequestSummary] = []
    while True:
        page = source.requests(question)
        found += page.requests[: limit - len(found)]
        if page.next is None or len(found) >= limit or question.sort != "time":
            return found
        question = msgspec.structs.replace(question, before=int(page.next))


def _follow(invocation: Invocation, source: LedgerSource, question: RequestQuestion) -> None:
    """Print the last requests, oldest first, and then each new one, until interrupted."""
    page = source.requests(msgspec.structs.replace(question, limit=min(question.limit, 10)))
    while True:
        for each in reversed(page.requests):
            _print(invocation, each)
        newest = 0 if page.newest is None else int(page.newest)
        time.sleep(_PAUSE)
        page = source.requests(msgspec.structs.replace(question, after=newest, limit=PAGE_LIMIT))


def _print(invocation: Invocation, found: RequestSummary) -> None:
    if invocation.as_json:
        click.echo(msgspec.json.encode(found).decode())
    else:
        click.echo("  ".join(_row(found)))


def _row(found: RequestSummary, *, is_unique: bool = True) -> tuple[str, ...]:
    served = found.served_model if found.served_model != found.model else ""
    return (
        _short(found.time),
        found.id if is_unique else found.reference or found.id,
        found.client or "-",
        found.model or f"({found.operation.replace('_', ' ')})",
        "/".join(each for each in (found.upstream, served) if each) or "-",
        found.account or "-",
        _status(found),
        f"{found.duration:.2f} s",
        str(found.tokens.total or "-"),
        money(found.cost) if found.tokens.total else "-",
    )


def _status(found: RequestSummary) -> str:
    """Return the status with the outcome, or with the kind of the error."""
    kind = (found.error or "").partition(":")[0]
    is_known = found.outcome == "error" and kind.isidentifier()
    what = describe_error_kind(kind) if is_known else found.outcome
    return what if found.status is None else f"{found.status} {what}"


def _describe(found: RequestDetail) -> str:
    request, tokens = found.request, found.request.tokens
    way = ", streamed" if request.stream else ""
    first = "-" if request.first_byte is None else f"{request.first_byte:.3f} s"
    waits = f"queue {found.queue:.3f} s, gateway {request.overhead:.3f} s"
    counts = msgspec.structs.asdict(tokens)
    lines = [
        f"{request.id}  {_local(request.time)}  {request.status or '-'} {request.outcome}",
        f"client: {request.client or 'unknown'}, {request.protocol} {request.operation}{way}",
        f"model: {request.model} -> {request.upstream or '-'}/{request.served_model or '-'}",
        *(f"  {step}" for step in found.route),
        f"time: {request.duration:.3f} s, first byte {first}, {waits}",
        "tokens: " + ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in counts.items()),
        f"cost: {money(request.cost)}",
    ]
    if request.error:
        lines.append(f"error: {request.error}")
    lines += [f"{name}: {value}" for name, value in _extras(request) if value]
    if found.same_id:
        lines.append(f"other requests with this id: {', '.join(found.same_id)}")
    lines += [f"warning: {each}" for each in found.warnings]
    if found.attempts:
        head = ("ATTEMPT", "ACCOUNT", "MODEL", "STATUS", "FROM", "UNTIL", "ERROR")
        rows = [
            (
                each.upstream,
                each.account,
                each.model,
                str(each.status or "-"),
                f"{each.started:.3f} s",
                "-" if each.ended is None else f"{each.ended:.3f} s",
                each.error or "",
            )
            for each in found.attempts
        ]
        lines += ["", table(head, rows)]
    return "\n".join(lines)


def _extras(request: RequestSummary) -> list[tuple[str, Any]]:
    return [
        ("session", request.session),
        ("intercepted", request.intercepted),
        ("compressed", request.compressed),
    ]


def _short(text: str) -> str:
    """Return a time of today without its date."""
    when = datetime.fromisoformat(text).astimezone()
    is_today = when.date() == datetime.now().astimezone().date()
    return when.strftime("%H:%M:%S" if is_today else "%m-%d %H:%M:%S")


def _local(text: str) -> str:
    return datetime.fromisoformat(text).astimezone().strftime("%m-%d %H:%M:%S")
