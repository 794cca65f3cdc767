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
    """The tiers in the response of ``loadCodeAssist``; the paid one comes first."""

    current_tier: _Plan | None = None
    paid_tier: _Plan | None = None


class _Info(Struct, rename="camel"):
    quota_info: Any = None


class _Deprecated(Struct, rename="camel"):
    new_model_id: str = ""


class _Available(Struct, rename="camel"):
    """The response of ``fetchAvailableModels``."""

    models: dict[str, _Info]
    deprecated_model_ids: dict[str, _Deprecated] | None = None


def read_quota(assist: bytes, available: bytes, now: float) -> Quota:
    """Return the quota in the responses of ``loadCodeAssist`` and ``fetchAvailableModels``.

    :raises UpstreamError: if they are malformed.
    """
    try:
        plans = lenient.decode(assist, _Assist)
        listed = lenient.decode(available, _Available)
    except msgspec.DecodeError:
        raise UpstreamError("the upstream sent malformed quotas") from None
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
    """Return the tier of a plan; a paid plan with an unknown name is PRO."""
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
    """Return the quota of a model; a reset time without a fraction means that it is used up."""
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
