"""The settings of quotas, and of what protects and warms them up."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from antigravity.config.value_types import Seconds


class QuotaSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[quota]``: quotas of accounts, if their upstream (kind ``"codeassist"``) reports them.

    See `accounts <accounts.rst>`_.
    """

    refresh_interval: Seconds = 900.0
    """How often the quota of each account is requested; 0 is never."""
    model_groups: dict[str, list[str]] = {}
    """Groups of models that share a quota; ``*`` is a wildcard.  They extend or override the
    built-in groups.

    See `accounts <accounts.rst>`_.

    Example: ``{ "claude" = ["claude-*", "gpt-oss-*"] }``
    """


class QuotaProtectionSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[quota_protection]``: keep a reserve of each account's quota."""

    enabled: bool = False
    """Stop using an account when its quota falls to the reserve, until the quota is renewed.

    See `accounts <accounts.rst>`_.
    """
    threshold_percentage: Annotated[int, Meta(ge=1, le=99)] = 10
    """The reserve, in percent of the quota.

    Example: ``20``
    """
    monitored_models: list[str] = field(
        default_factory=lambda: [
            "claude",
            "gemini-3-pro-high",
            "gemini-3-flash",
            "gemini-3.1-flash-image",
        ]
    )
    """The model groups, or models, to watch; ``*`` is a wildcard.

    Example: ``["claude"]``
    """


class ScheduledWarmupSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[scheduled_warmup]``: tiny requests to accounts with a full quota.

    They start its time window early.
    """

    enabled: bool = False
    """Send warm-ups.  Each is a real request with a small cost.

    See `accounts <accounts.rst>`_.
    """
    monitored_models: list[str] = field(
        default_factory=lambda: [
            "claude",
            "gemini-3-pro-high",
            "gemini-3-flash",
            "gemini-3.1-flash-image",
        ]
    )
    """The model groups, or models, to watch; ``*`` is a wildcard.  Each group gets one request.

    Example: ``["claude"]``
    """
    interval: Seconds = 300.0
    """How often all quotas are checked; 0 is never."""
    cooldown: Seconds = 4 * 3600.0
    """The pause after a warm-up of a quota."""
    weekly_cooldown: Seconds = 6 * 24 * 3600.0
    """The same for a quota whose window lasts for days."""
