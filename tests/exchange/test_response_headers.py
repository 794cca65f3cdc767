"""The header with warnings: bounded, losses of content first."""

from __future__ import annotations

from antigravity.exchange.response_headers import WARNINGS_LIMIT, warnings
from antigravity.ir.capabilities import Loss

HINT = Loss("seed", "dropped")
CONTENT = Loss("messages", "replaced by a note", content=True)


def test_losses_of_content_are_reported_without_debug_headers() -> None:
    assert warnings([HINT], every=False) == ()
    ((name, value),) = warnings([HINT, CONTENT], every=False)
    assert name == "X-Antigravity-Warnings"
    assert value == "messages: replaced by a note"


def test_losses_of_content_come_first() -> None:
    ((_, value),) = warnings([HINT, CONTENT], every=True)
    assert value == "messages: replaced by a note; seed: dropped"


def test_header_is_bounded_printable_ascii() -> None:
    many = [
        Loss("x" * 10_000 + f"\r\nSet-Cookie: {n}é", "d\x00\n", content=True) for n in range(999)
    ]
    ((_, value),) = warnings(many, every=False)
    assert len(value) <= WARNINGS_LIMIT
    assert value.isascii()
    assert value.isprintable()
