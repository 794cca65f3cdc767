"""``groundingMetadata``: searches, their results and citations.

Offsets are UTF-8 bytes on the wire and characters in the intermediate representation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from antigravity.ir.parts import Citation, SearchResult, WebSearch
from antigravity.protocols.byte_offsets import ByteOffsets


class Page(Struct, rename="camel"):
    """A page, document or place."""

    uri: str | None = None
    title: str | None = None


class Chunk(Struct, rename="camel"):
    """A source; exactly one field is set."""

    web: Page | None = None
    retrieved_context: Page | None = None
    maps: Page | None = None

    def page(self) -> Page:
        """Return the page of whichever field is set."""
        return self.web or self.retrieved_context or self.maps or Page()


class Segment(Struct, rename="camel"):
    """A range of the text, in bytes."""

    start_index: int | None = None
    end_index: int | None = None
    text: str | None = None


class Support(Struct, rename="camel"):
    """The sources of a range."""

    segment: Segment | None = None
    grounding_chunk_indices: list[int] | None = None


class GroundingMetadata(Struct, rename="camel"):
    """The results of searches."""

    web_search_queries: list[str] | None = None
    grounding_chunks: list[Chunk] | None = None
    grounding_supports: list[Support] | None = None


class CitationSource(Struct, rename="camel"):
    """A source that the text repeats."""

    start_index: int | None = None
    end_index: int | None = None
    uri: str | None = None
    title: str | None = None


class CitationMetadata(Struct, rename="camel"):
    """Sources that the text repeats, under either of the names that Google uses."""

    citation_sources: list[CitationSource] | None = None
    citations: list[CitationSource] | None = None


def search_of(metadata: GroundingMetadata, identity: str) -> WebSearch | None:
    """Return the search in ``metadata``, if there is one."""
    pages = [chunk.page() for chunk in metadata.grounding_chunks or ()]
    results = tuple(SearchResult(page.uri or "", page.title or "") for page in pages)
    queries = tuple(metadata.web_search_queries or ())
    return WebSearch(identity, queries, results) if queries or results else None


def citations_of(metadata: GroundingMetadata, text: str) -> Iterator[Citation]:
    """Yield the citations in ``metadata``; ``text`` is the whole text."""
    pages = [chunk.page() for chunk in metadata.grounding_chunks or ()]
    offsets = ByteOffsets(text)
    for support in metadata.grounding_supports or ():
        segment = support.segment or Segment()
        start, end = _characters(segment, text, offsets)
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(pages):
                page = pages[index]
                yield Citation(page.uri or "", page.title or "", segment.text or "", start, end)


def recitations_of(metadata: CitationMetadata, text: str) -> Iterator[Citation]:
    """Yield the sources that the text repeats."""
    offsets = ByteOffsets(text)
    for source in (*(metadata.citation_sources or ()), *(metadata.citations or ())):
        if source.uri:
            segment = Segment(source.start_index, source.end_index)
            start, end = _characters(segment, text, offsets)
            yield Citation(source.uri, source.title or "", "", start, end)


def _characters(segment: Segment, text: str, offsets: ByteOffsets) -> tuple[int | None, int | None]:
    """Return a range in characters; a given text decides between bytes and characters."""
    if segment.end_index is None:
        return None, None
    first, last = segment.start_index or 0, segment.end_index
    if not 0 <= first <= last <= offsets.bytes:
        first, last = 0, 0
    start, end = offsets.to_characters(first), offsets.to_characters(last)
    if segment.text and not (
        end - start == len(segment.text) and text.startswith(segment.text, start)
    ):
        start = text.find(segment.text)
        if start < 0:
            return None, None
        end = start + len(segment.text)
    return (start, end) if end > start else (None, None)


class GroundingBuilder:
    """Collects searches and citations of one candidate for ``groundingMetadata``."""

    def __init__(self) -> None:
        self._searches: dict[str, WebSearch] = {}
        self._citations: list[Citation] = []

    def search(self, search: WebSearch) -> None:
        """Add a search, or replace one with the same id."""
        self._searches[search.id] = search

    def cite(self, citation: Citation) -> None:
        """Add a citation."""
        self._citations.append(citation)

    def build(self, text: str) -> dict[str, Any] | None:
        """Return ``groundingMetadata`` for a candidate with ``text``, or ``None`` if empty."""
        if not self._searches and not self._citations:
            return None
        searches = self._searches.values()
        places: dict[str, int] = {}
        chunks: list[dict[str, Any]] = []
        found = [(result.url, result.title) for search in searches for result in search.results]
        for url, title in (*found, *((cited.url, cited.title) for cited in self._citations)):
            if url not in places:
                places[url] = len(chunks)
                chunks.append({"web": {"uri": url, "title": title}})
        offsets = ByteOffsets(text if self._citations else "")
        supports: dict[tuple[int, int], list[int]] = {}
        for cited in self._citations:
            if cited.start is not None and cited.end is not None:
                indices = supports.setdefault((cited.start, cited.end), [])
                if places[cited.url] not in indices:
                    indices.append(places[cited.url])
        return {
            "webSearchQueries": [query for search in searches for query in search.queries],
            "groundingChunks": chunks,
            "groundingSupports": [
                _support(text, offsets, start, end, indices)
                for (start, end), indices in supports.items()
            ],
        }


def _support(
    text: str, offsets: ByteOffsets, start: int, end: int, indices: list[int]
) -> dict[str, Any]:
    start = max(0, min(start, len(text)))
    end = max(start, min(end, len(text)))
    first, last = offsets.to_bytes(start), offsets.to_bytes(end)
    return {
        "segment": {"startIndex": first, "endIndex": last, "text": text[start:end]},
        "groundingChunkIndices": indices,
    }
