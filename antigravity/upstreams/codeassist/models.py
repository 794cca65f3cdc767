"""The list of models of an account.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from antigravity.ir.capabilities import Model
from antigravity.ir.errors import UpstreamError
from antigravity.protocols import lenient


class _Info(Struct, rename="camel"):
    display_name: str = ""
    max_tokens: int | None = None
    max_output_tokens: int | None = None


class _Available(Struct):
    models: dict[str, _Info]


def decode_models(body: bytes) -> Sequence[Model]:
    """Return the models in the response of ``fetchAvailableModels``.

    :raises UpstreamError: if the response is malformed.
    """
    try:
        available = lenient.decode(body, _Available)
    except msgspec.DecodeError:
        raise UpstreamError("the upstream sent a malformed list of models") from None
    return tuple(
        Model(
            id=name,
            display_name=info.display_name or name,
            owned_by="google",
            input_token_limit=info.max_tokens,
            output_token_limit=info.max_output_tokens,
        )
        for name, info in available.models.items()
    )
