"""Parses the form of a call; the recording is not copied."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from antigravity.ir.call import Call
from antigravity.protocols.json_body import bad_field, convert
from antigravity.protocols.multipart import Form, Part, read_form
from antigravity.protocols.openai_transcriptions.schema import (
    FILE,
    FORMATS,
    GRANULARITIES,
    KNOWN,
    LISTS,
    STREAMED,
    TIMED,
    TranscriptBody,
)

_MEMO = "transcript"


class ParsedCall(Struct):
    """The known fields of a call, and the names and values of the others."""

    body: TranscriptBody
    unknown: dict[str, Any]

    @property
    def timed(self) -> bool:
        """Whether the transcript needs the times of segments."""
        return self.body.response_format in TIMED

    @property
    def words(self) -> bool:
        """Whether the transcript needs the times of words."""
        granularities = self.body.timestamp_granularities
        return self.body.response_format == "verbose_json" and "word" in granularities

    @property
    def speakers(self) -> bool:
        """Whether the transcript needs the speakers."""
        return self.body.response_format == "diarized_json"


def parse_call(call: Call) -> ParsedCall:
    """Return the fields of a call, parsed once.

    :raises InvalidRequestError: naming the field at fault.
    """
    known = call.memo.get(_MEMO)
    if not isinstance(known, ParsedCall):
        known = call.memo[_MEMO] = _read(read_form(call))
    return known


def _read(form: Form) -> ParsedCall:
    fields: dict[str, Any] = {}
    for wire_name, text in form.fields():
        name = wire_name.removesuffix("[]")
        if text == "":  # counts as missing
            continue
        if name in LISTS or wire_name.endswith("[]"):
            fields.setdefault(name, []).append(text)
        else:
            fields[name] = text
    # All values are text.
    body: TranscriptBody = convert(fields, TranscriptBody, strict=False)
    unknown = {name: value for name, value in fields.items() if name not in KNOWN | {FILE}}
    return ParsedCall(body, unknown)


def check(parsed: ParsedCall, protocol: str) -> None:
    """Check a call that a model serves by an instruction.

    :raises InvalidRequestError: if a value is not allowed; the error names the allowed ones.
    """
    body = parsed.body
    if body.response_format not in FORMATS[protocol]:
        raise bad_field(
            "response_format",
            f"has an unknown value: {body.response_format[:100]!r}",
            FORMATS[protocol],
        )
    if body.stream and body.response_format not in STREAMED:
        raise bad_field(
            "response_format",
            f"is {body.response_format}, which cannot be streamed",
            [name for name in FORMATS[protocol] if name in STREAMED],
        )
    for name in body.timestamp_granularities:
        if name not in GRANULARITIES:
            raise bad_field(
                "timestamp_granularities",
                f"has an unknown value: {name[:100]!r}",
                GRANULARITIES,
            )


def recording(call: Call) -> tuple[Form, Part]:
    """Return the one recording of a call.

    :raises InvalidRequestError: if there is none, or more than one.
    """
    form = read_form(call)
    files = form.files(FILE)
    if not files:
        named = any(part.name == FILE for part in form.parts)
        problem = "must be a file: give its part a file name" if named else "is required"
        raise bad_field(FILE, f"{problem}; it holds the recording")
    if len(files) > 1:
        raise bad_field(FILE, "must be one recording; send others in separate requests")
    return form, files[0]
