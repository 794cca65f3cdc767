"""The operator's requests that change the keys of clients."""

from __future__ import annotations

from collections.abc import Iterator

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.keys import (
    ClientKeyView,
    CreatedKey,
    IKeyControl,
    KeyChange,
    KeyRemoved,
    NewKey,
    RotateRequest,
)
from antigravity.ir.errors import ConflictError, InvalidRequestError, NotFoundError

_NAMES = {"key": "id, label, or the beginning of an id"}


class KeyRequests:
    """The requests about the keys of an administration."""

    def __init__(self, administration: IAdministration) -> None:
        self._administration = administration

    @property
    def _keys(self) -> IKeyControl:
        control: IKeyControl = self._administration.keys
        return control

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="POST",
            path="/admin/keys",
            summary="Make a key for a client; the response has its secret, which is not stored.",
            details="The fields are the options of `antigravity keys add`.",
            example={"label": "laptop", "models": ["claude-*"], "budgets": ["5.00/day"]},
            body=NewKey,
            response=CreatedKey,
            errors=(InvalidRequestError, ConflictError),
            handler=lambda body: self._keys.add(body),
        )
        yield AdminRoute(
            method="PATCH",
            path="/admin/keys/<key>",
            summary="Change the rules of a key; fields that are left out stay as they are.",
            example={"requests_per_minute": 60},
            names=_NAMES,
            body=KeyChange,
            response=ClientKeyView,
            errors=(InvalidRequestError, NotFoundError, ConflictError),
            handler=lambda key, body: self._keys.change(key, body),
        )
        for action, enabled in (("enable", True), ("disable", False)):
            yield AdminRoute(
                method="POST",
                path=f"/admin/keys/<key>/{action}",
                summary=f"{action.capitalize()} a key.",
                names=_NAMES,
                response=ClientKeyView,
                errors=(NotFoundError, ConflictError),
                handler=lambda key, enabled=enabled: self._keys.switch(key, enabled),
            )
        yield AdminRoute(
            method="POST",
            path="/admin/keys/<key>/rotate",
            summary="Give a key a new secret; the old one stays valid for a while.",
            example={"grace": "24h"},
            names=_NAMES,
            body=RotateRequest,
            body_optional=True,
            response=CreatedKey,
            errors=(InvalidRequestError, NotFoundError, ConflictError),
            handler=lambda key, body: self._keys.rotate(key, body.grace),
        )
        yield AdminRoute(
            method="DELETE",
            path="/admin/keys/<key>",
            summary="Remove a key.",
            names=_NAMES,
            response=KeyRemoved,
            errors=(NotFoundError, ConflictError),
            handler=lambda key: self._keys.remove(key),
        )
