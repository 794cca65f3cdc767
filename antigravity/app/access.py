"""Who may use a gateway, and how clients are set up for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from zope.interface import implementer

from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.connect.client import Client, ServedModel, Target
from antigravity.connect.clients import CLIENTS
from antigravity.connect.guides import make_guide
from antigravity.connect.model_choice import choose_models, suited_models
from antigravity.deferreds import call_in_thread
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.access import (
    ClientSetup,
    IAccess,
    KeyReport,
    KeyView,
    SetupQuestion,
    SetupReport,
    SetupStep,
)
from antigravity.interfaces.keys import IKeyControl
from antigravity.interfaces.ledger import ILedger, RequestQuestion, UsageQuestion, UsageReport
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import GatewayError, InvalidRequestError, NotFoundError
from antigravity.web.authentication import principal_of

#: Seconds in which a key without a setting must have been used to be listed, and the most of them.
_RECENT: Final = 30 * 86_400.0
_MOST_OTHERS: Final = 20
#: What stands for the key: any works without authentication.
_ANY_KEY: Final = "sk-local"
_PLACEHOLDER: Final = "YOUR_KEY"
#: The most models that are named for a client, and in a text.
_MOST_MODELS: Final = 30
_MOST_IN_TEXT: Final = 8


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
        return replace(
            key,
            last_used=page.requests[0].time if page.requests else None,
            requests=sum(each.requests for each in sums),
            errors=sum(each.errors for each in sums),
            tokens=sum(each.tokens.total for each in sums),
            cost=sum(each.cost for each in sums),
        )

    async def _setup(self, question: SetupQuestion) -> SetupReport:
        clients = [each for each in CLIENTS.values() if question.client in ("", each.name)]
        if not clients:
            raise NotFoundError(
                f"There is no guide for the client {question.client[:100]!r}.  These have one: "
                f"{', '.join(CLIENTS)}."
            )
        proxy = self._snapshot.settings.proxy
        address = question.address or proxy.public_url or f"http://127.0.0.1:{proxy.port}"
        needs_key = effective_auth_mode(proxy) != "off"
        served = [
            _served(each) for each in await self._snapshot.router.models() if _converses(each)
        ]
        target = Target(address.rstrip("/"), _PLACEHOLDER if needs_key else _ANY_KEY)
        try:
            found: list[ClientSetup] = await call_in_thread(
                self._reactor, lambda: [_setup_of(each, target, served) for each in clients]
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


def _setup_of(client: Client, target: Target, served: Sequence[ServedModel]) -> ClientSetup:
    """Return the setup of a client with the models that suit it.

    :raises ValueError: if the address cannot be written into a text.
    """
    suited = suited_models(client, served)
    choice = choose_models(client, suited, most=_MOST_IN_TEXT)
    guide = make_guide(
        client,
        replace(target, models=choice.models, selects_model=choice.selects_model),
    )
    return ClientSetup(
        name=client.name,
        title=client.title,
        protocol=client.protocol,
        models=[each.name for each in suited[:_MOST_MODELS]],
        steps=[
            SetupStep(
                title=step.title,
                language=step.language,
                text=step.text,
                file=step.file,
                macos=step.macos,
                windows=step.windows,
            )
            for step in guide.steps
        ],
        notes=guide.hints,
    )


def _served(model: Model) -> ServedModel:
    return ServedModel(model.id, model.input_token_limit or 0, model.output_token_limit or 0)


def _converses(model: Model) -> bool:
    capabilities = model.capabilities
    return (
        not capabilities.embedding
        and not capabilities.own_endpoint
        and not capabilities.agent
        and capabilities.tools
        and "text" in capabilities.outputs
    )


def _midnight(now: float) -> float:
    """Return when the day of this machine began."""
    day = datetime.fromtimestamp(now).astimezone()
    return day.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
