"""How the page of a request shows what was sent and received.

All of it is made while the template is rendered, in a thread.
"""

from __future__ import annotations

import difflib
import shlex
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from antigravity.dashboard.conversation import Part, Turn, read_turns
from antigravity.dashboard.indented_json import indent_json
from antigravity.interfaces.payloads import PayloadMessage, RequestPayloads

#: The most characters of a body, and of a part of a turn.
_BODY_LIMIT: Final = 16_000
_PART_LIMIT: Final = 2_000
_TITLE_LIMIT: Final = 200
#: The most turns, and parts of a turn, those at the end.
_TURNS: Final = 12
_PARTS: Final = 40
#: The most lines and characters that are compared, and the lines of the result.
_COMPARED: Final = 3_000
_COMPARED_TEXT: Final = 1024 * 1024
_DIFFERENT: Final = 200
_LINE: Final = 300
#: What stands for the key of the client.
KEY: Final = "YOUR_API_KEY"
_SKIPPED: Final = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "user-agent", "authorization"}
)


class DiffLine(Struct, frozen=True):
    """A line of a comparison: ``+`` is the upstream's, ``-`` the client's, else both or a place."""

    sign: str
    text: str


class MessageView:
    """One message."""

    def __init__(self, message: PayloadMessage) -> None:
        self.message = message

    @cached_property
    def pretty(self) -> str:
        """The body, JSON with indentation, cut."""
        return _cut(self._indented, _BODY_LIMIT)

    @cached_property
    def is_shortened(self) -> bool:
        """Whether the page shows less than there is."""
        return len(self._indented) > _BODY_LIMIT

    @cached_property
    def _indented(self) -> str:
        return indent_json(self.message.body, _BODY_LIMIT)

    @cached_property
    def _turns(self) -> list[Turn]:
        return read_turns(self.message.body)

    @cached_property
    def turns(self) -> list[Turn]:
        """The last turns of the conversation, their parts cut."""
        return [
            Turn(_cut(turn.role, _TITLE_LIMIT), _cut_parts(turn.parts))
            for turn in self._turns[-_TURNS:]
        ]

    @cached_property
    def hidden_turns(self) -> int:
        """The number of turns before those."""
        return max(0, len(self._turns) - _TURNS)


class PayloadView:
    """The messages of one request.

    :param url: the address of the gateway.
    """

    def __init__(self, payloads: RequestPayloads, url: str) -> None:
        self.payloads = payloads
        self._url = url
        self.messages = [MessageView(each) for each in payloads.messages]

    @property
    def no_replay(self) -> str:
        """Why the request cannot be sent again, empty if it can."""
        return self.payloads.no_replay

    @cached_property
    def conversation(self) -> list[MessageView]:
        """The client's request and the response to it, as far as they have turns."""
        wanted = ("from_client", "to_client")
        return [each for each in self.messages if each.message.direction in wanted and each.turns]

    @cached_property
    def diff(self) -> list[DiffLine]:
        """What the gateway has changed in the request, the last attempt at it."""
        sent = [each for each in self.messages if each.message.direction == "to_upstream"]
        if not sent or self.messages[0].message.direction != "from_client":
            return []
        first, last = (
            indent_json(each.message.body, _COMPARED_TEXT).splitlines()[:_COMPARED]
            for each in (self.messages[0], sent[-1])
        )
        lines = difflib.unified_diff(first, last, lineterm="", n=2)
        found = [
            DiffLine(line[:1], _cut(line[1:], _LINE))
            for line in lines
            if not line.startswith(("---", "+++"))
        ]
        if len(found) > _DIFFERENT:
            return [*found[:_DIFFERENT], DiffLine("@", "…")]
        return found

    @cached_property
    def curl(self) -> str:
        """The command that sends the request, with a placeholder for the key."""
        if self.no_replay:
            return ""
        message = self.messages[0].message
        parts = urlsplit(message.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        words = ["curl", "-X", message.method, f"{self._url}{path}"]
        for each in message.headers:
            if each.name.lower() not in _SKIPPED and "[redacted]" not in each.value:
                words += ["-H", f"{each.name}: {each.value}"]
        words += ["-H", f"Authorization: Bearer {KEY}", "--data-raw", message.body]
        return _cut(" ".join(map(shlex.quote, words)), _BODY_LIMIT)

    @cached_property
    def is_curl_whole(self) -> bool:
        """Whether the command is short enough for the page."""
        return bool(self.curl) and not self.curl.endswith("…")


def _cut_parts(parts: list[Part]) -> list[Part]:
    """Return the last parts of a turn, their texts cut."""
    shown = [
        Part(each.kind, _cut(each.text, _PART_LIMIT), _cut(each.title, _TITLE_LIMIT))
        for each in parts[-_PARTS:]
    ]
    return shown if len(parts) <= _PARTS else [Part("text", "…"), *shown]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
