"""Results of tools are shortened above their limits, and not below."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.context import tool_output
from antigravity.context.tool_output import BLOB_LONGEST, cut, shortened, shortened_text, stubbed
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text, ToolCall, ToolResult
from antigravity.ir.request import Message
from tests.context.histories import prose

BLOB = base64.b64encode(random.Random(1).randbytes(9_000)).decode()
SNAPSHOT = "- Page Snapshot\n" + "".join(
    f'- link "Chapter {n}, the one about the number {n}" [ref=e{n}]\n' for n in range(600)
)


@given(st.text(max_size=300), st.integers(80, 300))
def test_cut_keeps_both_ends_within_the_limit(text: str, kept: int) -> None:
    short = cut(text, kept)
    assert len(short) <= kept
    assert cut(short, kept) == short
    if len(text) <= kept:
        assert short == text
    else:
        head, note, tail = short.partition("\n[... ")
        assert note
        assert text.startswith(head)
        assert text.endswith(tail.partition(" ...]\n")[2])


def test_short_text_is_unchanged() -> None:
    for text in ("", prose(19_000), prose(200_000), SNAPSHOT[:19_999], BLOB[:2_000]):
        assert shortened_text(text) is text or shortened_text(text) == text


def test_base64_run_becomes_a_note() -> None:
    text = f"before data:image/png;base64,{BLOB} between {BLOB} after"
    short = shortened_text(text)
    whole = len("data:image/png;base64,") + len(BLOB)
    assert short == (
        f"before [base64 data (image/png) left out: {whole} characters] between "
        f"[base64 data left out: {len(BLOB)} characters] after"
    )


def test_base64_lines_become_a_note() -> None:
    lines = base64.encodebytes(random.Random(1).randbytes(9_000)).decode()
    assert shortened_text(f"cert:\n{lines}end of it") == (
        f"cert:\n[base64 data left out: {len(lines)} characters]end of it"
    )


def test_page_snapshot_keeps_seventy_and_thirty_percent() -> None:
    assert len(SNAPSHOT) > 20_000
    short = shortened_text(SNAPSHOT)
    assert len(short) == 16_000
    head, tail = short.split("\n[... ")[0], short.split(" ...]\n")[1]
    assert SNAPSHOT.startswith(head)
    assert SNAPSHOT.endswith(tail)
    assert 0.68 < len(head) / (len(head) + len(tail)) < 0.72
    # The same length in prose is none.
    assert shortened_text(prose(len(SNAPSHOT))) == prose(len(SNAPSHOT))


@pytest.mark.parametrize(
    "notice",
    [
        "Output too large (58.2KB). Full output saved to: /tmp/results/7.txt",
        "Error: result (812,021 characters) is too long. Output has been saved to /tmp/7.txt.",
    ],
)
def test_saved_output_keeps_the_notice(notice: str) -> None:
    text = f"{notice}\n\nPreview:\n{prose(30_000)}THE END"
    short = shortened_text(text)
    assert short.startswith(notice)
    assert short.endswith("THE END")
    assert len(short) < len(notice) + 2_100


def test_any_long_text_is_cut() -> None:
    assert len(shortened_text(prose(300_000))) == 200_000


@given(
    st.lists(
        st.sampled_from([BLOB, SNAPSHOT, prose(90_000), "Output saved to: /x", "\n", "héé"]),
        max_size=6,
    )
)
def test_shortening_is_idempotent(pieces: list[str]) -> None:
    once = shortened_text(" ".join(pieces))
    assert shortened_text(once) == once


def test_only_tool_results_change() -> None:
    call = ToolCall("1", "f", f'{{"data": "{BLOB}"}}')
    picture = Media("image", InlineData(BLOB), "image/png")
    message = Message("user", (Text(BLOB), call, picture, ToolResult("1", (Text(BLOB), picture))))
    text, *others, result = shortened(message).parts
    assert [text, *others] == list(message.parts[:3])
    assert isinstance(result, ToolResult)
    assert result.parts == (Text(f"[base64 data left out: {len(BLOB)} characters]"), picture)
    small = Message("user", (ToolResult("1", (Text("fine"),)),))
    assert shortened(small) is small


def test_note_describes_removed_result() -> None:
    picture = Media("image", InlineData(BLOB), "image/png")
    message = Message("user", (ToolResult("1", (Text(prose(5_000)), picture), True, "f"),))
    (result,) = stubbed(message).parts
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.is_error, result.name) == ("1", True, "f")
    assert "5000 characters, 1 image" in str(result.parts)
    assert stubbed(stubbed(message)) is not None
    assert stubbed(stubbed(message)) == stubbed(message)
    short = Message("user", (ToolResult("1", (Text(prose(tool_output.STUB_WORTH)),)),))
    assert stubbed(short) is short


def test_data_url_in_lines_becomes_one_note() -> None:
    lines = base64.encodebytes(random.Random(1).randbytes(9_000)).decode()
    url = f"data:image/png;charset=x;base64,{lines}"
    assert shortened_text(f"see {url}the end") == (
        f"see [base64 data (image/png) left out: {len(url)} characters]the end"
    )


def test_runs_and_blocks_just_below_the_limit_are_left_alone() -> None:
    runs = ("a" * (BLOB_LONGEST - 1) + " ") * 40
    block = ("a" * 76 + "\n") * 31
    for text in (runs, f"{block} {block}", "data:a/b;base64,x " * 500):
        assert shortened_text(text) == text


def test_two_blocks_of_lines_become_two_notes() -> None:
    block = ("ab" * 38 + "\r\n") * 32
    found = shortened_text(f"one\n{block}, two\n{block}c=\nthree")
    assert found.count("left out") == 2
    assert found.startswith("one\n[")
    assert found.endswith("]\nthree")
    assert ", two\n" in found
