"""The settings of quotas, and of what protects and warms them up."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from antigravity.config.value_types import Seconds


class QuotaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[quota]``: quotas of accounts, if their upstream reports them.

    ``refresh_interval`` 0 never requests them.  ``model_groups`` has the models (``*`` is a
    wildcard) that share a quota, by the name of the group.
    """

    refresh_interval: Seconds = 900.0
    model_groups: dict[str, list[str]] = {}


class QuotaProtectionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[quota_protection]``: keep a reserve of each account's quota."""

    enabled: bool = False
    threshold_percentage: Annotated[int, Meta(ge=1, le=99)] = 10
    monitored_models: list[str] = field(
        default_factory=lambda: [
            "claude",
            "gemini-3-pro-high",
            "gemini-3-flash",
            "gemini-3.1-flash-image",
        ]
    )


class ScheduledWarmupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[scheduled_warmup]``: tiny requests that start the time windows of full quotas.

    ``interval`` is how often all quotas are checked.  ``cooldown`` is the pause after a warm-up of
    a quota, ``weekly_cooldown`` that of a quota whose window lasts for days.
    """

    enabled: bool = False
    monitored_models: list[str] = field(
        default_factory=lambda: [
            "claude",
            "gemini-3-pro-high",
            "gemini-3-flash",
            "gemini-3.1-flash-image",
        ]
    )
    interval: Seconds = 300.0
    cooldown: Seconds = 4 * 3600.0
    weekly_cooldown: Seconds = 6 * 24 * 3600.0
