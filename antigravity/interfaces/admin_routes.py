"""The declaration of a request of the admin API: how it is decoded, served and described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

from antigravity.ir.errors import GatewayError, PermissionDeniedError

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class AdminRoute(Struct, frozen=True, kw_only=True):
    """One request of the admin API.

    ``path`` begins with ``/admin/`` and may have names of one segment each:
    ``/admin/requests/<request_id>``.  ``summary`` is a sentence, ``details`` are more of them.
    ``names`` says what the names in the path stand for.  ``example`` has members of the body, or of
    the query if there is no body.

    ``handler`` is called with each name of the path, ``query`` and ``body``, as far as the route
    declares them, as keywords.  It returns a ``response``, or a Deferred or coroutine with one, and
    can raise the kinds of ``errors``.

    ``query`` and ``body`` are types that msgspec decodes.  ``query`` is a Struct whose fields are
    the parameters; others are refused if it forbids unknown fields.  With ``body_optional``, an
    empty body is ``{}``.  ``response`` is a type that msgspec encodes, or ``None`` if
    ``media_types`` are listed: the handler then returns a ``Reply`` with one of them.

    ``max_body`` is the most bytes of a body.  ``local_only`` refuses requests that do not come from
    the gateway's machine.  The gateway sets ``plugin``, the name of the plugin that has registered
    the route.
    """

    method: Method
    path: str
    summary: str
    details: str = ""
    handler: Callable[..., object]
    response: Any = None
    query: type[Struct] | None = None
    body: Any = None
    body_optional: bool = False
    max_body: int = 64 * 1024
    names: Mapping[str, str] = {}
    example: Mapping[str, Any] = {}
    errors: tuple[type[GatewayError], ...] = ()
    media_types: tuple[str, ...] = ()
    local_only: bool = False
    plugin: str = ""


def require_local(route: AdminRoute, *, is_local: bool) -> None:
    """Check that a request may come from another machine.

    :raises PermissionDeniedError: if it does, and ``route`` forbids that.
    """
    if route.local_only and not is_local:
        raise PermissionDeniedError(
            f"{route.path} can be used from the gateway's own machine only, and not through a "
            "proxy."
        )
