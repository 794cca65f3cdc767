"""The settings of the dashboard."""

from __future__ import annotations

from msgspec import Struct


class DashboardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[dashboard]``: the pages at ``/dashboard``."""

    enabled: bool = True
