"""Decodes whole responses of upstreams: usage and token counts."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from antigravity.ir.errors import UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.anthropic.usage import UsageField, merge


class _Message(Struct, frozen=True):
    usage: UsageField | None = None


class _Count(Struct, frozen=True):
    input_tokens: int


def decode_usage(body: bytes) -> Usage | None:
    """Return the usage in a whole message, if it has one."""
    try:
        wire = lenient.decode(body, _Message).usage
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return None if wire is None else merge(Usage(), wire)


def decode_count(body: bytes) -> int:
    """Return the number of tokens in a response to ``count_tokens``.

    :raises UpstreamError: if the body has no count.
    """
    try:
        count: _Count = lenient.decode(body, _Count)
        return count.input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamError(f"The upstream sent no token count: {error}") from None
