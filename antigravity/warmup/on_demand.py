"""Warm-ups on demand of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from antigravity.accounts.lookup import find_account
from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.exchange.operations.warmup import Warmup
from antigravity.interfaces.administration import WarmupReport, WarmupResult
from antigravity.interfaces.upstreams import Credential
from antigravity.ir.errors import InvalidRequestError, NotFoundError
from antigravity.warmup.scheduler import Outcome, Sources, WarmupScheduler


class WarmupsOnDemand:
    """Sends warm-ups immediately.  ``credentials`` returns all usable accounts."""

    def __init__(
        self,
        scheduler: WarmupScheduler,
        credentials: Callable[[], Iterable[Credential]],
        sources: Sources,
        quotas: QuotaMonitor,
    ) -> None:
        self._scheduler = scheduler
        self._credentials = credentials
        self._sources = sources
        self._quotas = quotas

    async def warm_up(self, account: str, model: str, project: str) -> WarmupReport:
        """Warm up one account or all, for one model or all quotas that are due.

        Return the result of each warm-up.

        :raises GatewayError: if there is no such account, or the model must be named.
        """
        chosen = self._find(account) if account else None
        if model:
            outcomes = await self._for_model(chosen, model, project)
        else:
            outcomes = await self._for_all_due(chosen, project)
        return WarmupReport(
            all(each.state in ("warmed", "skipped") for each in outcomes),
            [msgspec.convert(each, WarmupResult, from_attributes=True) for each in outcomes],
        )

    def _find(self, account: str) -> Credential:
        """Return the account with that id, label, or beginning of an id."""
        return find_account(list(self._credentials()), account)

    async def _for_model(
        self, chosen: Credential | None, model: str, project: str
    ) -> Sequence[Outcome]:
        """Warm up for one model, whatever its remaining quota."""
        if chosen is not None:
            return await self._scheduler.warm_up([_warmup(chosen, model, project)])
        skipped: list[Outcome] = []
        warmups: list[Warmup] = []
        for _, credential in self._monitored(None):
            quota = self._quotas.quota(credential.id)
            if quota is not None and model not in quota.models and model not in quota.renamed:
                reason = "the account has no such model"
                skipped.append(_skipped(credential, model, reason))
            else:
                warmups.append(_warmup(credential, model, project))
        return [*await self._scheduler.warm_up(warmups), *skipped]

    async def _for_all_due(self, chosen: Credential | None, project: str) -> Sequence[Outcome]:
        """Warm up all quotas that are due."""
        skipped: list[Outcome] = []
        warmups: list[Warmup] = []
        for source, credential in self._monitored(chosen):
            states, problem = await self._scheduler.states(source, credential)
            for each in states:
                if each.state == "due":
                    warmups.append(_warmup(credential, each.model, project))
                else:
                    reason = problem if problem and each.state == "stale" else each.reason
                    skipped.append(_skipped(credential, each.name, reason))
        return [*await self._scheduler.warm_up(warmups), *skipped]

    def _monitored(self, chosen: Credential | None) -> list[tuple[Any, Credential]]:
        """Return the accounts whose quotas can be fetched.

        :raises GatewayError: if there is none.
        """
        found = [
            (source, credential)
            for source, credential in self._sources()
            if chosen is None or credential.id == chosen.id
        ]
        if found:
            return found
        if chosen is not None:
            raise InvalidRequestError(
                "The upstream of this account does not report quotas; name a model.",
                param="model",
            )
        raise NotFoundError(
            "No account has an upstream that reports quotas; name an account and a model.",
            param="account",
            code="account_not_found",
        )


def _warmup(credential: Credential, model: str, project: str) -> Warmup:
    return Warmup(credential.upstream, credential.id, model, project)


def _skipped(credential: Credential, model: str, reason: str) -> Outcome:
    return Outcome(credential.id, credential.upstream, model, "skipped", reason)
