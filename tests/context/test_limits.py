"""What fits, and the bound that lets small requests pass unread."""

from __future__ import annotations

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from antigravity.context.compression import Limits
from antigravity.context.estimate import estimate_tokens
from antigravity.context.limits import ModelWindow, Thresholds, may_exceed
from antigravity.ir.capabilities import Capabilities
from antigravity.ir.parts import Text
from antigravity.ir.request import Message, Request
from antigravity.routing.capability_table import CapabilityTable, shipped_rules
from tests.context.histories import histories

COUNTS = Capabilities(max_output_tokens=16_000)
APART = Capabilities(max_output_tokens=16_000, window_counts_output=False)


def same(limit: int) -> Limits:
    return Limits(limit, limit, limit, limit)


def test_requested_output_is_reserved() -> None:
    none = Thresholds()
    room = ModelWindow(100_000, COUNTS)
    assert room.limits(8_000, none) == same(92_000)
    assert room.limits(None, none) == same(100_000 - 4_096)
    assert room.limits(64_000, none) == same(84_000), "the model gives no more than 16000"
    assert ModelWindow(100_000).limits(90_000, none) == same(50_000)
    assert ModelWindow(8_000).limits(None, none) == same(7_000)
    assert ModelWindow(100_000, APART).limits(16_000, none) == same(100_000 - 4_096)
    assert room.limits(8_000, none, 60_000) == same(60_000)


def test_thresholds_are_shares_of_the_window() -> None:
    limits = ModelWindow(100_000, COUNTS).limits(8_000, Thresholds(0.4, 0, 0.99))
    assert limits == Limits(92_000, 40_000, 92_000, 92_000)
    assert limits.lowest == 40_000
    assert Thresholds(0, 0, 0.5).early
    assert not Thresholds().early


@given(st.integers(100, 300_000), st.integers(0, 200_000), st.booleans())
def test_lowest_limit_is_a_lower_bound(window: int, requested: int, counts: bool) -> None:
    room = ModelWindow(window, COUNTS if counts else APART)
    assert room.lowest_limit(Thresholds()) <= room.limits(requested, Thresholds()).lowest
    assert room.lowest_limit(Thresholds()) <= room.limits(None, Thresholds()).lowest


@given(
    st.one_of(
        histories(),
        st.lists(st.text(min_size=1, max_size=2_000), min_size=1, max_size=5).map(
            lambda texts: tuple(Message("user", (Text(text),)) for text in texts)
        ),
    ),
    st.sampled_from([0.5, 1.0, 2.3]),
)
def test_may_exceed_is_an_upper_bound(messages: tuple[Message, ...], factor: float) -> None:
    assume(b"iVBORw0KGgo=" not in msgspec.json.encode(messages))  # no image is as small as that
    body = msgspec.json.encode(messages)
    tokens = int(estimate_tokens(Request("m", messages, "test")) * factor)
    assert may_exceed(body, tokens - 1, factor)


def test_small_bodies_never_exceed() -> None:
    assert not may_exceed(b'{"a": "%s"}' % (b"x" * 100_000), 30_000, 1.0)
    assert may_exceed(b'{"a": "%s"}' % (b"x" * 100_000), 28_000, 1.0)
    assert not may_exceed("слово".encode() * 1_000, 4_000, 1.0)


def test_shipped_context_windows() -> None:
    table = CapabilityTable(shipped_rules())

    def window(model: str) -> tuple[int | None, bool]:
        found = table.capabilities(model)
        return found.context_window, found.window_counts_output

    assert window("claude-sonnet-4-6") == (1_000_000, False)
    assert window("claude-sonnet-4-5") == (200_000, False)
    assert window("claude-3-5-sonnet-20241022") == (200_000, True)
    assert window("gemini-2.5-flash") == (1_048_576, False)
    assert window("gpt-4o") == (128_000, True)
