"""Limits on the size of a request, checked before it is decoded.

Each value of a body becomes objects, so that a body of one megabyte can take a hundred times as
much memory, and minutes.  Values are counted by a fast scan of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import Raw, Struct

from antigravity.ir.errors import GatewayError, InvalidRequestError, RequestTooLargeError

#: Bytes that are scanned in one step, during which all other threads wait: up to a millisecond.
_SLICE: Final = 64 * 1024
#: From this number of values on, a request counts as large.
_MANY: Final = 4096
#: With this number of references, a schema can become any number of nodes.
_MANY_REFERENCES: Final = 2
#: The additional cost of a node of a schema, in values.
_SCHEMA_COST: Final = 2
#: The maximum depth of requests within requests.
_DEPTH: Final = 3

#: Members that hold the turns of a conversation, or as many inputs of another kind.
_MESSAGES: Final = frozenset(("messages", "contents", "input", "prompt", "requests"))
#: Those of them that are a conversation.
_CONVERSATIONS: Final = frozenset(("messages", "contents"))
#: Members that hold tools.
_TOOLS: Final = frozenset(("tools", "functions"))
#: Members of a tool that hold tools.
_INNER_TOOLS: Final = ("functionDeclarations", "function_declarations", "tools")
#: Members of a turn that hold its parts.
_PARTS: Final = ("content", "parts")
#: Members that hold schemas.
_SCHEMAS: Final = _TOOLS | {
    "generationConfig",
    "generation_config",
    "output_config",
    "output_format",
    "response_format",
    "text",
}
#: Members that hold text for the model outside its turns.
_SYSTEM: Final = frozenset(("system", "instructions", "systemInstruction", "system_instruction"))
#: Members that hold a request of the same kind.
_REQUESTS: Final = frozenset(("generateContentRequest", "generate_content_request"))
#: Members that have a limit of their own.
_COUNTED_ELSEWHERE: Final = _MESSAGES | _TOOLS | _SCHEMAS | _SYSTEM | _REQUESTS
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


class RequestLimits(Struct, frozen=True):
    """The limits of one request; see ``[limits]`` in the configuration."""

    max_values: int
    max_messages: int
    max_parts: int
    max_tools: int
    max_schema_values: int
    max_other_values: int

    @property
    def lowest(self) -> int:
        """The number of values below which a count is unnecessary."""
        return min(
            self.max_values,
            self.max_messages,
            self.max_parts,
            self.max_tools,
            self.max_schema_values,
            self.max_other_values,
        )


def rough_count(data: bytes) -> int:
    """Return the approximate number of values in JSON; cheap, because every request is counted.

    JSON in strings counts too.
    """
    count = 1 + data.count(b",")
    if count <= _MANY:
        count += data.count(b"{")
    return count if count > _MANY else count + data.count(b"[")


def rough_schema_cost(data: bytes) -> int:
    """Return the approximate additional cost of schemas in JSON, in values.

    References are expanded: a few of them can become thousands of nodes.
    """
    if data.count(b'"$ref"') >= _MANY_REFERENCES:
        return _MANY
    return _SCHEMA_COST * data.count(b'"type"')


def is_larger(data: bytes, values: int) -> bool:
    """Return whether JSON can have more than ``values`` values.

    ``False`` is certain; ``True`` is not, because JSON in strings counts too.
    """
    if len(data) <= values:
        return False
    remaining = values - 1 - data.count(b",")
    if remaining >= 0:
        remaining -= data.count(b"{")
    if remaining >= 0:
        remaining -= data.count(b"[")
    return remaining < 0


def most_values(data: bytes) -> int:
    """Return a number of values that JSON does not exceed; JSON in strings counts too.

    It counts in slices, because other threads wait for each of them.
    """
    count = 1
    for start in range(0, len(data), _SLICE):
        stop = start + _SLICE
        count += data.count(b",", start, stop) + data.count(b"{", start, stop)
        count += data.count(b"[", start, stop)
    return count


def count_values(data: bytes, most: int) -> int:
    """Return the number of values in JSON, or a number above ``most`` if there are more.

    An empty array counts as two.
    """
    count = 0
    for count in running_count(data):
        if count > most:
            break
    return count


def running_count(data: bytes) -> Iterator[int]:
    """Yield the number of values so far, about once per millisecond."""
    count = 1
    for structure in _structure(data):
        count += structure.count(b",") + structure.count(b"{") + structure.count(b"[")
        yield count


def _structure(data: bytes) -> Iterator[bytes]:
    """Yield the parts of ``data`` outside strings, slice by slice."""
    inside, start = 0, 0
    while start < len(data):
        stop = start + _SLICE
        # A slice does not end within an escape.
        while stop < len(data) and data[stop - 1] == 0x5C:
            stop += 1
        piece = data[start:stop]
        if b"\\" in piece:
            piece = piece.replace(b"\\\\", b"").replace(b'\\"', b"")
        parts = piece.split(b'"')
        yield b" ".join(parts[inside::2])
        inside ^= (len(parts) - 1) & 1
        start = stop


def check_request(body: bytes, limits: RequestLimits) -> None:
    """Check a request against the limits; a body that is not a JSON object passes.

    :raises RequestTooLargeError: if it has too many values in all.
    :raises InvalidRequestError: if it has too many messages, parts, tools or schema nodes.
    """
    bound = most_values(body)
    if bound <= limits.lowest:
        return
    most = limits.max_values
    if bound > most and count_values(body, most) > most:
        raise _too_many_values(body, most)
    _check_members(_members(body), limits, _DEPTH, bound)


def _check_members(
    members: Mapping[str, Raw], limits: RequestLimits, depth: int, bound: int
) -> None:
    """Check the members of a request; all together have at most ``bound`` values."""
    schemas = others = 0
    for name, raw in members.items():
        if name in _MESSAGES and bound > min(limits.max_messages, limits.max_parts):
            _check_messages(name, raw, limits, bound)
        if name in _TOOLS:
            _check_tools(name, bytes(raw), limits)
        if name in _SCHEMAS:
            schemas += _schema_values(bytes(raw), limits.max_schema_values)
            if schemas > limits.max_schema_values:
                raise _too_many(name, "schema nodes", limits.max_schema_values, "max_schema_values")
        if name in _REQUESTS and depth:
            _check_members(_members(raw), limits, depth - 1, bound)
        if name not in _COUNTED_ELSEWHERE:
            others += count_values(bytes(raw), limits.max_other_values)
            if others > limits.max_other_values:
                where = "other members" if others <= len(members) else name
                raise _too_many(where, "values", limits.max_other_values, "max_other_values")


def _check_messages(name: str, data: Raw, limits: RequestLimits, bound: int) -> None:
    messages = _elements(data)
    if len(messages) > limits.max_messages:
        what = "messages" if name in _CONVERSATIONS else "items"
        raise _too_many(name, what, limits.max_messages, "max_messages")
    if bound <= limits.max_parts:
        return
    parts = 0
    for message in messages:
        if memoryview(message).nbytes < 2 or bytes(memoryview(message)[:1]) != b"{":
            continue
        members = _members(message)
        for member in _PARTS:
            if member in members:
                parts += len(_elements(members[member]))
        if parts > limits.max_parts:
            raise _too_many(name, "parts", limits.max_parts, "max_parts")


def _check_tools(name: str, data: bytes, limits: RequestLimits) -> None:
    if not is_larger(data, limits.max_tools):
        return
    tools = _elements(data)
    count = len(tools)
    for tool in tools if count <= limits.max_tools else ():
        members = _members(tool)
        for member in _INNER_TOOLS:
            if member in members:
                count += len(_elements(members[member]))
        if count > limits.max_tools:
            break
    if count > limits.max_tools:
        raise _too_many(name, "tools", limits.max_tools, "max_tools")


def _schema_values(data: bytes, most: int) -> int:
    return count_values(data, most) if is_larger(data, most) else 0


def _members(data: Raw | bytes) -> dict[str, Raw]:
    try:
        return msgspec.json.decode(data, type=dict[str, Raw])
    except _UNREADABLE:
        return {}


def _elements(data: Raw | bytes) -> list[Raw]:
    try:
        return msgspec.json.decode(data, type=list[Raw])
    except _UNREADABLE:
        return []


def _too_many_values(body: bytes, most: int) -> GatewayError:
    """Return the error, which names the longest member."""
    members = _members(body)
    longest = max(members, key=lambda name: memoryview(members[name]).nbytes, default="")
    where = f", most of them in `{longest[:100]}`" if longest else ""
    return RequestTooLargeError(
        f"The request contains more than {most} JSON values{where}: messages, parts, tools, schema "
        f"nodes and all values in them. {_remedy('max_values')}",
        param=longest[:100] or None,
        code="too_many_values",
    )


def _too_many(name: str, what: str, most: int, setting: str) -> GatewayError:
    code = f"too_many_{what.replace(' ', '_')}"
    return InvalidRequestError(
        f"`{name}` has more than {most} {what}. {_remedy(setting)}", param=name, code=code
    )


def _remedy(setting: str) -> str:
    return f"Send less, or raise {setting} in the [limits] table of the gateway's configuration."
