"""Tiers and quotas of accounts.  Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from antigravity.interfaces.quota import ModelQuota, Quota, Tier
from antigravity.ir.errors import UpstreamError
from antigravity.protocols import lenient


class _Plan(Struct):
    id: str | None = None
    name: str | None = None


class _Assist(Struct, rename="camel"):
    """What ``loadCodeAssist`` says of an account's tier; what is paid for counts first."""

    current_tier: _Plan | None = None
    paid_tier: _Plan | None = None


class _Info(Struct, rename="camel"):
    quota_info: Any = None


class _Deprecated(Struct, rename="camel"):
    new_model_id: str = ""


class _Available(Struct, rename="camel"):
    """The answer of ``fetchAvailableModels``."""

    models: dict[str, _Info]
    deprecated_model_ids: dict[str, _Deprecated] | None = None


def read_quota(assist: bytes, available: bytes, now: float) -> Quota:
    """Return what two answers say: of ``loadCodeAssist`` and of ``fetchAvailableModels``.

    :raises UpstreamError: if they make no sense.
    """
    try:
        plans = lenient.decode(assist, _Assist)
        listed = lenient.decode(available, _Available)
    except msgspec.DecodeError:
        raise UpstreamError("what the upstream says of quotas makes no sense") from None
    plan = next((each for each in (plans.paid_tier, plans.current_tier) if each and each.id), None)
    return Quota(
        fetched=now,
        tier=_tier(plan, paid=plan is not None and plan is plans.paid_tier),
        plan=(plan.name or plan.id or "") if plan else "",
        models={
            name: found
            for name, info in listed.models.items()
            if (found := _model_quota(info.quota_info)) is not None
        },
        renamed={
            old: new.new_model_id
            for old, new in (listed.deprecated_model_ids or {}).items()
            if new.new_model_id
        },
    )


def _tier(plan: _Plan | None, *, paid: bool) -> Tier:
    """Return the tier that a plan is; a paid one that says no more is PRO."""
    if plan is None:
        return ""
    words = re.findall(r"[a-z]+", f"{plan.id} {plan.name or ''}".lower())
    if "ultra" in words:
        return "ULTRA"
    if "pro" in words or "premium" in words:
        return "PRO"
    if "free" in words or "legacy" in words:
        return "FREE"
    return "PRO" if paid or "standard" in words else ""


def _model_quota(info: object) -> ModelQuota | None:
    """Return what is left of a model; no fraction with a reset time means that nothing is."""
    if not isinstance(info, Mapping):
        return None
    fraction, reset = info.get("remainingFraction"), _time(info.get("resetTime"))
    if isinstance(fraction, bool) or not isinstance(fraction, int | float):
        return None if reset is None else ModelQuota(0.0, reset)
    return ModelQuota(min(max(float(fraction), 0.0), 1.0), reset)


def _time(text: object) -> float | None:
    """Return a time in RFC 3339 as seconds since 1970."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
