"""How clients are set up for a gateway; imported when somebody asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from antigravity.connect.client import Client, ServedModel, Target
from antigravity.connect.clients import CLIENTS
from antigravity.connect.guides import make_guide
from antigravity.connect.model_choice import choose_models, suited_models
from antigravity.interfaces.access import ClientSetup, SetupStep
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import NotFoundError

#: What stands for the key: any works without authentication.
_ANY_KEY: Final = "sk-local"
_PLACEHOLDER: Final = "YOUR_KEY"
#: The most models that are named for a client, and in a text.
_MOST_MODELS: Final = 30
_MOST_IN_TEXT: Final = 8


def find_clients(name: str) -> list[Client]:
    """Return the client of a name, all of them for ``""``.

    :raises NotFoundError: if there is no such client.
    """
    found = [each for each in CLIENTS.values() if name in ("", each.name)]
    if not found:
        raise NotFoundError(
            f"There is no guide for the client {name[:100]!r}.  These have one: "
            f"{', '.join(CLIENTS)}."
        )
    return found


def make_setups(
    clients: Sequence[Client], address: str, needs_key: bool, models: Sequence[Model]
) -> list[ClientSetup]:
    """Return how clients are set up with the models that suit them.

    :raises ValueError: if the address cannot be written into a text.
    """
    target = Target(address, _PLACEHOLDER if needs_key else _ANY_KEY)
    served = served_models(models)
    return [_setup_of(each, target, served) for each in clients]


def _setup_of(client: Client, target: Target, served: Sequence[ServedModel]) -> ClientSetup:
    """Return the setup of a client with the models that suit it.

    :raises ValueError: if the address cannot be written into a text.
    """
    suited = suited_models(client, served)
    choice = choose_models(client, suited, most=_MOST_IN_TEXT)
    guide = make_guide(
        client,
        replace(target, models=choice.models, selects_model=choice.selects_model),
    )
    return ClientSetup(
        name=client.name,
        title=client.title,
        protocol=client.protocol,
        models=[each.name for each in suited[:_MOST_MODELS]],
        steps=[
            SetupStep(
                title=step.title,
                language=step.language,
                text=step.text,
                file=step.file,
                macos=step.macos,
                windows=step.windows,
            )
            for step in guide.steps
        ],
        notes=guide.hints,
    )


def served_models(models: Sequence[Model]) -> list[ServedModel]:
    """Return the models for conversations as clients list them."""
    return [_served(each) for each in models if _converses(each)]


def _served(model: Model) -> ServedModel:
    return ServedModel(model.id, model.input_token_limit or 0, model.output_token_limit or 0)


def _converses(model: Model) -> bool:
    capabilities = model.capabilities
    return (
        not capabilities.embedding
        and not capabilities.own_endpoint
        and not capabilities.agent
        and capabilities.tools
        and "text" in capabilities.outputs
    )
