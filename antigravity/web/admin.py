"""The operator's requests about the running gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

from antigravity.interfaces.admin_routes import AdminRoute
from antigravity.interfaces.administration import (
    CancelledRequest,
    Explanation,
    IAdministration,
    ModelDescriptions,
    ModelQuestion,
    ReplayedRequest,
    ReplayRequest,
    RunningRequests,
    UnlockedAccount,
    WarmupReport,
)
from antigravity.interfaces.status import GatewayStatus, TunnelStatus
from antigravity.ir.errors import (
    ConflictError,
    GatewayError,
    InvalidRequestError,
    NotFoundError,
)


class FixRequest(msgspec.Struct, frozen=True):
    """The account that serves every request that it can serve, or null for the policy."""

    account: str | None = None


class FixedAccount(msgspec.Struct, frozen=True):
    """The account that is fixed now."""

    fixed: str | None


class UnlockRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model whose lock ends; without it, all locks of the account end."""

    model: str | None = None


class Reloaded(msgspec.Struct, frozen=True):
    """The configuration was read again and is in force."""

    reloaded: Literal[True] = True


class Cleared(msgspec.Struct, frozen=True):
    """The bindings of conversations were removed."""

    cleared: Literal[True] = True


class TunnelRequest(msgspec.Struct, frozen=True):
    """Whether the tunnel may start although everyone on the Internet could use the gateway."""

    insecure: bool = False


class WarmupRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to warm up; ``email`` and ``project_id`` are other spellings of two fields."""

    account: str = ""
    email: str = ""
    model: str = ""
    project: str = ""
    project_id: str = ""


class AdminRequests:
    """The requests to an administration.

    :param wrong_keys: returns how many wrong API keys were sent.
    """

    def __init__(
        self, administration: IAdministration, wrong_keys: Callable[[], int] = lambda: 0
    ) -> None:
        self._administration = administration
        self._wrong_keys = wrong_keys

    def routes(self) -> Iterator[AdminRoute]:
        """Yield the declaration of each request."""
        yield AdminRoute(
            method="GET",
            path="/admin/status",
            summary="Show accounts, locks, quotas, queue, running requests and configuration.",
            details="Labels of accounts are masked.",
            response=GatewayStatus,
            handler=self._status,
        )
        yield from self._request_routes()
        yield from self._model_routes()
        yield AdminRoute(
            method="POST",
            path="/admin/reload",
            summary="Read the configuration again.",
            details="If it cannot be used, the response is 409 with the reason.",
            response=Reloaded,
            errors=(ConflictError,),
            handler=self._reload,
        )
        yield from self._account_routes()
        yield from self._tunnel_routes()

    def _request_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="GET",
            path="/admin/running",
            summary="List the requests that are being served, oldest first.",
            response=RunningRequests,
            handler=lambda: self._administration.running(),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/requests/<request_id>/cancel",
            summary="Cancel a running request: its client gets an error.",
            details=(
                "The error is in the client's protocol, or the status is 499.  The request to the "
                "upstream is cancelled, and the outcome is `cancelled`.  Clients may repeat ids: "
                "with an id, all running requests that have it are cancelled."
            ),
            names={"request_id": "reference of a running request, or an id"},
            response=CancelledRequest,
            errors=(NotFoundError,),
            handler=lambda request_id: self._administration.cancel(request_id),
        )
        yield AdminRoute(
            method="POST",
            path="/admin/requests/<request_id>/replay",
            summary="Send a stored request again, to the same or another model.",
            details=(
                "It goes the same way as that of a client, under the name `operator`, and has a "
                "record that says `replay` and names the first one.  409 says why a request "
                "cannot be sent again, such as one that is not stored as a whole."
            ),
            names={"request_id": "reference or id of a finished request whose payloads are stored"},
            body=ReplayRequest,
            body_optional=True,
            example={"model": "claude-sonnet-5"},
            response=ReplayedRequest,
            errors=(NotFoundError, ConflictError),
            handler=lambda request_id, body: self._administration.replay(request_id, body.model),
        )

    def _model_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="GET",
            path="/admin/explain",
            summary="Show which accounts would serve a model, and why others would not.",
            details="The response also has the quirks of the upstreams.",
            example={"model": "claude-sonnet-5", "protocol": "anthropic"},
            query=ModelQuestion,
            response=Explanation,
            errors=(InvalidRequestError,),
            handler=self._explain,
        )
        yield AdminRoute(
            method="GET",
            path="/admin/model",
            summary="Show what is believed about a model, and the sources.",
            details=(
                "There is one description for each upstream that would serve it.  A source is a "
                "rule, the upstream's list of models, or its quirks."
            ),
            example={"model": "claude-sonnet-5"},
            query=ModelQuestion,
            response=ModelDescriptions,
            errors=(NotFoundError,),
            handler=self._describe_model,
        )

    def _account_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="POST",
            path="/admin/account",
            summary="Use one account for every request that it can serve, or end that.",
            details="null ends it.",
            example={"account": "demo-anthropic-0"},
            body=FixRequest,
            response=FixedAccount,
            handler=self._fix,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/accounts/<account>/unlock",
            summary="End the locks of an account, for one model or for all.",
            details="The model is the upstream's name for it.",
            example={"model": "claude-sonnet-5"},
            names={"account": "id, label, or the beginning of an id"},
            query=UnlockRequest,
            body=UnlockRequest,
            body_optional=True,
            response=UnlockedAccount,
            errors=(NotFoundError,),
            handler=self._unlock,
        )
        yield AdminRoute(
            method="DELETE",
            path="/admin/bindings",
            summary="Forget which account serves which conversation.",
            response=Cleared,
            handler=self._clear,
        )
        yield AdminRoute(
            method="POST",
            path="/internal/warmup",
            summary="Send small requests that start the periods of quotas.",
            details=(
                "Without an account, these are all accounts whose quotas are known; without a "
                "model, all models with a full quota."
            ),
            example={"account": "work@example.org", "model": "gemini-3-pro"},
            body=WarmupRequest,
            body_optional=True,
            response=WarmupReport,
            errors=(InvalidRequestError, NotFoundError),
            local_only=True,
            handler=self._warm_up,
        )

    def _tunnel_routes(self) -> Iterator[AdminRoute]:
        yield AdminRoute(
            method="GET",
            path="/admin/tunnel",
            summary="Show the state of the tunnel.",
            response=TunnelStatus,
            handler=self._tunnel,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/tunnel/start",
            summary="Start the tunnel.",
            example={"insecure": False},
            body=TunnelRequest,
            body_optional=True,
            response=TunnelStatus,
            errors=(ConflictError,),
            handler=self._start_tunnel,
        )
        yield AdminRoute(
            method="POST",
            path="/admin/tunnel/stop",
            summary="Stop the tunnel, and wait until it is closed.",
            response=TunnelStatus,
            handler=self._stop_tunnel,
        )

    def _status(self) -> GatewayStatus:
        status = self._administration.status()
        return msgspec.structs.replace(status, wrong_keys=status.wrong_keys + self._wrong_keys())

    def _explain(self, query: ModelQuestion) -> Deferred[Explanation]:
        return self._administration.explain(query.model, query.protocol)

    def _describe_model(self, query: ModelQuestion) -> Deferred[ModelDescriptions]:
        return self._administration.describe_model(query.model, query.protocol)

    def _reload(self) -> Deferred[Reloaded]:
        done: Deferred[None] = maybeDeferred(self._administration.reload)
        done.addErrback(_not_reloaded)
        return done.addCallback(lambda _: Reloaded())

    def _fix(self, body: FixRequest) -> FixedAccount:
        self._administration.fix_account(body.account)
        return FixedAccount(body.account)

    def _unlock(self, account: str, query: UnlockRequest, body: UnlockRequest) -> UnlockedAccount:
        model = body.model or query.model or ""
        return self._administration.unlock_account(account, model)

    def _clear(self) -> Cleared:
        self._administration.clear_bindings()
        return Cleared()

    def _tunnel(self) -> TunnelStatus:
        return self._administration.tunnel()

    def _start_tunnel(self, body: TunnelRequest) -> TunnelStatus:
        self._administration.start_tunnel(body.insecure)
        return self._tunnel()

    def _stop_tunnel(self) -> Deferred[TunnelStatus]:
        done = self._administration.stop_tunnel()
        return done.addCallback(lambda _: self._tunnel())

    def _warm_up(self, body: WarmupRequest) -> Deferred[WarmupReport]:
        return self._administration.warm_up(
            body.account or body.email, body.model, body.project or body.project_id
        )


def _not_reloaded(failure: Failure) -> None:
    """Report the problem of a new configuration to the operator."""
    error = failure.value
    if isinstance(error, GatewayError):
        raise error
    raise ConflictError(f"The new configuration is not used: {error}", code="bad_configuration")
