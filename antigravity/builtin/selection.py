"""The built-in selection policies: ``CacheFirst``, ``Balance`` and ``PerformanceFirst``."""

from __future__ import annotations

from collections.abc import Callable

from antigravity.accounts.selection import POLICIES
from antigravity.hookspecs import hookimpl


@hookimpl
def register_selection_policies(register: Callable[[object], None]) -> None:
    """Register the built-in policies."""
    for policy in POLICIES.values():
        register(policy)
