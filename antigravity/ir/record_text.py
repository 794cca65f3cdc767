"""What log lines say about the record of one exchange.  No content, no credentials."""

from __future__ import annotations

from typing import Any, Final

from antigravity.ir.printable import shorten
from antigravity.ir.record import ExchangeRecord

#: Longer names of models are cut, in characters.
_NAME_LIMIT: Final = 512


def describe(record: ExchangeRecord) -> str:
    """Return how a request was served, by which account, and why attempts have failed."""
    usage, attempts = record.usage, record.attempts
    upstream = attempts[-1].upstream if attempts else "-"
    account = f" by {attempts[-1].credential}" if attempts else ""
    spent = f", {usage.input_total} + {usage.output} tokens" if usage else ""
    count = len(attempts)
    tries = f", {count} {'attempt' if count == 1 else 'attempts'}" if attempts else ""
    model = f" {record.model[:_NAME_LIMIT]}" if record.model else ""
    mapped = (record.mapped_model or "-")[:_NAME_LIMIT]
    route = f" -> {upstream}/{mapped}{account}" if attempts or record.mapped_model else ""
    intercepted = f", {record.intercepted}" if record.intercepted else ""
    reasons = _reasons(record) if record.outcome == "error" or len(attempts) > 1 else ""
    return f"{record.protocol}{model}{route}: {record.outcome}{spent}{tries}{intercepted}{reasons}"


def log_values(record: ExchangeRecord) -> dict[str, Any]:
    """Return the same as values of a log event, for observers that read single values."""
    usage, attempts = record.usage, record.attempts
    return {
        "protocol": record.protocol,
        "model": record.model[:_NAME_LIMIT],
        "upstream": attempts[-1].upstream if attempts else "-",
        "account": attempts[-1].credential if attempts else "-",
        "mapped": (record.mapped_model or "-")[:_NAME_LIMIT],
        "outcome": record.outcome,
        "input": usage.input_total if usage else None,
        "output": usage.output if usage else None,
        "attempts": len(attempts),
        "warnings": [loss.field for loss in record.warnings],
    }


def _reasons(record: ExchangeRecord) -> str:
    failed = [f"{a.upstream} ({a.credential}): {a.error}" for a in record.attempts if a.error]
    text = "; ".join(failed) or record.error or ""
    return f": {shorten(text)}" if text else ""
