"""What clients are connected to: the gateway's address, its key, and the models that it serves."""

from __future__ import annotations

import re
from typing import Any, Final

import click
from msgspec import structs

from antigravity.cli.gateway_client import (
    GatewayAddress,
    NoGatewayError,
    find_address,
    get_json,
)
from antigravity.cli.invocation import Invocation, note
from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.config.spelling import closest
from antigravity.connect.client import Client, ServedModel, Target
from antigravity.connect.model_choice import choose_models

#: Any key is accepted on loopback; clients refuse to start without one.
_ANY_KEY: Final = "sk-local"
#: Models that answer no conversation, by words in their names.
_OTHER_PURPOSE: Final = re.compile(
    r"(?:^|[-_./])(?:image|imagen|dall|tts|whisper|transcribe|embedding|embed|realtime|audio|veo"
    r"|lyria|moderation|live)(?:$|[-_./\d])"
)


def find_target(invocation: Invocation, client: Client, model: str, url: str) -> Target:
    """Return what a client is connected to.

    :param model: the name of the model that it shall use, ``""`` to let this function choose.
    :param url: an address instead of the gateway's own, such as that of a reverse proxy.
    """
    proxy = invocation.gateway_configuration().settings.proxy
    demands_key = effective_auth_mode(proxy) != "off"
    key = proxy.api_key.reveal() if demands_key else _ANY_KEY
    if demands_key and not key:
        raise click.ClickException(
            "the gateway demands a key, but none is set: set api_key in the [proxy] table"
        )
    try:
        address = find_address(invocation.home, proxy)
    except NoGatewayError as error:
        if not url:
            raise click.ClickException(f"{error}; name its address with --url") from None
        address = None
    if address is None and not url:
        raise click.ClickException("the gateway has no TCP port; name its address with --url")
    served = _served_models(address, proxy) if address else []
    target = Target(url.rstrip("/").removesuffix("/v1") or str(address), key, demands_key)
    return _with_models(target, client, model, served)


def _served_models(address: GatewayAddress, proxy: ProxySettings) -> list[ServedModel]:
    """Return the models for conversations that the running gateway serves."""
    try:
        data = get_json(
            address,
            "/v1/models?limit=1000",
            proxy.api_key.reveal(),
            timeout=10.0,
            headers={"anthropic-version": "2023-06-01"},
        )
    except NoGatewayError as error:
        note(f"The models are not known, because the gateway does not answer: {error}")
        return []
    found = data.get("data") if isinstance(data, dict) else None
    models = [_model(each) for each in found or [] if isinstance(each, dict)]
    return [model for model in models if not _OTHER_PURPOSE.search(model.name.lower())]


def _model(data: dict[str, Any]) -> ServedModel:
    window, output = (data.get(name) for name in ("max_input_tokens", "max_tokens"))
    return ServedModel(
        str(data.get("id", "")),
        window if isinstance(window, int) else 0,
        output if isinstance(output, int) else 0,
    )


def _with_models(target: Target, client: Client, model: str, served: list[ServedModel]) -> Target:
    """Return the target with the models that the client offers."""
    choice = choose_models(client, served, model)
    if model and served and model not in [each.name for each in served]:
        near = closest(model, [each.name for each in served])
        hint = f"; the nearest one is {near}" if near else ""
        note(f"No model {model} is listed, but a mapping may serve it{hint}.")
    if not choice.models and client.needs_models:
        raise click.ClickException(
            f"{client.title} needs the names of models: start the gateway with 'antigravity "
            "serve', or name one with --model"
        )
    if choice.lacks_family:
        first = choice.models[0].name
        note(
            f"{client.title} asks for models called {client.family}…, and none is served.  It gets "
            f"{first} instead; --model names another one.  Or map the names, in the "
            f'[proxy.custom_mapping] table: "{client.family}*" = "{first}"'
        )
    return structs.replace(target, models=choice.models, selects_model=choice.selects_model)
