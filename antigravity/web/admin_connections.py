"""The operator's requests about the clients on the gateway's machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from twisted.internet.defer import Deferred

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.connections import (
    Action,
    ApplyRequest,
    ConnectionChanged,
    ConnectionPreview,
    ConnectionReport,
    IConnections,
    PreviewRequest,
)
from antigravity.ir.errors import ConflictError, NotFoundError, OverloadedError

_NAMES: Final = {"client": "name of a client, such as `claude-code`"}
_ERRORS: Final = (NotFoundError, ConflictError, OverloadedError)
_TOKEN: Final = {"token": "TOKEN"}


class ConnectionRequests:
    """The requests about the connections of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    @property
    def _connections(self) -> IConnections:
        found: IConnections = self._administration.connections
        return found

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/connections",
            summary="List the clients on the gateway's machine, and where they point.",
            details=(
                "`problem` says why the gateway does not change their files, such as because it "
                "runs as another user."
            ),
            response=ConnectionReport,
            errors=(OverloadedError,),
            local_only=True,
            handler=lambda: self._connections.report(),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/connections/<client>/preview",
            summary="Show what would change in the files of a client; nothing is written.",
            details="Secrets in the diff are masked.  The token is for the following request.",
            names=_NAMES,
            example={"action": "connect", "model": "claude-sonnet-5"},
            body=PreviewRequest,
            body_optional=True,
            response=ConnectionPreview,
            errors=_ERRORS,
            local_only=True,
            handler=self._preview,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/connections/<client>/connect",
            summary="Point a client at the gateway, as the preview with this token has shown.",
            details="The response is 409 if a file or a value has changed since the preview.",
            names=_NAMES,
            example=_TOKEN,
            body=ApplyRequest,
            response=ConnectionChanged,
            errors=_ERRORS,
            local_only=True,
            handler=partial(self._apply, "connect"),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/connections/<client>/disconnect",
            summary="Undo that, as the preview with this token has shown.",
            details="The response is 409 if a file or a value has changed since the preview.",
            names=_NAMES,
            example=_TOKEN,
            body=ApplyRequest,
            response=ConnectionChanged,
            errors=_ERRORS,
            local_only=True,
            handler=partial(self._apply, "disconnect"),
        )

    def _preview(self, client: str, body: PreviewRequest) -> Deferred[ConnectionPreview]:
        return self._connections.preview(client, body)

    def _apply(
        self, action: Action, client: str, body: ApplyRequest
    ) -> Deferred[ConnectionChanged]:
        return self._connections.apply(client, action, body)
