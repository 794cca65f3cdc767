"""All requests of the admin API to the administration of a gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.web.admin import AdminRequests
from antigravity.web.admin_access import AccessRequests
from antigravity.web.admin_accounts import AccountRequests
from antigravity.web.admin_connections import ConnectionRequests
from antigravity.web.admin_keys import KeyRequests
from antigravity.web.admin_lab import LabRequests
from antigravity.web.admin_models import ModelRequests
from antigravity.web.admin_system import SystemRequests


def own_routes(
    administration: IAdministration, wrong_keys: Callable[[], int]
) -> Iterator[AdminRoute]:
    """Yield the declaration of each.

    :param wrong_keys: returns how many wrong API keys were sent.
    """
    yield from AdminRequests(administration, wrong_keys).routes()
    yield from AccountRequests(administration).routes()
    yield from ModelRequests(administration).routes()
    yield from AccessRequests(administration).routes()
    yield from ConnectionRequests(administration).routes()
    yield from KeyRequests(administration).routes()
    yield from LabRequests(administration).routes()
    yield from SystemRequests(administration).routes()
