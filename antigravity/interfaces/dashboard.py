"""Pages that plugins add to the dashboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.ledger import ILedger


class PageRequest(Struct, frozen=True):
    """A request for a page: its query, and what it can ask of the gateway."""

    query: Mapping[str, str]
    administration: IAdministration
    ledger: ILedger


class DashboardPage(Struct, frozen=True, kw_only=True):
    """A page of the dashboard at ``/dashboard/plugins/NAME``.

    ``name`` has lower-case letters, digits and hyphens.  ``title`` is in the navigation.
    ``template`` is the text of a Jinja template for what is below the title.  All values are
    escaped, and browsers run no scripts and no styles in it.

    ``data`` returns the values for the template, or a Deferred or coroutine with them.  The
    template also has ``csrf``, and ``action(NAME)``, the address of a form that uses a route of
    ``actions``.  They are part of the admin API.  The fields of the form are the members of the
    route's body and the names in its path.
    """

    name: str
    title: str
    template: str
    data: Callable[[PageRequest], object]
    actions: Mapping[str, AdminRoute] = {}
