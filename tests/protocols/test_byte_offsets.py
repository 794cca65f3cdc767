"""Offsets in bytes and in characters, across the blocks of long texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.byte_offsets import ByteOffsets

_PIECES = st.lists(
    st.tuples(st.text("aäß€😀", max_size=5), st.integers(0, 900)).map(lambda two: two[0] * two[1]),
    max_size=4,
)


@given(pieces=_PIECES, place=st.integers(-2, 12_000))
def test_offsets_are_those_of_the_whole_text(pieces: list[str], place: int) -> None:
    text = "".join(pieces)
    data, offsets = text.encode(), ByteOffsets()
    for piece in pieces:
        offsets.add(piece)
    assert (offsets.characters, offsets.bytes) == (len(text), len(data))
    wanted = max(place, 0)
    assert offsets.to_characters(place) == len(data[:wanted].decode("utf-8", "ignore"))
    assert offsets.to_bytes(place) == len(text[:wanted].encode())


def test_text_without_a_form_in_unicode_has_offsets() -> None:
    offsets = ByteOffsets("a\ud800b")
    assert offsets.to_bytes(2) == 4
    assert offsets.to_characters(5) == 3
