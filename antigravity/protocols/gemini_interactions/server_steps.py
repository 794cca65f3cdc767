"""Decodes the input of a request, its steps above all, as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from antigravity.ir.parts import (
    Media,
    Opaque,
    Part,
    SearchResult,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    WebSearch,
)
from antigravity.ir.request import Message
from antigravity.ir.signature import Signature
from antigravity.protocols.gemini_interactions.schema import (
    CONTENT_TYPES,
    NAME,
    CallStep,
    JsonObject,
    OutputStep,
    ResultStep,
    SearchCallStep,
    SearchResultStep,
    ThoughtStep,
    read,
    refuse,
    required,
)
from antigravity.protocols.gemini_interactions.server_content import decode_contents
from antigravity.protocols.gemini_interactions.signatures import trailing_of
from antigravity.protocols.gemini_signatures import from_wire, thinking_of
from antigravity.protocols.json_body import bad_field
from antigravity.protocols.tool_arguments import object_text

#: The types of steps in error messages; calls and results of other tools are kept unchanged.
STEP_TYPES: Final = (
    "user_input",
    "model_output",
    "thought",
    "function_call",
    "function_result",
    "google_search_call",
    "google_search_result",
)
#: The types of steps that the old form names by their role.
_ROLES: Final = {"user": "user_input", "model": "model_output"}

Input = str | JsonObject | list[str | JsonObject] | None


class StepReader:
    """Reader of steps, which collects consecutive steps of the model in one message."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._role: Literal["assistant", "user"] = "user"
        self._parts: list[Part] = []
        self._characters = 0  # of the texts in the open turn of the model
        self._searches: dict[str, int] = {}  # the places of searches in the open turn

    def messages(self) -> tuple[Message, ...]:
        """Return the messages, the open turn included."""
        self._close()
        return tuple(self._messages)

    def read(self, wire: Input, path: str) -> None:
        """Decode a whole input: text, content, a list of contents, or a list of steps.

        :raises InvalidRequestError: naming the field at fault.
        """
        if not isinstance(wire, list):
            wire = [] if wire is None else [wire]
        contents: list[str | JsonObject] = []
        start = 0
        for place, each in enumerate(wire):
            if is_content(each):
                start = start if contents else place
                contents.append(each)
                continue
            self._user(contents, path, start)
            contents = []
            if isinstance(each, dict):
                self.add(each, f"{path}[{place}]")
        self._user(contents, path, start)

    def _user(self, contents: Sequence[str | JsonObject], path: str, start: int) -> None:
        """Add contents without a step; they are the user's."""
        for place, each in enumerate(contents, start):
            for part in decode_contents(each, f"{path}[{place}]"):
                self._add("user", part)
        if contents:
            self._close()

    def add(self, step: JsonObject, path: str) -> None:
        """Decode the step at ``path`` of the body.

        :raises InvalidRequestError: naming the field at fault.
        """
        kind = step.get("type")
        if kind is None:
            kind = _ROLES.get(str(step.get("role")))
        match kind:
            case "user_input":
                self._close()
                for part in decode_contents(_content(step, path), f"{path}.content"):
                    self._add("user", part)
                self._close()
            case "model_output":
                content = _content(step, path)
                for part in decode_contents(content, f"{path}.content", self._before()):
                    self._add("assistant", part)
            case "thought":
                self._thought(read(step, ThoughtStep, path), path)
            case "function_call":
                self._call(read(step, CallStep, path), path)
            case "function_result":
                self._add("user", _result(read(step, ResultStep, path), f"{path}.result"))
            case "google_search_call":
                self._search(read(step, SearchCallStep, path), path)
            case "google_search_result":
                self._found(read(step, SearchResultStep, path))
            case str() if kind.endswith(("_call", "_result")):
                self._add("assistant", Opaque(NAME, kind, step))
            case _:
                raise refuse(f"{path}.type", kind, (*STEP_TYPES, *CONTENT_TYPES))

    def _close(self) -> None:
        if self._parts:
            self._messages.append(Message(self._role, tuple(self._parts)))
        self._parts, self._characters, self._searches = [], 0, {}

    def _before(self) -> int:
        return self._characters if self._role == "assistant" else 0

    def _add(self, role: Literal["assistant", "user"], part: Part) -> None:
        if self._role != role:
            self._close()
            self._role = role
        self._parts.append(part)
        if isinstance(part, Text):
            self._characters += len(part.text)

    def _thought(self, step: ThoughtStep, path: str) -> None:
        summary = decode_contents(list(step.summary or ()), f"{path}.summary")
        text = "".join(part.text for part in summary if isinstance(part, Text))
        if not step.signature:
            if text:
                self._add("assistant", Thinking(text))
            return
        signature = from_wire(step.signature)
        trailing = trailing_of(signature)
        if trailing is None:
            self._add("assistant", thinking_of(signature, text))
        else:
            self._sign_last(trailing)

    def _sign_last(self, signature: Signature) -> None:
        """Add a signature to the last part, or to an empty text."""
        last = self._parts[-1] if self._parts and self._role == "assistant" else None
        if isinstance(last, Text | Media) and last.signature is None:
            self._parts[-1] = msgspec.structs.replace(last, signature=signature)
        else:
            self._add("assistant", Text("", signature=signature))

    def _call(self, step: CallStep, path: str) -> None:
        if not step.id:
            raise required(f"{path}.id")
        if step.signature:
            self._add("assistant", thinking_of(from_wire(step.signature)))
        arguments = step.arguments if step.arguments is not None else {}
        if not isinstance(arguments, str):
            arguments = msgspec.json.encode(arguments).decode()
        found = object_text(arguments)
        if found is None:
            raise bad_field(f"{path}.arguments", "must be an object")
        self._add("assistant", ToolCall(step.id, step.name, found))

    def _search(self, step: SearchCallStep, path: str) -> None:
        if not step.id:
            raise required(f"{path}.id")
        queries = (step.arguments.queries if step.arguments else None) or ()
        self._add("assistant", WebSearch(step.id, tuple(queries)))
        self._searches[step.id] = len(self._parts) - 1

    def _found(self, step: SearchResultStep) -> None:
        """Add the results of a search to it; those of a search that is not known are left out."""
        place = self._searches.get(step.call_id or "")
        search = None if place is None else self._parts[place]
        if place is None or not isinstance(search, WebSearch):
            return
        pages = tuple(
            SearchResult(each["url"], str(each.get("title") or ""))
            for each in step.result or ()
            if isinstance(each.get("url"), str)
        )
        error = "unavailable" if step.is_error else None
        self._parts[place] = msgspec.structs.replace(search, results=pages, error=error)


def is_content(each: str | JsonObject) -> bool:
    """Return whether an element of the input is content, not a step."""
    if isinstance(each, str):
        return True
    kind = each.get("type")
    return kind in CONTENT_TYPES or (kind is None and "text" in each and "role" not in each)


def _content(step: JsonObject, path: str) -> Input:
    return read(step, OutputStep, path).content


def _result(step: ResultStep, path: str) -> ToolResult:
    """Return the result of a function: text, a list of contents, or any other JSON value."""
    result: Any = step.result
    parts: tuple[Text | Media, ...]
    if result is None or isinstance(result, str):
        parts = (Text(result),) if result else ()
    elif isinstance(result, list) and result and all(map(_is_typed, result)):
        parts = decode_contents(result, path)
    else:
        parts = (Text(msgspec.json.encode(result).decode()),)
    return ToolResult(step.call_id, parts, bool(step.is_error), step.name or None)


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") in CONTENT_TYPES
