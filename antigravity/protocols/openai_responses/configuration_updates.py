"""Changes of effort and format within a history, for models of other providers.

Each holds until the next one, so that the last one counts for the response.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from antigravity.ir.parts import Opaque
from antigravity.ir.request import Request
from antigravity.protocols.openai_responses.schema import NAME, FormatField, ReasoningField, read
from antigravity.protocols.openai_responses.server_request import decode_format, decode_thinking

#: The type of the items.
UPDATE: Final = "configuration_update"


class _Text(Struct, frozen=True):
    format: FormatField | None = None


class _Update(Struct, frozen=True):
    reasoning: ReasoningField | None = None
    text: _Text | None = None


def apply_updates(request: Request) -> Request:
    """Return the request with the settings that its history ends with.

    :raises InvalidRequestError: if an update is not valid.
    """
    for update in _updates(request):
        reasoning, text = update.reasoning, update.text
        if reasoning is not None and reasoning.effort is not None:
            summary, include = request.thinking.summary, request.thinking.include
            thinking = decode_thinking(ReasoningField(reasoning.effort, summary))
            request = replace(request, thinking=replace(thinking, include=include))
        if text is not None and text.format is not None:
            request = replace(request, response_format=decode_format(text.format))
    return request


def _updates(request: Request) -> Iterator[_Update]:
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, Opaque) and part.protocol == NAME and part.kind == UPDATE:
                yield read(part.wire, _Update, UPDATE)
