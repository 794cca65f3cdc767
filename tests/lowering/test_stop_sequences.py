"""Stop sequences that the gateway looks for itself: any number within bounds, at a bounded cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.events import Finish, TextDelta
from antigravity.lowering.stop_sequences import LONGEST, MOST, StopSequences

TEXT = st.text("abc", max_size=8)


@given(st.lists(TEXT, max_size=5), st.lists(TEXT, max_size=8))
def test_text_ends_before_first_sequence_for_any_chunks(stop: list[str], pieces: list[str]) -> None:
    passes = StopSequences(stop)
    events = [event for piece in pieces for event in passes.feed(TextDelta(piece))]
    events += passes.close()
    text = "".join(event.text for event in events if isinstance(event, TextDelta))
    whole = "".join(pieces)
    finish = [event.stop_sequence or "" for event in events if isinstance(event, Finish)]
    if finish:
        assert finish[0] in stop
        assert whole.startswith(text + finish[0])
    else:
        assert text == whole
    assert not any(sequence in text for sequence in stop if sequence)


def test_too_many_sequences_are_refused() -> None:
    StopSequences([str(number) for number in range(MOST)])
    with pytest.raises(InvalidRequestError) as got:
        StopSequences(["s"] * (MOST + 1))
    assert got.value.param == "stop"


def test_too_long_sequence_is_refused() -> None:
    StopSequences(["s" * LONGEST])
    with pytest.raises(InvalidRequestError) as got:
        StopSequences(["s" * (LONGEST + 1)])
    assert got.value.param == "stop"
