"""Connects clients of the user whose gateway it is, and undoes it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.python.failure import Failure
from zope.interface import implementer

from antigravity.app.system_control import Installation
from antigravity.config.settings import effective_auth_mode
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.connections import (
    Action,
    ApplyRequest,
    ConnectionChanged,
    ConnectionPreview,
    ConnectionReport,
    IConnections,
    PreviewRequest,
)
from antigravity.ir.errors import ConflictError, OverloadedError

if TYPE_CHECKING:
    from antigravity.app.connection_plans import ConnectionPlans, Gateway

T = TypeVar("T")

#: Seconds to wait for other changes.
LONGEST_WAIT: Final = 10.0
#: What stands for the key: any works without authentication.
_ANY_KEY: Final = "sk-local"


@implementer(IConnections)
class ClientConnections:
    """The clients of the user who runs a gateway; see :class:`IConnections`.

    One plan is made, or written, at a time.
    """

    def __init__(self, reactor: Any, home: Path, gateway: Installation) -> None:
        self._reactor = reactor
        self._home = home
        self._gateway = gateway
        self._lock = DeferredLock()
        self._salt = secrets.token_bytes(32)

    def report(self) -> Deferred[ConnectionReport]:
        """Return a Deferred with the state of all clients."""
        return call_in_thread(self._reactor, self._report, self._problem())

    def preview(self, client: str, request: PreviewRequest) -> Deferred[ConnectionPreview]:
        """Return a Deferred with what would change."""
        return Deferred.fromCoroutine(
            self._run(lambda plans, gateway: plans.preview(client, request, gateway))
        )

    def apply(
        self, client: str, action: Action, request: ApplyRequest
    ) -> Deferred[ConnectionChanged]:
        """Write what was previewed, and return a Deferred that fires when it is written."""
        return Deferred.fromCoroutine(
            self._run(lambda plans, gateway: plans.apply(client, action, request, gateway))
        )

    async def _run(self, work: Callable[[ConnectionPlans, Gateway], T]) -> T:
        """Call ``work`` in a thread when all others have ended.

        :raises ConflictError: if the gateway must not change files.
        :raises OverloadedError: if the others take too long.
        """
        if problem := self._problem():
            raise ConflictError(problem, code="not_on_this_machine")
        models = await self._gateway.runtime.snapshot.router.models()
        try:
            await self._lock.acquire().addTimeout(LONGEST_WAIT, self._reactor)
        except DeferredTimeout:
            raise OverloadedError("Another change of a client's files is not done yet.") from None
        running: Deferred[T] = call_in_thread(self._reactor, self._work, work, models)
        # The lock is released when the thread has ended, also if nobody waits for that any more.
        waiting: Deferred[T] = Deferred()
        running.addBoth(self._done, waiting)
        return await waiting

    def _done(self, result: Any, waiting: Deferred[Any]) -> None:
        self._lock.release()
        if not waiting.called:
            waiting.callback(result)  # a Failure runs the errbacks
        elif isinstance(result, Failure):
            result.cleanFailure()

    def _problem(self) -> str:
        """Return why the gateway changes no files, as far as its settings say."""
        settings = self._gateway.runtime.settings
        if settings.state.url or settings.ledger.url:
            return (
                "This gateway shares its state or its ledger with others (`[state] url`, `[ledger] "
                "url`): clients reach it at an address that it does not know, so it changes none "
                "of their files."
            )
        if not self._address():
            return "The gateway listens on no TCP port without TLS, so it cannot connect clients."
        if effective_auth_mode(settings.proxy) != "off" and not settings.proxy.api_key:
            return (
                "Clients need a key, and proxy.api_key is not set: the gateway does not store the "
                "secrets of other keys."
            )
        return ""

    def _address(self) -> str:
        listener = self._gateway.listener
        addresses = () if listener is None else listener.addresses
        return next((each for each in addresses if each.startswith("http://")), "")

    # -- in a thread --

    def _report(self, problem: str) -> ConnectionReport:
        from antigravity.app.connection_plans import ConnectionPlans, owner_problem
        from antigravity.connect.client import this_machine

        places = this_machine()
        not_owner = owner_problem(places.home)
        if not_owner:
            return ConnectionReport(connections=[], problem=not_owner)
        states = ConnectionPlans(self._home, places, self._salt).states()
        return ConnectionReport(connections=states, problem=problem)

    def _work(self, work: Callable[[ConnectionPlans, Gateway], T], models: Any) -> T:
        from antigravity.app.connection_plans import ConnectionPlans, Gateway, owner_problem
        from antigravity.connect.client import this_machine

        places = this_machine()
        if problem := owner_problem(places.home):
            raise ConflictError(problem, code="not_on_this_machine")
        proxy = self._gateway.runtime.settings.proxy
        demands_key = effective_auth_mode(proxy) != "off"
        key = proxy.api_key.reveal() if demands_key else _ANY_KEY
        gateway = Gateway(self._address(), key, demands_key, models)
        return work(ConnectionPlans(self._home, places, self._salt), gateway)
