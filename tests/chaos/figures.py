"""Figures of a chaos run, from the records of its exchanges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from antigravity.ir.record import AttemptRecord, ExchangeRecord


def resident() -> int:
    """Return the bytes of memory that this process has, 0 where nobody tells."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    line = next(row for row in status.read_text().splitlines() if row.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that this part of the values does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def retry_kind(attempt: AttemptRecord) -> str:
    """Return what a failed attempt is counted under."""
    name = (attempt.error or "").partition(":")[0]
    return f"{name} {attempt.status or '-'}"


def latencies(records: Iterable[ExchangeRecord]) -> dict[str, list[float]]:
    """Return for each kind of retry what it added to exchanges that had just this one.

    That is the time from the first attempt's start to the last one's.
    """
    added: dict[str, list[float]] = defaultdict(list)
    for record in records:
        first = record.attempts[0]
        waited = record.attempts[-1].started - first.started
        failed = [retry_kind(each) for each in record.attempts[:-1]]
        if len(failed) > 1:
            added["several in a row"].append(waited)
        elif failed:
            added[failed[0]].append(waited)
    return added


def table(records: Sequence[ExchangeRecord], served: int, asked: int, seconds: float) -> str:
    """Return the figures as text."""
    attempts = sum(len(record.attempts) for record in records)
    troubled = sum(len(record.attempts) > 1 for record in records)
    lines = [
        f"requests {asked}, served {served} ({served / asked:.2%}), {seconds:.1f} s",
        f"attempts {attempts} ({attempts / len(records):.3f} per request), retried {troubled}",
        f"{'added by a retry after':36} {'n':>5} {'p50 s':>8} {'p99 s':>8}",
    ]
    for kind, values in sorted(latencies(records).items()):
        p50, p99 = percentile(values, 0.5), percentile(values, 0.99)
        lines.append(f"{kind:36} {len(values):5} {p50:8.3f} {p99:8.3f}")
    return "\n".join(lines)
