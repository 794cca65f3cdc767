"""Which of the gateway's models a client is given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.connect.client import Client, ServedModel

#: So many models are offered in a client's list.
MAX_MODELS: Final = 50
#: Conversations of agents do not fit into less.
_SMALL: Final = 32_000
#: The words in names of the smaller models of a maker.
_SMALLER: Final = re.compile(
    r"(?:^|[-_.:])(?:mini|nano|lite|flash|haiku|small|tiny|instant)(?![a-z])"
)
_WORD: Final = re.compile(r"[a-z]*")
#: A generation, such as 5, 4-6 or 2.5; not a date, nor a number of parameters.
_GENERATION: Final = re.compile(r"(?<![\d.])(\d{1,2})(?:[.-](\d{1,2}))?(?![\d.]|b\b)")


class ModelChoice(Struct, frozen=True):
    """The models of a client.

    :ivar models: in order; the first one is its default.
    :ivar selects_model: whether the client shall use the first one, whatever it asks for itself.
    :ivar lacks_family: whether none of those is served that it asks for by itself.
    """

    models: tuple[ServedModel, ...]
    selects_model: bool = False
    lacks_family: bool = False


def choose_models(
    client: Client, served: Sequence[ServedModel], model: str = "", most: int = MAX_MODELS
) -> ModelChoice:
    """Return which models a client is given.

    Makers cannot be compared, so the first one is the newest of the larger models of one maker: of
    the client's family, or of the first model that is served.  The others keep their order.

    :param served: the models for conversations that the gateway serves.
    :param model: the name of the one that it shall use, ``""`` for any.
    :param most: the number of models in its list.
    """
    if model:
        chosen = next((each for each in served if each.name == model), ServedModel(model))
        rest = [each for each in served if each.name != model]
        return ModelChoice((chosen, *rest[: most - 1]), selects_model=True)
    large = [each for each in served if each.window >= _SMALL or not each.window]
    ordered = [*large, *(each for each in served if each not in large)]
    if large:
        best = _best(client, large)
        ordered.remove(best)
        ordered.insert(0, best)
    lacks = bool(
        client.family and served and not any(each.name.startswith(client.family) for each in served)
    )
    return ModelChoice(tuple(ordered[:most]), selects_model=lacks, lacks_family=lacks)


def _best(client: Client, served: Sequence[ServedModel]) -> ServedModel:
    own = [each for each in served if client.family and each.name.startswith(client.family)]
    first = _maker((own or served)[0])
    return max((each for each in served if _maker(each) == first), key=_strength)


def _maker(model: ServedModel) -> str:
    """Return the word that the names of a maker's models begin with, such as ``claude``."""
    folder, _, name = model.name.lower().rpartition("/")
    found = _WORD.match(name)
    return f"{folder}/{found[0] if found else ''}"


def _strength(model: ServedModel) -> tuple[bool, tuple[int, int], int]:
    """Return what is larger for a better model; a longer name is that of a variant."""
    name = model.name.lower().rpartition("/")[2]
    found = _GENERATION.search(name)
    generation = (int(found[1]), int(found[2] or 0)) if found else (0, 0)
    return not _SMALLER.search(name), generation, -len(name)


def suited_models(client: Client, served: Sequence[ServedModel]) -> list[ServedModel]:
    """Return the models that a client lists or asks for by itself; all, if there is none."""
    own = [each for each in served if client.family and client.family in each.name]
    return own or list(served)
