"""The accounts at work: the pool that leases them, their quotas, and warm-ups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.pool import AccountPool
from antigravity.accounts.protection import QuotaProtection
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.app.runtime import Runtime, clean_up, in_thread, write_private
from antigravity.config.settings import Settings
from antigravity.interfaces.accounts import AccountChange
from antigravity.interfaces.quota import IQuotaSource
from antigravity.interfaces.stores import IStateStore
from antigravity.interfaces.upstreams import Credential
from antigravity.plugins import PluginHost
from antigravity.stores.json_state import JsonState
from antigravity.warming.on_demand import WarmupsOnDemand
from antigravity.warming.plan import WarmupPlan
from antigravity.warming.scheduler import Send, WarmupScheduler

POOL_FILE: Final = "pool.json"
WARMUP_FILE: Final = "warmups.json"


class AccountServices:
    """Pool, quotas and warm-ups, the same over all configurations.

    ``home`` is where they are kept; without one they are in memory only.  ``assembly`` returns
    what is served with now, once there is something; ``send`` sends a warm-up.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path | None,
        assembly: Callable[[], Runtime | None],
        send: Send,
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._assembly = assembly
        self.quotas = QuotaMonitor(
            reactor,
            self.quota_sources,
            self._interval,
            partial(in_thread, reactor),
            None if home is None else QuotaFiles(home),
            last_used=lambda identifier: self.pool.last_used(identifier),
            learnt=lambda: self.pool.learnt(),
            told=lambda *known: self.pool.quota_known(*known),
        )
        self._watch = AccountEvents(self.quotas.protections)
        nothing = Settings()
        self.pool = AccountPool(
            reactor,
            CredentialStore(nothing),
            nothing.proxy.scheduling,
            facts=self.quotas.facts,
            protections=self.quotas.protections,
            state=self._state(POOL_FILE),
            watch=self._watch,
            wall=time.time,
        )
        self.scheduler = WarmupScheduler(
            reactor, self.quota_sources, self.quotas, send, self._state(WARMUP_FILE)
        )
        self.warmups = WarmupsOnDemand(
            self.scheduler, self._credentials, self.quota_sources, self.quotas
        )

    def use(self, assembly: Runtime) -> None:
        """Lease the accounts of ``assembly``, by its settings."""
        settings = assembly.settings
        groups = ModelGroups(settings.quota.model_groups)
        self.quotas.protection = QuotaProtection(settings.quota_protection, groups)
        self.scheduler.plan = WarmupPlan(settings.scheduled_warmup, groups)
        self._watch.tell = partial(_tell, assembly.plugins)
        self.pool.reload(assembly.book, settings.proxy.scheduling, assembly.policy)

    def quota_sources(self) -> Iterator[tuple[IQuotaSource, Credential]]:
        """Yield the accounts whose upstream tells what is left of them."""
        assembly = self._assembly()
        if assembly is None:
            return
        for upstream in assembly.snapshot.router.upstreams:
            if IQuotaSource.providedBy(upstream):
                for credential in assembly.book.credentials(upstream.name):
                    yield upstream, credential

    def _credentials(self) -> Iterator[Credential]:
        """Yield all accounts that may be used."""
        assembly = self._assembly()
        if assembly is not None:
            for name in assembly.book.upstreams:
                yield from assembly.book.credentials(name)

    def _interval(self) -> float:
        assembly = self._assembly()
        return 0.0 if assembly is None else assembly.settings.quota.refresh_interval

    def _state(self, name: str) -> IStateStore | None:
        if self._home is None:
            return None
        return JsonState(
            self._home / "state" / name,
            self._reactor,
            write=write_private,
            clean=clean_up,
            run=partial(in_thread, self._reactor),
        )


def _tell(plugins: PluginHost, change: AccountChange) -> None:
    """Tell the observers of one configuration."""
    plugins.notify("account_changed", change=change)
