"""Writes the log line of an exchange that is not in the line of an HTTP request."""

from __future__ import annotations

from antigravity.ir.record import ExchangeRecord
from antigravity.ir.record_text import describe, log_values
from antigravity.logs import is_logged, make_logger

log = make_logger()


def log_exchange(record: ExchangeRecord) -> None:
    """Log a finished exchange; a failed one as a warning, with every attempt."""
    failed = record.outcome == "error"
    if not is_logged("warn" if failed else "info"):
        return
    write = log.warn if failed else log.info
    seconds = record.duration or 0.0
    write(
        "{line}",
        line=f"{seconds:.3f} s {record.id}: {describe(record)}",
        seconds=seconds,
        request_id=record.id,
        **log_values(record),
    )
