"""The settings of the state that gateways share."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.config.value_types import TextSecret


class StateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: what gateways share: a Redis server, or the Unix socket of another process.

    Without ``url`` the state is in memory, and nothing is shared.  While it is out of reach,
    ``on_loss`` says what becomes of the limits of keys: each gateway enforces its part of them
    (``local``), or refuses requests of keys that have some (``refuse``).
    """

    url: TextSecret = Secret()
    on_loss: Literal["local", "refuse"] = "local"
