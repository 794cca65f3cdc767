"""The envelope of Code Assist around a Gemini body.  Pure.

Only the top-level names of a body are read; their values are passed on unchanged.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.json_reader import decoder
from antigravity.version import USER_AGENT

RequestType = Literal["agent", "image_gen"]

#: The name of the sender in the envelope.
SENDER: Final = USER_AGENT.partition("/")[0]

#: The members that change least are first, for prompt caches; ``contents`` is last.
_FIRST: Final[tuple[str, ...]] = (
    "systemInstruction",
    "system_instruction",
    "tools",
    "toolConfig",
    "tool_config",
    "generationConfig",
    "generation_config",
    "safetySettings",
    "safety_settings",
    "sessionId",
)
_LAST: Final[str] = "contents"

#: Members of the public API that the envelope does not have inside.
_NOT_INSIDE: Final = frozenset(("model",))

#: Members that token counting rejects in addition.
_NOT_COUNTED: Final = _NOT_INSIDE | {
    "safetySettings",
    "safety_settings",
    "sessionId",
    "session_id",
}
_COUNT_WRAPPERS: Final = ("generateContentRequest", "generate_content_request")

#: The members of raw JSON schemas; inside of text the quotes would be escaped.
_RAW_SCHEMA: Final = re.compile(
    rb'(?<!\\)"(?:parameters|response|input|output)(?:JsonSchema|_json_schema)"\s*:'
)

_DECODER: Final = decoder(dict[str, Raw])
_FNV_OFFSET: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3


class _Envelope(Struct, rename="camel", omit_defaults=True):
    """A request; an unknown project is omitted."""

    request_id: str
    model: str
    user_agent: str
    request_type: RequestType
    request: Raw
    project: str = ""


class _CountEnvelope(Struct):
    """A token count without project and model, since both are refused."""

    request: Raw


_NOTHING: Final = Raw(b"null")


class _Reply(Struct):
    """A response, or a payload of a stream."""

    response: Raw = _NOTHING


_REPLY: Final = decoder(_Reply)


def _fields(body: bytes | Raw) -> dict[str, Raw]:
    try:
        return _DECODER(body)
    except msgspec.DecodeError:
        raise InvalidRequestError("the body is not a JSON object") from None


def has_raw_schema(body: bytes) -> bool:
    """Return whether a Gemini request has a raw JSON schema."""
    return _RAW_SCHEMA.search(body) is not None


def _ordered(fields: dict[str, Raw]) -> Raw:
    """Return ``fields`` as JSON, in the best order for prompt caches."""
    last = fields.pop(_LAST, None)
    ordered: dict[str, Raw] = {name: fields.pop(name) for name in _FIRST if name in fields}
    ordered.update(fields)
    if last is not None:
        ordered[_LAST] = last
    return Raw(msgspec.json.encode(ordered))


def wrap(
    body: bytes,
    *,
    model: str,
    project: str,
    request_id: str,
    request_type: RequestType,
    session_id: str,
) -> bytes:
    """Return ``body`` in an envelope; keep its session, if it has one.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    fields = {name: raw for name, raw in _fields(body).items() if name not in _NOT_INSIDE}
    if "session_id" in fields:
        fields["sessionId"] = fields.pop("session_id")
    fields.setdefault("sessionId", Raw(msgspec.json.encode(session_id)))
    envelope = _Envelope(
        request_id=request_id,
        model=model.removeprefix("models/"),
        user_agent=SENDER,
        request_type=request_type,
        request=_ordered(fields),
        project=project,
    )
    return msgspec.json.encode(envelope)


def wrap_count(body: bytes) -> bytes:
    """Return ``body`` in the envelope of a token count, without members that are refused.

    :raises InvalidRequestError: if it is not a JSON object.
    """
    fields = _fields(body)
    for wrapper in _COUNT_WRAPPERS:
        if wrapper in fields:
            fields = _fields(fields[wrapper])
            break
    others = {name: raw for name, raw in fields.items() if name not in _NOT_COUNTED}
    return msgspec.json.encode(_CountEnvelope(_ordered(others)))


def unwrap(payload: bytes) -> bytes:
    """Return the member ``response``, or ``payload`` if there is none."""
    try:
        response = bytes(_REPLY(payload).response)
    except msgspec.DecodeError:
        return payload
    return payload if response == b"null" else response


@lru_cache(maxsize=1024)
def session_id(account: str) -> str:
    """Return the session of an account: a negative number that is always the same."""
    value = _FNV_OFFSET
    for byte in account.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFFFFFFFFFF
    return f"-{value & 0x7FFFFFFFFFFFFFFF}"


def request_type(model: str) -> RequestType:
    """Return the type of a request for ``model``."""
    return "image_gen" if "image" in model.split("-") else "agent"


def request_id(kind: RequestType, milliseconds: int, entropy: str) -> str:
    """Return the id of a request; ``entropy`` is at least 8 hexadecimal digits."""
    if kind == "image_gen":
        return f"agent-{entropy}"
    return f"agent/{milliseconds}/{entropy[:8]}"
