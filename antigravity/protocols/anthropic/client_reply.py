"""Decodes whole responses of upstreams: usage, token counts, models."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import Model
from antigravity.ir.errors import UpstreamError
from antigravity.ir.usage import Usage
from antigravity.protocols import lenient
from antigravity.protocols.anthropic.usage import UsageField, merge


class _Message(Struct, frozen=True):
    usage: UsageField | None = None


class _Count(Struct, frozen=True):
    input_tokens: int


class _ModelItem(Struct, frozen=True):
    """An entry in a list of models, in Anthropic's format or in OpenAI's."""

    id: str
    display_name: str | None = None
    created_at: str | None = None
    created: int | None = None
    owned_by: str | None = None
    max_input_tokens: int | None = None
    max_tokens: int | None = None


class _ModelList(Struct, frozen=True):
    data: list[_ModelItem]


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


def decode_models(body: bytes) -> Sequence[Model]:
    """Return the models in a list.

    :raises UpstreamError: if the body is not a list of models.
    """
    try:
        items = lenient.decode(body, _ModelList).data
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UpstreamError(f"The upstream sent no list of models: {error}") from None
    return tuple(
        Model(
            id=item.id,
            display_name=item.display_name or "",
            owned_by=item.owned_by or "anthropic",
            created=item.created or _seconds(item.created_at),
            input_token_limit=item.max_input_tokens,
            output_token_limit=item.max_tokens,
        )
        for item in items
    )


def _seconds(text: str | None) -> int:
    """Return an RFC 3339 time in seconds since the epoch, 0 if it is missing or not valid."""
    try:
        return max(0, int(datetime.fromisoformat(text or "").timestamp()))
    except (ValueError, OverflowError):
        return 0
