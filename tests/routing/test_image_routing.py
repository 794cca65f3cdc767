"""Suffixes of image model names, and image models with their own protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from zope.interface import implementer

from antigravity.interfaces.upstreams import IModelProtocols
from antigravity.ir.capabilities import Model
from antigravity.ir.images import NO_IMAGE_OPTIONS, ImageOptions
from antigravity.protocols.gemini.protocol import GEMINI_CLIENT
from antigravity.protocols.imagen.client import imagen_client
from antigravity.protocols.openai_chat.protocol import OPENAI_CHAT_CLIENT
from antigravity.routing.capability_table import load_table, parse_rules
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import RoutingDecision, RoutingOption, UpstreamEntry
from antigravity.routing.mapping import ModelMapping
from antigravity.routing.router import Router

CLIENTS = {
    client.name: client
    for client in (GEMINI_CLIENT, imagen_client(GEMINI_CLIENT), OPENAI_CHAT_CLIENT)
}
FLASH, IMAGEN = "gemini-3.1-flash-image", "imagen-4.0-generate-001"
WIDE = ImageOptions(16, 9, is_ratio=True)


class Upstream:
    quirks: frozenset[str] = frozenset()

    def __init__(self, name: str, protocol: str, *models: str) -> None:
        self.name = name
        self.protocols = (protocol,)
        self._models = [Model(model) for model in models]

    def models(self, credential: Any) -> Deferred[Sequence[Model]]:
        return succeed(self._models)


@implementer(IModelProtocols)
class Google(Upstream):
    model_protocols = ("imagen",)


class Credentials:
    def next_credential(self, upstream: str, exclude: frozenset[str]) -> object:
        return object()


def router(mapping: dict[str, str] | None = None, *more: str) -> Router:
    upstreams = [
        Google("g", "gemini", FLASH, IMAGEN, *more),
        Upstream("o", "openai_chat", "gpt-5", "sizes-4k", IMAGEN),
    ]
    entries: list[Any] = [UpstreamEntry(upstream) for upstream in upstreams]  # type: ignore[arg-type]
    catalog = ModelCatalog(Clock(), Credentials(), 60.0)  # type: ignore[arg-type]
    return Router(entries, CLIENTS, ModelMapping(mapping or {}), load_table(()), catalog)


def decide(made: Router, asked: str, protocol: str = "openai_images") -> RoutingDecision:
    found: list[Any] = []
    Deferred.fromCoroutine(made.route(asked, protocol)).addBoth(found.append)
    if not isinstance(found[0], RoutingDecision):
        found[0].raiseException()
    decision: RoutingDecision = found[0]
    return decision


def first(made: Router, asked: str, protocol: str = "openai_images") -> RoutingOption:
    return decide(made, asked, protocol).options[0]


def test_suffix_sets_image_format() -> None:
    decision = decide(router(), f"{FLASH}-16x9")
    target = decision.options[0].target
    assert (target.model, target.image_options) == (FLASH, WIDE)
    assert [hop.rule for hop in decision.steps] == ["image suffix"]
    assert first(router(), FLASH).target.image_options == NO_IMAGE_OPTIONS
    assert first(router(), f"g/{FLASH}-16x9").target.image_options == WIDE


def test_listed_name_has_no_suffix() -> None:
    made = router(None, f"{FLASH}-4k")
    decide(made, FLASH)  # now it is known what is listed
    target = first(made, f"{FLASH}-4k").target
    assert (target.model, target.image_options) == (f"{FLASH}-4k", NO_IMAGE_OPTIONS)
    mapped = first(router({f"{FLASH}-4k": "gpt-5"}), f"{FLASH}-4k").target
    assert (mapped.model, mapped.image_options) == ("gpt-5", NO_IMAGE_OPTIONS)


def test_name_without_suffix_is_mapped() -> None:
    target = first(router({"paint": FLASH}), "paint-16x9").target
    assert (target.model, target.image_options) == (FLASH, WIDE)


def test_other_models_have_no_suffix() -> None:
    target = first(router(), "sizes-4k", "openai_chat").target
    assert (target.model, target.image_options) == ("sizes-4k", NO_IMAGE_OPTIONS)


def test_model_can_have_its_own_protocol() -> None:
    made = router()
    for protocol in ("openai_images", "openai_chat", "gemini", "imagen"):
        google = next(c for c in decide(made, f"g/{IMAGEN}", protocol).options)
        assert google.client.name == "imagen"
        assert google.native is (protocol == "imagen")
    elsewhere = first(made, f"o/{IMAGEN}", "openai_images")
    assert (elsewhere.client.name, elsewhere.native) == ("openai_chat", False)
    drawing = first(made, FLASH, "imagen")
    assert (drawing.client.name, drawing.native) == ("gemini", False)


@pytest.mark.parametrize(
    "rule", ['image_ratios = ["16x9"]', 'image_ratios = ["0:1"]', 'image_sizes = ["8K"]']
)
def test_invalid_image_ratios_and_sizes_are_reported(rule: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="rule 1"):
        parse_rules(f'[[model]]\nmatch = ["x"]\n{rule}\n', "f.toml")
