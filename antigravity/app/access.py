"""Who may use a gateway, and how clients are set up for it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.deferreds import call_in_thread
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.access import (
    IAccess,
    KeyReport,
    KeyView,
    SetupQuestion,
    SetupReport,
)
from antigravity.interfaces.keys import IKeyControl
from antigravity.interfaces.ledger import ILedger, RequestQuestion, UsageQuestion, UsageReport
from antigravity.ir.errors import GatewayError, InvalidRequestError
from antigravity.web.authentication import principal_of

#: Seconds in which a key without a setting must have been used to be listed, and the most of them.
_RECENT: Final = 30 * 86_400.0
_MOST_OTHERS: Final = 20


@implementer(IAccess)
class Access:
    """Access to the gateway of one snapshot; see :class:`IAccess`.

    :param reactor: in whose threads guides are made.
    """

    def __init__(
        self, reactor: Any, snapshot: Snapshot, ledger: ILedger, control: IKeyControl
    ) -> None:
        self._reactor = reactor
        self._snapshot = snapshot
        self._control = control
        self._ledger = ledger

    def keys(self) -> Deferred[KeyReport]:
        """Return a Deferred with all keys, in use or seen this month."""
        return Deferred.fromCoroutine(self._keys())

    def setup(self, question: SetupQuestion) -> Deferred[SetupReport]:
        """Return a Deferred with how clients are set up."""
        return Deferred.fromCoroutine(self._setup(question))

    async def _keys(self) -> KeyReport:
        proxy, now = self._snapshot.settings.proxy, time.time()
        mode = effective_auth_mode(proxy)
        known = _configured(proxy)
        for each in self._control.views():
            known.append(KeyView(id=each.id, setting="", rights=["models"], rules=each))
        refused = self._control.problem()
        try:
            today = await self._usage(_midnight(now), now)
            month = await self._usage(now - _RECENT, now)
        except GatewayError as error:
            return KeyReport(
                auth_mode=mode, keys=known, problem=error.message, keys_problem=refused
            )
        seen = [row.client_key or "" for row in month.rows]
        others = [key for key in seen if key not in {each.id for each in known}]
        known += [KeyView(id=key, setting="", rights=[]) for key in others[:_MOST_OTHERS]]
        keys = [await self._with_use(each, today) for each in known]
        return KeyReport(auth_mode=mode, keys=keys, keys_problem=refused)

    async def _usage(self, since: float, until: float) -> UsageReport:
        report: UsageReport = await self._ledger.usage(
            UsageQuestion(since=since, until=until, by="client_key")
        )
        return report

    async def _with_use(self, key: KeyView, today: UsageReport) -> KeyView:
        page = await self._ledger.requests(RequestQuestion(client_key=key.id, limit=1))
        sums = [row.sums for row in today.rows if (row.client_key or "") == key.id]
        cost = sum(each.cost for each in sums)
        unpriced = sum(each.unpriced for each in sums)
        return replace(
            key,
            last_used=page.requests[0].time if page.requests else None,
            requests=sum(each.requests for each in sums),
            errors=sum(each.errors for each in sums),
            tokens=sum(each.tokens.total for each in sums),
            cost=None if unpriced and not cost else cost,
        )

    async def _setup(self, question: SetupQuestion) -> SetupReport:
        from antigravity.app.client_setups import find_clients, make_setups

        clients = find_clients(question.client)
        proxy = self._snapshot.settings.proxy
        address = question.address or proxy.public_url or f"http://127.0.0.1:{proxy.port}"
        needs_key = effective_auth_mode(proxy) != "off"
        models = await self._snapshot.router.models()
        try:
            found = await call_in_thread(
                self._reactor, make_setups, clients, address.rstrip("/"), needs_key, models
            )
        except ValueError:
            raise InvalidRequestError(
                f"{address!r} is not an address such as http://127.0.0.1:8045.", param="address"
            ) from None
        return SetupReport(address=address, needs_key=needs_key, clients=found)


def _configured(proxy: ProxySettings) -> list[KeyView]:
    found: list[KeyView] = []
    if proxy.api_key:
        name = principal_of(proxy.api_key.reveal())
        found.append(KeyView(id=name, setting="proxy.api_key", rights=["models"]))
    if proxy.admin_key:
        name = principal_of(proxy.admin_key.reveal())
        found.append(KeyView(id=name, setting="proxy.admin_key", rights=["admin"]))
    return found


def _midnight(now: float) -> float:
    """Return when the day of this machine began."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
