"""Embedding requests are routed to embedding models only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.interfaces.embeddings import IEmbeddingUpstream
from antigravity.ir.capabilities import Capabilities, Model
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.protocols.gemini.embeddings import GEMINI_EMBEDDINGS_CLIENT
from antigravity.protocols.openai_embeddings.protocol import OPENAI_EMBEDDINGS_CLIENT
from antigravity.routing.capability_table import load_table
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision, UpstreamEntry
from antigravity.routing.embeddings import EmbeddingRouter
from antigravity.routing.mapping import ModelMapping

CLIENTS = {client.name: client for client in (OPENAI_EMBEDDINGS_CLIENT, GEMINI_EMBEDDINGS_CLIENT)}


class Upstream:
    """One that lists models, and speaks protocols for conversations."""

    protocols = ("openai_chat",)
    quirks: frozenset[str] = frozenset()

    def __init__(self, name: str, *models: Model) -> None:
        self.name = name
        self._models = models

    def models(self, credential: Any) -> Deferred[Sequence[Model]]:
        return succeed(self._models)


@implementer(IEmbeddingUpstream)
class Embedding(Upstream):
    """One that makes vectors."""

    def __init__(self, name: str, protocols: str, *models: Model) -> None:
        super().__init__(name, *models)
        self.embedding_protocols = tuple(protocols.split())


class Credentials:
    """Has one for everybody."""

    def next_credential(self, upstream: str, exclude: frozenset[str]) -> object:
        return object()


def router(*upstreams: Upstream, mapping: dict[str, str] | None = None) -> EmbeddingRouter:
    entries: list[Any] = [UpstreamEntry(upstream) for upstream in upstreams]
    catalog = ModelCatalog(Clock(), Credentials(), 60.0)  # type: ignore[arg-type]
    kinds = ("openai", "gemini_api")
    return EmbeddingRouter(
        entries,
        CLIENTS,  # type: ignore[arg-type]
        ModelMapping(mapping or {}),
        load_table(()),
        catalog,
        kinds,
    )


def decide(
    made: EmbeddingRouter, asked: str, protocol: str = "openai_embeddings"
) -> tuple[str, list[str]]:
    """Return the model that serves, and which upstreams would."""
    found: list[RoutingDecision | Failure] = []
    Deferred.fromCoroutine(made.route(asked, protocol)).addBoth(found.append)
    (decision,) = found
    if isinstance(decision, Failure):
        decision.raiseException()
    assert isinstance(decision, RoutingDecision)
    return decision.model, [option.upstream.name for option in decision.options]


OPENAI = Embedding("o", "openai_embeddings", Model("text-embedding-3-small"), Model("gpt-5"))
GEMINI = Embedding("g", "gemini_embeddings", Model("gemini-embedding-001"), Model("both"))
BOTH = Embedding("b", "gemini_embeddings openai_embeddings", Model("both"))
NONE = Upstream("n", Model("text-embedding-3-small"), Model("gemini-embedding-001"))


def test_only_embedding_upstreams_are_options() -> None:
    made = router(NONE, OPENAI, GEMINI)
    assert decide(made, "text-embedding-3-small") == ("text-embedding-3-small", ["o"])
    assert decide(made, "gemini-embedding-001") == ("gemini-embedding-001", ["g"])
    assert decide(made, "o/anything-new") == ("anything-new", ["o"])


def test_client_protocol_comes_first() -> None:
    made = router(GEMINI, BOTH)
    assert decide(made, "both", "openai_embeddings")[1] == ["b", "g"]
    assert decide(made, "both", "gemini_embeddings")[1] == ["g", "b"]


def test_unregistered_protocol_is_not_used() -> None:
    made = router(Embedding("strange", "own_embeddings", Model("text-embedding-3-small")))
    with pytest.raises(NotFoundError, match="openai or gemini_api"):
        decide(made, "text-embedding-3-small")


@pytest.mark.parametrize("upstreams", [(), (NONE,)])
def test_error_without_embedding_upstream_names_the_kinds(upstreams: tuple[Upstream, ...]) -> None:
    with pytest.raises(NotFoundError, match="openai or gemini_api") as caught:
        decide(router(*upstreams), "text-embedding-3-small")
    assert caught.value.code == "model_not_found"
    with pytest.raises(NotFoundError, match="The upstream 'n' does not create embeddings"):
        decide(router(OPENAI, NONE), "n/text-embedding-3-small")


def test_conversation_model_is_refused_with_suggestions() -> None:
    for asked in ("gpt-5", "o/gpt-5", "claude-sonnet-5", "models/gemini-2.5-pro"):
        with pytest.raises(InvalidRequestError, match="is not an embedding model") as caught:
            decide(router(OPENAI, GEMINI), asked)
        assert "text-embedding-3-small, gemini-embedding-001" in caught.value.message
        assert "gpt" not in caught.value.message.partition("Of the models")[2]


def test_upstream_list_decides_for_unknown_models() -> None:
    told = Model("vectorizer", capabilities=Capabilities(embedding=True))
    made = router(OPENAI, Embedding("x", "gemini_embeddings", told, Model("other")))
    with pytest.raises(InvalidRequestError) as caught:
        decide(made, "gpt-5")
    assert "vectorizer" in caught.value.message
    assert "other" not in caught.value.message


def test_patterns_apply_to_embedding_models_only() -> None:
    chat = router(OPENAI, GEMINI, mapping={"*": "gpt-5", "text-*": "gemini-2.5-pro"})
    assert decide(chat, "text-embedding-3-small") == ("text-embedding-3-small", ["o"])
    vectors = router(OPENAI, GEMINI, mapping={"text-*": "gemini-embedding-001"})
    assert decide(vectors, "text-embedding-3-small") == ("gemini-embedding-001", ["g"])


def test_exact_mapping_always_applies() -> None:
    made = router(OPENAI, GEMINI, mapping={"mine": "g/both", "wrong": "gpt-5"})
    assert decide(made, "mine") == ("both", ["g"])
    with pytest.raises(InvalidRequestError, match="'wrong' is not an embedding model"):
        decide(made, "wrong")


@pytest.mark.parametrize(
    ("model", "embedding"),
    [
        ("text-embedding-3-large", True),
        ("text-embedding-ada-002", True),
        ("gemini-embedding-001", True),
        ("gemini-embedding-2-preview", True),
        ("nomic-embed-text", True),
        ("BAAI/bge-m3", True),
        ("gpt-5.1", False),
        ("gemini-2.5-flash", False),
        ("claude-sonnet-5", False),
    ],
)
def test_models_in_the_table(model: str, embedding: bool) -> None:
    assert load_table(()).capabilities(model).embedding is embedding


def test_input_media_of_gemini_embedding_models() -> None:
    table = load_table(())
    assert table.capabilities("gemini-embedding-001").inputs == ()
    assert "image" in table.capabilities("gemini-embedding-2").inputs
