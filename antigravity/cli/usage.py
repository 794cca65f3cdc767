"""``antigravity usage``: how many requests and tokens there were, and what they cost."""

from __future__ import annotations

import time
from typing import Any, Final, Unpack

import click
import msgspec

from antigravity.cli.group import Command
from antigravity.cli.invocation import Invocation, command_options
from antigravity.cli.key_usage import show_key_usage
from antigravity.cli.ledger_options import Filters, filter_options, time_options
from antigravity.cli.ledger_source import LedgerSource, read_time
from antigravity.cli.terminal import table
from antigravity.config.raw_configuration import KEY_VARIABLE
from antigravity.daemon.time_zone import zone_name
from antigravity.interfaces.ledger import Sums, UsageQuestion, UsageReport, UsageRow
from antigravity.interfaces.refusals import describe_refusal
from antigravity.ledger.csv_lines import csv_line

#: What the JSON has lists of.
_LISTS: Final = ("model", "account", "upstream", "client", "client_key", "day")
_UNITS: Final = ("hour", "day", "month")
_HEAD: Final = ("REQUESTS", "ERRORS", "INPUT", "CACHED", "OUTPUT", "COST", "MEAN TIME")


@click.command(cls=Command)
@time_options("24h")
@click.option(
    "--by",
    default="model",
    show_default=True,
    help="Group by model, account, upstream, client, client_key, hour, day or month, or several "
    "of these, separated by commas.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, for a spreadsheet.")
@filter_options
@click.option(
    "--key",
    "of_key",
    is_flag=True,
    help=f"Show what is left of the API key in {KEY_VARIABLE}, or that is typed.",
)
@click.option("--url", default="", help="With --key: the address of the gateway.")
@command_options
def usage(
    invocation: Invocation,
    /,
    since: str,
    until: str | None,
    by: str,
    as_csv: bool,
    of_key: bool,
    url: str,
    **filters: Unpack[Filters],
) -> None:
    """Show how many requests and tokens there were, and what they cost."""
    if of_key:
        show_key_usage(invocation, url)
        return
    if url:
        raise click.UsageError("--url belongs to --key.")
    now = time.time()
    source = LedgerSource(invocation)
    question = UsageQuestion(
        since=read_time(since, now),
        until=now if until is None else read_time(until, now),
        by=by,
        zone=zone_name(),
        **filters,
    )
    report = source.usage(question)
    if as_csv:
        click.echo(_as_csv(report, by), nl=False)
    elif invocation.as_json:
        lists = {
            f"by_{name}": source.usage(msgspec.structs.replace(question, by=name)).rows
            for name in _LISTS
        }
        invocation.show(_as_json(report, lists), "")
    else:
        invocation.show(None, _as_text(report, by))


def _as_json(report: UsageReport, lists: dict[str, list[UsageRow]]) -> dict[str, Any]:
    return {
        "since": report.since,
        "until": report.until,
        **msgspec.to_builtins(report.total),
        "refused": report.refused,
        "rows": [_row_as_json(row) for row in report.rows],
        **{name: [_row_as_json(row) for row in rows] for name, rows in lists.items()},
    }


def _row_as_json(row: UsageRow) -> dict[str, Any]:
    data = msgspec.to_builtins(row)
    sums = data.pop("sums")
    return {**data, **sums}


def _as_csv(report: UsageReport, by: str) -> str:
    """Return a line for each row, after one with the names of the columns."""
    groups = _groups(by)
    flat = [_flat(row.sums) for row in report.rows] or [_flat(report.total)]
    lines = [csv_line((*groups, *flat[0]))]
    for row, sums in zip(report.rows, flat, strict=False):
        names = (_group_value(row, name) for name in groups)
        lines.append(csv_line((*names, *sums.values())))
    return "".join(lines)


def _flat(sums: Sums) -> dict[str, Any]:
    data = msgspec.structs.asdict(sums)
    tokens = msgspec.structs.asdict(data.pop("tokens"))
    return {**data, **{f"tokens_{name}": value for name, value in tokens.items()}}


def _groups(by: str) -> list[str]:
    names = [name.strip() for name in by.split(",") if name.strip()]
    units = [name for name in names if name in _UNITS]
    return [*units, *(name for name in names if name not in units)]


def _group_value(row: UsageRow, name: str) -> str:
    return (row.period if name in _UNITS else getattr(row, name)) or ""


def _as_text(report: UsageReport, by: str) -> str:
    columns = _groups(by)
    rows = []
    for row in report.rows:
        values = [_group_value(row, name) or "-" for name in columns]
        rows.append((*values, *_cells(row.sums)))
    rows.append((*("total" if not at else "" for at in range(len(columns))), *_cells(report.total)))
    head = (*(name.upper().replace("_", " ") for name in columns), *_HEAD)
    lines = [table(head, rows)]
    if report.total.unpriced:
        count = report.total.unpriced
        lines.append(
            f"The price of {count} {'request' if count == 1 else 'requests'} is unknown: set it in "
            "[prices] of the configuration."
        )
    if report.refused:
        reasons = ", ".join(
            f"{number} {describe_refusal(kind)}" for kind, number in report.refused.items()
        )
        lines.append(f"Refused before they were admitted: {reasons}.")
    return "\n".join(lines)


def _cells(sums: Sums) -> tuple[str, ...]:
    tokens = sums.tokens
    return (
        str(sums.requests),
        str(sums.errors),
        str(tokens.input + tokens.cache_write + tokens.cache_write_1h),
        str(tokens.cached),
        str(tokens.output + tokens.reasoning),
        _cost(sums),
        "-" if sums.duration is None else f"{sums.duration:.2f} s",
    )


def _cost(sums: Sums) -> str:
    """Return the cost of the requests whose price is known."""
    if not sums.tokens.total and not sums.cost:
        return "-"
    return money(None if sums.unpriced and not sums.cost else sums.cost)


def money(dollars: float | None) -> str:
    """Return a cost as text; ``unpriced`` if it is unknown."""
    if dollars is None:
        return "unpriced"
    return f"${dollars:.4f}" if dollars < 1 else f"${dollars:.2f}"
