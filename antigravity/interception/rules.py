"""The interception rules of one configuration."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from antigravity.interfaces.interception import IBackgroundDetector, IWarmupFilter

#: The model name for background tasks, which the operator can map.
BACKGROUND_MODEL: Final = "internal-background-task"
#: The patterns that every User-Agent matches.
EVERY_CLIENT: Final = ("*",)


class InterceptionRules(Struct, frozen=True):
    """The enabled rules of the plugins.

    ``clients`` are patterns of the User-Agents to which they apply.
    """

    warmup_filters: tuple[IWarmupFilter, ...] = ()
    background_detectors: tuple[IBackgroundDetector, ...] = ()
    clients: tuple[str, ...] = EVERY_CLIENT
