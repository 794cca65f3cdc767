"""Everything that looks at requests before they are routed, in one configuration."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter

#: The model that background tasks go to, where the operator maps it.
BACKGROUND_MODEL: Final = "internal-background-task"


class InterceptionRules(Struct, frozen=True):
    """What plugins have registered, as far as it is switched on.

    ``clients`` are patterns of the User-Agents that it is on for.
    """

    warmup_filters: tuple[IWarmupFilter, ...] = ()
    background_detectors: tuple[IBackgroundDetector, ...] = ()
    clients: tuple[str, ...] = ("*",)
