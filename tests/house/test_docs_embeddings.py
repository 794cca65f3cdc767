"""What the documentation says of embeddings is what the code does."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from antigravity.exchange.operations import embeddings
from antigravity.ir.capabilities import Capabilities, Target
from antigravity.ir.embeddings import EmbeddingInput, EmbeddingRequest, TokenIds
from antigravity.ir.errors import InvalidRequestError
from antigravity.ir.media import InlineData
from antigravity.ir.parts import Media, Text
from antigravity.plugins import PluginHost
from antigravity.protocols.gemini.embeddings import GEMINI_EMBEDDINGS_CLIENT
from antigravity.protocols.openai_embeddings.protocol import OPENAI_EMBEDDINGS_CLIENT
from tests.house.pages import table
from tests.support.pages import ROOT

CLIENTS: dict[str, Any] = {"openai": OPENAI_EMBEDDINGS_CLIENT, "gemini": GEMINI_EMBEDDINGS_CLIENT}
TARGETS = {
    "openai": Target("text-embedding-3-small"),
    "gemini": Target("gemini-embedding-2", Capabilities(inputs=("image",))),
}
MEDIA = Media("image", InlineData("AAAA"), "image/png")

#: An input with each thing that the table speaks of, and where it is found if it is kept.
THINGS: dict[str, tuple[list[EmbeddingInput], str]] = {
    "a text, or a list of texts": ([EmbeddingInput((Text("said"),), "input")], "said"),
    "token ids": ([EmbeddingInput((TokenIds((77, 88)),), "input")], "77"),
    "images and other media": ([EmbeddingInput((MEDIA,), "input")], "AAAA"),
    "dimensions, outputDimensionality": (
        [EmbeddingInput((Text("x"),), "input", dimensions=123)],
        "123",
    ),
    "taskType, title": (
        [EmbeddingInput((Text("x"),), "input", task_type="CLUSTERING", title="CLUSTERING")],
        "CLUSTERING",
    ),
}


@pytest.mark.parametrize("thing", THINGS)
def test_embedding_inputs_match_table(thing: str) -> None:
    (row,) = (row for row in table("docs/protocols.rst", "Input or setting") if row[0] == thing)
    claims = dict(zip(CLIENTS, row[1:], strict=True))
    inputs, mark = THINGS[thing]
    request = EmbeddingRequest("m", tuple(inputs), "other")
    for name, client in CLIENTS.items():
        said = claims[name]
        try:
            done = client.encode_embedding(request, request.inputs, TARGETS[name])
        except InvalidRequestError:
            assert said.startswith("refused with 400"), (thing, name)
        else:
            assert said.startswith("kept") is (mark in done.body.decode()), (thing, name)
            assert said.startswith("lost") is bool(done.warnings), (thing, name)


def test_several_texts_of_one_input_match_table() -> None:
    given = EmbeddingInput((Text("a"), Text("b")), "input")
    request = EmbeddingRequest("m", (given,), "other")
    body = {
        name: json.loads(client.encode_embedding(request, (given,), TARGETS[name]).body)
        for name, client in CLIENTS.items()
    }
    assert body["openai"]["input"] == "a\nb"
    assert body["gemini"]["content"]["parts"] == [{"text": "a"}, {"text": "b"}]


def test_batch_sizes_are_documented() -> None:
    text = " ".join((ROOT / "docs/protocols.rst").read_text("utf-8").split())
    found = re.search(r"Gemini takes (\d+) inputs at once, OpenAI (\d+)\.", text)
    assert found is not None
    sizes = [CLIENTS["gemini"].largest_batch, CLIENTS["openai"].largest_batch]
    assert [int(size) for size in found.groups()] == sizes
    assert "four at a time" in text
    assert embeddings.PARALLEL == 4


def test_every_embedding_path_is_in_tables() -> None:
    host = PluginHost()
    host.load(installed=False)
    for page in ("docs/endpoints.rst", "docs/protocols.rst"):
        text = (ROOT / page).read_text("utf-8")
        for server in host.registry.embedding_servers.values():
            for route in server.routes:
                path = route.path.rpartition("}")[2]
                assert f"{path}``" in text, (page, path)
