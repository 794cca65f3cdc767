"""Reads the form of a call, once; the recording stays where it is."""

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
    """What a call asks for: its fields, and the names and values of those not known here."""

    body: TranscriptBody
    unknown: dict[str, Any]

    @property
    def timed(self) -> bool:
        """Whether the answer has to say when something was said."""
        return self.body.response_format in TIMED

    @property
    def words(self) -> bool:
        """Whether that is wanted of every word."""
        told = self.body.timestamp_granularities
        return self.body.response_format == "verbose_json" and "word" in told

    @property
    def speakers(self) -> bool:
        """Whether the answer has to say who speaks."""
        return self.body.response_format == "diarized_json"


def parse_call(call: Call) -> ParsedCall:
    """Return what a call asks for.

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
        if text == "":  # an empty field of a form says nothing
            continue
        if name in LISTS or wire_name.endswith("[]"):
            fields.setdefault(name, []).append(text)
        else:
            fields[name] = text
    # All values are text.
    body: TranscriptBody = convert(fields, TranscriptBody, strict=False)
    unknown = {name: value for name, value in fields.items() if name not in KNOWN | {FILE}}
    return ParsedCall(body, unknown)


def check(told: ParsedCall, protocol: str) -> None:
    """Look whether what is asked for can be had where models follow instructions.

    :raises InvalidRequestError: naming the choices for what cannot.
    """
    body = told.body
    if body.response_format not in FORMATS[protocol]:
        raise bad_field(
            "response_format",
            f"is {body.response_format[:100]!r}, which there is not",
            FORMATS[protocol],
        )
    if body.stream and body.response_format not in STREAMED:
        raise bad_field(
            "response_format",
            f"is {body.response_format}, which cannot be streamed: the events hold text",
            [name for name in FORMATS[protocol] if name in STREAMED],
        )
    for name in body.timestamp_granularities:
        if name not in GRANULARITIES:
            raise bad_field(
                "timestamp_granularities",
                f"holds {name[:100]!r}, which there is not",
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
        raise bad_field(FILE, "must be one recording; send others in requests of their own")
    return form, files[0]
