"""Models and their routes as the operator sees and changes them: the JSON of the admin API."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct
from twisted.internet.defer import Deferred
from zope.interface import Interface

#: The most rules of a mapping, and the most models that a trial looks at.
MOST_RULES: Final = 500
MOST_MODELS: Final = 200

Name = Annotated[str, Meta(max_length=512)]
Mapping = Annotated[dict[Name, Name], Meta(max_length=MOST_RULES)]
Fallbacks = Annotated[
    dict[Name, Annotated[list[Name], Meta(max_length=20)]], Meta(max_length=MOST_RULES)
]


class ServedModel(Struct, frozen=True, kw_only=True):
    """A model that clients can name; limits are in tokens.

    ``upstreams`` are those that list or name it, in the order of the configuration.  ``inputs`` are
    the kinds of media that it is known to read, and ``mapped_to`` is the model that a rule of the
    mapping puts in its place.
    """

    id: str
    upstreams: list[str]
    family: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    thinking: str = "none"
    inputs: list[str] = []
    outputs: list[str] = []
    tools: bool = True
    embedding: bool = False
    mapped_to: str = ""


class ModelReport(Struct, frozen=True, kw_only=True):
    """All models that can be served, and the rules about their names.

    ``protocols`` are those of clients, ``upstreams`` the names of all upstreams.
    """

    models: list[ServedModel]
    upstreams: list[str]
    protocols: list[str]
    mapping: dict[str, str]
    builtin_aliases: dict[str, str]
    fallback_models: dict[str, list[str]]
    fallback_model: str


class MappingProposal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other rules: the whole table of each kind, or ``None`` to leave it as it is.

    ``models`` are names of models to look at besides those that are known here.
    """

    mapping: Mapping | None = None
    fallback_models: Fallbacks | None = None
    models: Annotated[list[Name], Meta(max_length=MOST_MODELS)] = []
    protocol: str = "openai_chat"


class Destination(Struct, frozen=True, kw_only=True):
    """Where requests for a model go: to a model at some upstreams, best first, or nowhere."""

    model: str
    upstreams: list[str] = []
    problem: str = ""


class RuleTrial(Struct, frozen=True, kw_only=True):
    """Where a rule of the mapping leads, and which of the known models it is for."""

    pattern: str
    to: Destination
    models: list[str] = []


class FallbackTrial(Struct, frozen=True, kw_only=True):
    """Where the fallback models of a model or pattern are."""

    pattern: str
    to: list[Destination]


class RouteChange(Struct, frozen=True, kw_only=True):
    """A model whose requests would go elsewhere."""

    model: str
    before: Destination
    after: Destination


class MappingTrial(Struct, frozen=True, kw_only=True):
    """What would happen with other rules.

    ``problem`` says why they cannot be written; empty if they can.  ``looked_at`` is the number of
    models in ``changes`` and of those without one; ``left_out`` were too many.
    """

    rules: list[RuleTrial]
    fallbacks: list[FallbackTrial]
    changes: list[RouteChange]
    looked_at: int
    left_out: int = 0
    problem: str = ""


class MappingChange(Struct, frozen=True, kw_only=True):
    """The rules in force after a change, and the file that has them."""

    file: str
    mapping: dict[str, str]
    fallback_models: dict[str, list[str]]


class IModelAdministration(Interface):
    """Shows models and their routes, and changes the rules."""

    def models() -> Deferred[ModelReport]:
        """Return a Deferred with all models that can be served."""

    def try_mapping(proposal: MappingProposal) -> Deferred[MappingTrial]:
        """Return a Deferred with what would happen with other rules; nothing changes."""

    def change_mapping(proposal: MappingProposal) -> Deferred[MappingChange]:
        """Return a Deferred that fires when other rules are in the configuration and in force.

        It fails with a ``ConflictError`` if they cannot be written; the message says why.
        """
