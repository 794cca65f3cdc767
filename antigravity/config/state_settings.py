"""The settings of the state that gateways share."""

from __future__ import annotations

from msgspec import Struct

from antigravity.config.secret import Secret
from antigravity.config.value_types import TextSecret


class StateSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[state]``: what gateways share: a Redis server, or the Unix socket of another process.

    Without ``url`` the state is in memory, and nothing is shared.
    """

    url: TextSecret = Secret()
