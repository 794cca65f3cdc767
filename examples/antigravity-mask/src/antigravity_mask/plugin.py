"""Chat completions whose requests are masked, and the kind of upstream that uses them.

The protocol has a name of its own, so no request passes through it unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec.structs import replace
from zope.interface import implementer

from antigravity.config.settings import UpstreamSettings
from antigravity.hookspecs import hookimpl
from antigravity.interfaces.protocols import EncodedRequest
from antigravity.interfaces.upstreams import Credential, IUpstream, IUpstreamKind, UpstreamOperation
from antigravity.ir.capabilities import Loss, Target
from antigravity.ir.parts import Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Request
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.upstreams.addresses import BaseUrl
from antigravity.upstreams.base import HttpUpstream
from antigravity.upstreams.services import UpstreamServices

NAME = "masked_chat"
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}")
CARD = re.compile(r"\b\d(?:[ -]?\d){12,18}\b")


def is_card(text: str) -> bool:
    """Return whether the digits in a text end with the check digit of a card (Luhn)."""
    digits = [int(each) for each in text if each.isdigit()][::-1]
    return sum(digits[::2] + [sum(divmod(2 * each, 10)) for each in digits[1::2]]) % 10 == 0


class Masker:
    """Masks texts, and counts what it has masked in one request."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = re.compile("|".join(map(re.escape, words)) or r"(?!)", re.IGNORECASE)
        self.count = 0

    def mask(self, text: str) -> str:
        """Return a text without addresses, card numbers and the operator's words."""
        text = EMAIL.sub(lambda _: self._mask("[e-mail]"), text)
        text = CARD.sub(lambda m: self._mask("[card]") if is_card(m[0]) else m[0], text)
        return self._words.sub(lambda _: self._mask("[masked]"), text)

    def _mask(self, name: str) -> str:
        self.count += 1
        return name

    def part(self, part: Part) -> Part:
        """Return a part of a message, masked."""
        match part:
            case Text():
                return replace(part, text=self.mask(part.text))
            case Thinking():
                # Its signature is for the text as it was.
                return replace(part, text=self.mask(part.text), signature=None)
            case ToolCall():
                return replace(part, arguments=self.mask(part.arguments))
            case ToolResult():
                return replace(part, parts=tuple(self.part(each) for each in part.parts))
        return part

    def request(self, request: Request) -> Request:
        """Return a request, masked, without fields that nobody has read."""
        return replace(
            request,
            system=tuple(replace(each, text=self.mask(each.text)) for each in request.system),
            messages=tuple(
                replace(message, parts=tuple(self.part(each) for each in message.parts))
                for message in request.messages
            ),
            user=None,
            metadata={},
            extensions={},
        )


def masked_chat(words: Iterable[str]) -> Any:
    """Return the protocol: chat completions, but for how requests are encoded."""
    wanted = tuple(words)

    def encode(request: Request, target: Target) -> EncodedRequest:
        masker = Masker(wanted)
        encoded = OPENAI_CHAT_CLIENT.encode(masker.request(request), target)
        if not masker.count:
            return encoded
        loss = Loss("messages", f"masked: {masker.count} pieces of personal data", content=True)
        return replace(encoded, warnings=(*encoded.warnings, loss))

    return replace(OPENAI_CHAT_CLIENT, name=NAME, encode=encode)


class MaskedUpstream(HttpUpstream):
    """A server with chat completions."""

    kind = "masked-openai"
    default_urls = ("https://api.openai.com/v1",)

    def _target(self, operation: UpstreamOperation, protocol: str, model: str) -> tuple[str, str]:
        paths = {
            "generate": "/chat/completions",
            "stream": "/chat/completions",
            "list_models": "/models",
        }
        if operation not in paths:
            raise self._no_operation(operation, protocol)
        return paths[operation], ""

    def _authorization(self, credential: Credential, base: BaseUrl) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {credential.secret}"),)


@implementer(IUpstreamKind)
class MaskedKind:
    """Makes upstreams of kind ``masked-openai``."""

    kind = "masked-openai"
    description = "Chat completions; personal data is masked before it is sent"

    def build(self, settings: UpstreamSettings, services: UpstreamServices) -> IUpstream:
        """Return the upstream of one table of the configuration."""
        return MaskedUpstream(settings, services, (NAME,))


@hookimpl
def register_protocols(register: Callable[[object], None], settings: Mapping[str, Any]) -> None:
    register(masked_chat(settings.get("words", ())))


@hookimpl
def register_upstreams(register: Callable[[object], None]) -> None:
    register(MaskedKind())
