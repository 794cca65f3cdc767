"""Writes one log line for each request: how it was served and how it ended, no content."""

from __future__ import annotations

from antigravity.exchange.model_name import MAX_LENGTH
from antigravity.ir.printable import shorten
from antigravity.ir.record import ExchangeRecord
from antigravity.logs import is_logged, make_logger

log = make_logger()


def log_exchange(record: ExchangeRecord) -> None:
    """Log a finished request; a failed one with every attempt."""
    failed = record.outcome == "error"
    if not is_logged("warn" if failed else "info"):
        return
    write = log.warn if failed else log.info
    usage = record.usage
    upstream = record.attempts[-1].upstream if record.attempts else "-"
    model, mapped = record.model[:MAX_LENGTH], (record.mapped_model or "-")[:MAX_LENGTH]
    seconds = record.duration or 0.0
    spent = f"{usage.input_total} + {usage.output}" if usage else "? + ?"
    intercepted = f", {record.intercepted}" if record.intercepted else ""
    # Formatted here: the logger's own formatting costs more than the rest of the line.
    write(
        "{line}",
        line=f"{record.id} {record.protocol} {model} -> {upstream}/{mapped}: "
        f"{record.outcome} after {seconds:.3f} s, {spent} tokens, "
        f"{len(record.attempts)} attempt(s){intercepted}{_reasons(record)}",
        request_id=record.id,
        protocol=record.protocol,
        model=model,
        upstream=upstream,
        mapped=mapped,
        outcome=record.outcome,
        seconds=seconds,
        input=usage.input_total if usage else None,
        output=usage.output if usage else None,
        attempts=len(record.attempts),
        warnings=[loss.field for loss in record.warnings],
    )


def _reasons(record: ExchangeRecord) -> str:
    if record.outcome != "error":
        return ""
    failed = [f"{a.upstream} ({a.credential}): {a.error}" for a in record.attempts if a.error]
    return ": " + shorten("; ".join(failed) or record.error or "")
