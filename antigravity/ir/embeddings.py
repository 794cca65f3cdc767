"""Requests for embeddings of texts and media, and their responses."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.parts import Media, Text
from antigravity.ir.usage import Usage

#: One input, or a list of them; some protocols have two addresses for it.
EmbedOperation = Literal["embed", "embed_batch"]


class TokenIds(Struct, frozen=True, gc=False, tag="token_ids"):
    """Text that the client has already split into the tokens of its model."""

    ids: tuple[int, ...]


class EmbeddingInput(Struct, frozen=True, gc=False):
    """The input for one vector, of one or several parts.

    ``param`` is the path of the input in the client's body.  ``dimensions`` is the requested
    length of the vector.  ``task_type`` is its purpose, as Gemini names it
    (``RETRIEVAL_QUERY``); ``title`` is the title of a document.  ``extensions`` are fields that
    only the client's protocol knows.
    """

    parts: tuple[Text | Media | TokenIds, ...]
    param: str
    dimensions: int | None = None
    task_type: str | None = None
    title: str | None = None
    extensions: dict[str, Any] = {}


class EmbeddingRequest(Struct, frozen=True):
    """A request for vectors, in the order of its inputs, of which there is at least one.

    ``encoding`` is the requested format of the vectors.  ``extensions`` are fields for all inputs
    that only the client's ``protocol`` knows.
    """

    model: str
    inputs: tuple[EmbeddingInput, ...]
    protocol: str
    encoding: Literal["float", "base64"] = "float"
    user: str | None = None
    extensions: dict[str, Any] = {}


class EmbeddingResponse(Struct, frozen=True):
    """The vectors and their usage; ``model`` is the upstream's name of the model."""

    vectors: tuple[tuple[float, ...], ...]
    usage: Usage | None = None
    model: str = ""
