"""Which of the gateway's models a client is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from antigravity.connect.client import Client, ServedModel

#: So many models are offered in a client's list.
MAX_MODELS: Final = 50
#: Conversations of agents do not fit into less.
_SMALL: Final = 32_000


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

    :param served: the models for conversations that the gateway serves.
    :param model: the name of the one that it shall use, ``""`` for any.
    :param most: the number of models in its list.
    """
    if model:
        chosen = next((each for each in served if each.name == model), ServedModel(model))
        rest = [each for each in served if each.name != model]
        return ModelChoice((chosen, *rest[: most - 1]), selects_model=True)
    large = [each for each in served if each.window >= _SMALL or not each.window]
    ordered = (*large, *(each for each in served if each not in large))[:most]
    lacks = bool(
        client.family and served and not any(each.name.startswith(client.family) for each in served)
    )
    return ModelChoice(ordered, selects_model=lacks, lacks_family=lacks)


def suited_models(client: Client, served: Sequence[ServedModel]) -> list[ServedModel]:
    """Return the models that a client lists or asks for by itself; all, if there is none."""
    own = [each for each in served if client.family and client.family in each.name]
    return own or list(served)
