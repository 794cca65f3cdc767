"""Records of exchanges, for tests of what is kept of them."""

from __future__ import annotations

from typing import Any

from antigravity.ir.record import AttemptRecord, ExchangeRecord
from antigravity.ir.usage import Usage
from antigravity.ledger.rows import Cost

#: 2026-11-30 10:00 UTC
START = 1_796_032_800.0
HOUR = int(START // 3600)


class Time:
    """A clock that can be set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


def make_record(number: int = 1, **changes: Any) -> ExchangeRecord:
    """Return a finished exchange with one attempt."""
    started = changes.pop("started", START)
    fields: dict[str, Any] = {
        "id": f"req_{number}",
        "protocol": "anthropic",
        "operation": "generate",
        "model": "claude-opus-4-6",
        "mapped_model": "gemini-3-pro",
        "started": started,
        "stream": True,
        "principal": "0123456789abcdef",
        "client": "claude-cli/2.1.0 (external, cli)",
        "session": "session-1",
        "outcome": "ok",
        "status": 200,
        "usage": Usage(
            input_total=100, cached=40, cache_write=10, cache_write_1h=4, output=30, reasoning=20
        ),
        "first_byte": 0.25,
        "duration": 2.0,
        "attempts": [
            AttemptRecord("google", "gemini-3-pro", "a@google", "gemini", False, 0.1, 2.0)
        ],
    }
    return ExchangeRecord(**{**fields, **changes})


def price(record: ExchangeRecord) -> Cost:
    """Return a price by the number of output tokens, unknown for models named so."""
    if record.mapped_model.startswith("unknown") or record.usage is None:
        return Cost()
    return Cost(record.usage.output * 1000, record.usage.output * 2000, "test/1")
