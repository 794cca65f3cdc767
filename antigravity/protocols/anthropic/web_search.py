"""Web searches and citations, which are the same objects in requests and responses."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.protocols.anthropic import schema

_ERRORS: Final = frozenset(
    {
        "invalid_tool_input",
        "unavailable",
        "max_uses_exceeded",
        "too_many_requests",
        "query_too_long",
        "request_too_large",
    }
)
_PREFIX: Final = "srvtoolu_"


def read_search(
    search_id: str,
    queries: tuple[str, ...],
    content: list[schema.WebSearchResultItem] | schema.WebSearchFault,
) -> WebSearch:
    """Return a search with its results, or with its error."""
    if isinstance(content, schema.WebSearchFault):
        return WebSearch(search_id, queries, (), content.error_code)
    results = (
        SearchResult(item.url, item.title or "", item.encrypted_content or None, item.page_age)
        for item in content
    )
    return WebSearch(search_id, queries, tuple(results))


def read_citation(wire: dict[str, Any]) -> Citation:
    """Return a citation of any type; those of documents have no URL."""
    return Citation(
        url=str(wire.get("url") or wire.get("source") or ""),
        title=str(wire.get("title") or wire.get("document_title") or ""),
        cited_text=str(wire.get("cited_text") or ""),
        encrypted_index=str(wire.get("encrypted_index") or "") or None,
    )


def search_id(name: str) -> str:
    """Return an id in the form that the protocol requires; the same for the same name."""
    safe = re.sub(r"[^a-zA-Z0-9_]", "_", name) or "unnamed"
    return safe if safe.startswith(_PREFIX) else _PREFIX + safe


def search_input(queries: tuple[str, ...]) -> str:
    """Return the JSON text of the ``input`` of a search."""
    query: dict[str, Any] = {"query": ", ".join(queries)}
    if len(queries) > 1:
        query["queries"] = queries
    return msgspec.json.encode(query).decode()


def search_content(search: WebSearch) -> list[dict[str, Any]] | dict[str, Any]:
    """Return the ``content`` of a search's result."""
    if search.error is not None and not search.results:
        code = search.error if search.error in _ERRORS else "unavailable"
        return {"type": "web_search_tool_result_error", "error_code": code}
    return [
        {
            "type": "web_search_result",
            "url": result.url,
            "title": result.title,
            "encrypted_content": result.encrypted_content or "",
            "page_age": result.page_age,
        }
        for result in search.results
    ]


def wire_citation(citation: Citation) -> dict[str, Any]:
    """Return the ``web_search_result_location`` of a citation."""
    return {
        "type": "web_search_result_location",
        "url": citation.url,
        "title": citation.title,
        "cited_text": citation.cited_text,
        "encrypted_index": citation.encrypted_index or "",
    }
