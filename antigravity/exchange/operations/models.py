"""Lists and descriptions of models, and how a model would be served."""

from __future__ import annotations

import msgspec

from antigravity.exchange.context import RequestContext
from antigravity.exchange.key_admission import visible_models
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import NotFoundError


async def list_models(context: RequestContext) -> Reply:
    """Return the list of models in the client's protocol."""
    context.recorder.begin("", stream=False)
    with context.recorder.waiting("upstream"):
        models = visible_models(context, await context.snapshot.router.models())
    return Reply.whole(context.protocol.encode_models(models, context.call))


async def get_model(context: RequestContext) -> Reply:
    """Return the description of one model.

    :raises NotFoundError: if it is not in the list.
    """
    name = context.call.arguments["model"].removeprefix("models/")
    context.recorder.begin(name, stream=False)
    with context.recorder.waiting("upstream"):
        models = visible_models(context, await context.snapshot.router.models())
    for model in models:
        if model.id == name:
            return Reply.whole(context.protocol.encode_model(model, context.call))
    raise NotFoundError(
        f"The model {name!r} is not in the list of models; GET /v1/models shows it.",
        param="model",
        code="model_not_found",
    )


async def detect_model(snapshot: Snapshot, model: str) -> dict[str, object]:
    """Return how a model would be served, as a JSON object.

    :raises GatewayError: if it would not be.
    """
    decision = await snapshot.router.route(model, "openai_chat")
    if decision.capabilities.embedding:
        decision = await snapshot.embeddings.route(model, "openai_embeddings")
    first = decision.options[0]
    return {
        "model": model,
        "mapped_model": first.target.model,
        "upstream": first.upstream.name,
        "protocol": first.client.name,
        "type": first.target.capabilities.family,
        "features": msgspec.to_builtins(first.target.capabilities),
        "steps": [msgspec.to_builtins(hop) for hop in decision.steps],
        "considered": [
            {"upstream": each.upstream, "chosen": each.chosen, "reason": each.text}
            for each in decision.reasons
        ],
    }
