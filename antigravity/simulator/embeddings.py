"""Deterministic vectors and their encodings; pure."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from antigravity.simulator.view import ATTACHMENT_TOKENS, Turn, View, count


@dataclass(frozen=True)
class EmbeddingInput:
    """The content of one vector, and its length."""

    text: str
    dimensions: int
    task: str = ""
    title: str = ""
    media: tuple[str, ...] = ()
    tokens: int | None = None

    @property
    def size(self) -> int:
        """The number of tokens."""
        if self.tokens is not None:
            return self.tokens
        return max(1, count(len(self.text))) + len(self.media) * ATTACHMENT_TOKENS


def vector(each: EmbeddingInput) -> list[float]:
    """Return the vector of an input: normalised, in 32-bit precision.

    Equal inputs have equal vectors, whatever the model.  A shorter vector is the start of a
    longer one, scaled.
    """
    seed = "\0".join((each.text, each.task, each.title, *each.media))
    data = hashlib.shake_256(seed.encode("utf-8", "surrogatepass")).digest(each.dimensions * 2)
    raw = struct.unpack(f"<{each.dimensions}h", data)
    length = math.sqrt(sum(value * value for value in raw)) or 1.0
    packed = struct.pack(f"<{each.dimensions}f", *(value / length for value in raw))
    return list(struct.unpack(f"<{each.dimensions}f", packed))


def build_view(model: str, inputs: Sequence[EmbeddingInput], body: dict[str, Any]) -> View:
    """Return the view of a request, so that directives in its texts apply."""
    return View(model, (Turn("user", tuple(each.text for each in inputs)),), body)


def encode_openai_vectors(
    model: str, inputs: Sequence[EmbeddingInput], form: str
) -> dict[str, Any]:
    """Return the vectors in OpenAI's format."""
    total = sum(each.size for each in inputs)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _written(vector(each), form)}
            for index, each in enumerate(inputs)
        ],
        "model": model,
        "usage": {"prompt_tokens": total, "total_tokens": total},
    }


def _written(values: list[float], form: str) -> list[float] | str:
    if form != "base64":
        return values
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode("ascii")


def encode_gemini_vectors(
    model: str, inputs: Sequence[EmbeddingInput], batch: bool
) -> dict[str, Any]:
    """Return the vectors in Gemini's format; only newer models report usage."""
    vectors = [{"values": vector(each)} for each in inputs]
    response: dict[str, Any] = {"embeddings": vectors} if batch else {"embedding": vectors[0]}
    if model.startswith("gemini-embedding-2"):
        total = sum(each.size for each in inputs)
        details = [{"modality": "TEXT", "tokenCount": total}]
        response["usageMetadata"] = {"promptTokenCount": total, "promptTokenDetails": details}
    return response
