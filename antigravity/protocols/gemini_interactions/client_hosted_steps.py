"""Decodes the steps of tools that Google runs."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from copy import copy
from typing import Any

import msgspec

from antigravity.ir.events import OpaqueOutput, WebSearchEvent
from antigravity.ir.parts import SearchResult, WebSearch
from antigravity.protocols.gemini_code import code_block
from antigravity.protocols.gemini_interactions.client_output_state import (
    OutputState,
    ResponseStep,
    objects,
)
from antigravity.protocols.gemini_interactions.schema import NAME, JsonObject


class OpaqueStep(ResponseStep):
    """A step that only this protocol knows: a call that Google ran, or its result."""

    def __init__(self, output: OutputState, step: JsonObject) -> None:
        super().__init__(output, step)
        self._wire: JsonObject = {
            name: copy(value) if isinstance(value, list | dict) else value
            for name, value in step.items()
        }
        self._pieces: list[str] = []  # of a result that is text

    def delta(self, delta: JsonObject) -> None:
        """Add members; lists and texts are continued."""
        for name, value in delta.items():
            known = self._wire.get(name)
            if name == "type":
                continue
            if isinstance(value, list) and isinstance(known, list):
                known.extend(value)
            elif name == "result" and isinstance(value, str) and isinstance(known, str):
                self._pieces.append(value)
            elif isinstance(value, dict) and isinstance(known, dict):
                known.update(value)
            else:
                self._wire[name] = value
                self._pieces = [] if name == "result" else self._pieces

    def whole(self) -> JsonObject:
        """Return the step as a whole."""
        if self._pieces:
            self._wire["result"] = "".join((self._wire["result"], *self._pieces))
        return self._wire

    def stop(self) -> None:
        """Report the whole step."""
        wire = self.whole()
        kind = wire.get("type")
        if isinstance(kind, str) and kind:
            self._emit(OpaqueOutput(NAME, kind, wire))


class CodeCall(OpaqueStep):
    """Code that Google ran; clients of other protocols get it as Markdown."""

    def stop(self) -> None:
        """Report the code."""
        arguments = self._wire.get("arguments")
        if self._output.own or not isinstance(arguments, dict):
            super().stop()
            return
        code, language = arguments.get("code"), arguments.get("language")
        self._output.text(code_block(_text(code), _text(language)))


class CodeResult(OpaqueStep):
    """The output of code that Google ran."""

    def stop(self) -> None:
        """Report the output."""
        if self._output.own:
            super().stop()
        else:
            self._output.text(code_block(_text(self.whole().get("result"))))


class Search(OpaqueStep):
    """A web search that Google ran."""

    def stop(self) -> None:
        """Keep the search until its results are known."""
        wire = self._wire
        arguments = wire.get("arguments")
        queries = arguments.get("queries") if isinstance(arguments, dict) else None
        listed = queries if isinstance(queries, list) else ()
        found = tuple(each for each in listed if isinstance(each, str))
        identity = str(wire.get("id") or f"search_{secrets.token_hex(12)}")
        self._output.searches[identity] = WebSearch(identity, found)


class SearchResults(OpaqueStep):
    """The results of a web search."""

    def stop(self) -> None:
        """Report the search with its results."""
        wire = self._wire
        identity = str(wire.get("call_id") or "")
        search = self._output.searches.pop(identity, None)
        if search is None:
            return
        pages = tuple(_pages(wire.get("result")))
        error = "unavailable" if wire.get("is_error") is True else None
        self._emit(WebSearchEvent(msgspec.structs.replace(search, results=pages, error=error)))


def _pages(results: Any) -> Iterator[SearchResult]:
    for each in objects(results):
        url, title = each.get("url"), each.get("title")
        if isinstance(url, str) and url:
            yield SearchResult(url, title if isinstance(title, str) else "")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
