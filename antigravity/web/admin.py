"""The operator's endpoints.  The application checks the operator's key before it calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import Reply
from antigravity.ir.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    PermissionDeniedError,
)
from antigravity.web.json_body import read_json
from antigravity.web.request import head_of
from antigravity.web.responses import is_closed, write_whole

Handler = Callable[..., Deferred[None] | None]


class FixRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /admin/account``: the id of an account, or null for all."""

    account: str | None = None


class UnlockRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /admin/accounts/ID/unlock``, if there is one."""

    model: str | None = None


class TunnelRequest(msgspec.Struct, frozen=True):
    """The body of ``POST /admin/tunnel/start``, if there is one."""

    insecure: bool = False


class WarmupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /internal/warmup``; ``email`` and ``project_id`` are other spellings."""

    account: str = ""
    email: str = ""
    model: str = ""
    project: str = ""
    project_id: str = ""


class AdminPaths:
    """The handlers of the administration.

    :param wrong_keys: returns how many wrong API keys were sent.
    """

    def __init__(
        self, administration: IAdministration, wrong_keys: Callable[[], int] = lambda: 0
    ) -> None:
        self._administration = administration
        self._wrong_keys = wrong_keys

    def paths(self) -> dict[str, tuple[tuple[str, ...], Handler]]:
        """Return every path with its methods and handler."""
        return {
            "/admin/status": (("GET", "HEAD"), self._status),
            "/admin/explain": (("GET", "HEAD"), self._explain),
            "/admin/model": (("GET", "HEAD"), self._describe_model),
            "/admin/reload": (("POST",), self._reload),
            "/admin/account": (("POST",), self._fix),
            "/admin/accounts/<account>/unlock": (("POST",), self._unlock),
            "/admin/bindings": (("DELETE",), self._clear),
            "/internal/warmup": (("POST",), self._warm_up),
            "/admin/tunnel": (("GET", "HEAD"), self._tunnel),
            "/admin/tunnel/start": (("POST",), self._start_tunnel),
            "/admin/tunnel/stop": (("POST",), self._stop_tunnel),
        }

    def _status(self, request: Any) -> None:
        status = self._administration.status()
        _write(request, {**status, "wrong_keys": self._wrong_keys()})

    def _explain(self, request: Any) -> Deferred[None]:
        found = self._administration.explain(*_model_and_protocol(request, "/admin/explain"))
        return found.addCallback(lambda value: _write(request, value))

    def _describe_model(self, request: Any) -> Deferred[None]:
        found = self._administration.describe_model(*_model_and_protocol(request, "/admin/model"))
        return found.addCallback(lambda value: _write(request, value))

    def _reload(self, request: Any) -> Deferred[None]:
        done: Deferred[None] = maybeDeferred(self._administration.reload)
        done.addErrback(_not_reloaded)
        return done.addCallback(lambda _: _write(request, {"reloaded": True}))

    def _fix(self, request: Any) -> None:
        body = read_json(request, FixRequest, '{"account": "ID"} or null')
        self._administration.fix_account(body.account)
        _write(request, {"fixed": body.account})

    def _unlock(self, request: Any, account: str) -> None:
        expected = '{"model": "NAME"} or nothing'
        kind: Any = UnlockRequest | None
        body = read_json(request, kind, expected, empty=b"null")
        model = (body and body.model) or head_of(request).query.get("model", "")
        _write(request, self._administration.unlock_account(account, model))

    def _clear(self, request: Any) -> None:
        self._administration.clear_bindings()
        _write(request, {"cleared": True})

    def _tunnel(self, request: Any) -> None:
        _write(request, self._administration.tunnel())

    def _start_tunnel(self, request: Any) -> None:
        body = read_json(request, TunnelRequest, '{"insecure": false}', empty=b"{}")
        self._administration.start_tunnel(body.insecure)
        self._tunnel(request)

    def _stop_tunnel(self, request: Any) -> Deferred[None]:
        return self._administration.stop_tunnel().addCallback(lambda _: self._tunnel(request))

    def _warm_up(self, request: Any) -> Deferred[None]:
        if not head_of(request).loopback:
            raise PermissionDeniedError(
                "Warm-ups can be requested from the gateway's own machine only, and not through a "
                "proxy."
            )
        expected = '{"account": "ID or address", "model": "NAME"}, both optional'
        body = read_json(request, WarmupRequest, expected, empty=b"{}")
        done = self._administration.warm_up(
            body.account or body.email, body.model, body.project or body.project_id
        )
        return done.addCallback(lambda value: _write(request, value))


def _model_and_protocol(request: Any, path: str) -> tuple[str, str]:
    """Return the model and the client's protocol that a query names.

    :raises InvalidRequestError: if it names no model.
    """
    query = head_of(request).query
    model = query.get("model", "")
    if not model:
        raise InvalidRequestError(f"Name a model: {path}?model=NAME.", param="model")
    return model, query.get("protocol", "openai_chat")


def _not_reloaded(failure: Failure) -> None:
    """Report the problem of a new configuration to the operator."""
    error = failure.value
    if isinstance(error, GatewayError):
        raise error
    raise ConflictError(f"The new configuration is not used: {error}", code="bad_configuration")


def _write(request: Any, value: object) -> None:
    if not is_closed(request):
        write_whole(request, Reply(200, "application/json", (), msgspec.json.encode(value)))
