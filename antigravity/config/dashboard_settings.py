"""The settings of the dashboard."""

from __future__ import annotations

from msgspec import Struct


class DashboardSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """``[dashboard]``: the pages for the operator, which need ``proxy.admin_key``.

    See `dashboard <dashboard.rst>`_.
    """

    enabled: bool = True
    """``false`` removes ``/dashboard``."""
