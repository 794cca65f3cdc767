"""The account pool, its quotas, and warm-ups."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import inlineCallbacks

from antigravity.accounts.account_events import AccountEvents
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.known_quotas import KnownQuotas
from antigravity.accounts.model_groups import ModelGroups
from antigravity.accounts.pool import AccountPool
from antigravity.accounts.protection import QuotaProtection
from antigravity.accounts.quota_files import QuotaFiles
from antigravity.accounts.quota_monitor import QuotaMonitor
from antigravity.app.observers import Observers
from antigravity.app.runtime import Runtime
from antigravity.config.settings import Settings
from antigravity.deferreds import call_in_thread
from antigravity.interfaces.quota import IQuotaSource
from antigravity.interfaces.status import QuotaStatus
from antigravity.interfaces.upstreams import Credential, IUpstream
from antigravity.stores.json_state import open_state
from antigravity.warmup.on_demand import WarmupsOnDemand
from antigravity.warmup.plan import WarmupPlan
from antigravity.warmup.scheduler import Send, WarmupScheduler

POOL_FILE: Final = "pool.json"
WARMUP_FILE: Final = "warmups.json"


class AccountsInUse:
    """The accounts of the configuration in force."""

    def __init__(self) -> None:
        self._store = CredentialStore(Settings())
        self._upstreams: Sequence[IUpstream] = ()

    def use(self, store: CredentialStore, upstreams: Sequence[IUpstream]) -> None:
        """Replace the accounts and their upstreams."""
        self._store = store
        self._upstreams = upstreams

    def credentials(self) -> Iterator[Credential]:
        """Yield all accounts that are not disabled."""
        for name in self._store.upstreams:
            yield from self._store.credentials(name)

    def quota_sources(self) -> Iterator[tuple[IQuotaSource, Credential]]:
        """Yield the accounts whose upstream reports quotas, each with that upstream."""
        for upstream in self._upstreams:
            if IQuotaSource.providedBy(upstream):
                for credential in self._store.credentials(upstream.name):
                    yield upstream, credential


class AccountServices:
    """Pool and quotas, which outlive a configuration.

    Their state is stored in ``home``, or only in memory if that is ``None``.  ``shared`` is what
    gateways share.

    :param quota_home: where another process stores the quotas that it fetches; then none are
        fetched here.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path | None,
        observers: Observers,
        shared: Any = None,
        quota_home: Path | None = None,
    ) -> None:
        defaults = Settings()
        self._fetches_quotas = quota_home is None
        quota_home = quota_home or home
        self.in_use = AccountsInUse()
        self._known = KnownQuotas(reactor.seconds)
        events = AccountEvents(self._known.protections)
        events.notify = observers.account_changed
        self.pool = AccountPool(
            reactor,
            CredentialStore(defaults),
            defaults.proxy.scheduling,
            facts=self._known.facts,
            protections=self._known.protections,
            state=None if home is None else open_state(reactor, home / "state" / POOL_FILE),
            events=events,
            wall=time.time,
            shared=shared,
        )
        self.quotas = QuotaMonitor(
            reactor,
            self._known,
            self.in_use.quota_sources,
            partial(call_in_thread, reactor),
            None if quota_home is None else QuotaFiles(quota_home),
            last_used=self.pool.last_used,
            on_quota=self.pool.apply_quota,
            on_change=self.pool.accounts_changed,
        )

    def quota_status(self) -> list[QuotaStatus]:
        """Return what is left of the known quotas."""
        return self._known.status()

    def use(self, runtime: Runtime) -> None:
        """Lease the accounts of ``runtime`` as its settings demand."""
        settings = runtime.settings
        self.in_use.use(runtime.accounts, runtime.snapshot.router.upstreams)
        groups = ModelGroups(settings.quota.model_groups)
        self._known.protection = QuotaProtection(settings.quota_protection, groups)
        self.quotas.interval = settings.quota.refresh_interval if self._fetches_quotas else 0.0
        self.pool.reload(runtime.accounts, settings.proxy.scheduling, runtime.policy)
        if self.pool.shared_accounts is not None:
            self.pool.shared_accounts.disable = runtime.disabler.disable

    @inlineCallbacks
    def refresh_shared(self) -> Any:
        """Read what other gateways know of accounts that are new here."""
        if self.pool.shared_accounts is not None:
            yield self.pool.shared_accounts.refresh()


class Warmups:
    """Warm-ups of the accounts, by schedule and on demand; ``send`` sends one."""

    def __init__(
        self, reactor: Any, home: Path | None, accounts: AccountServices, send: Send
    ) -> None:
        sources, quotas = accounts.in_use.quota_sources, accounts.quotas
        state = None if home is None else open_state(reactor, home / "state" / WARMUP_FILE)
        self.scheduler = WarmupScheduler(reactor, sources, quotas, send, state)
        self.on_demand = WarmupsOnDemand(
            self.scheduler, accounts.in_use.credentials, sources, quotas
        )

    def use(self, settings: Settings) -> None:
        """Apply the schedule of ``settings``."""
        groups = ModelGroups(settings.quota.model_groups)
        self.scheduler.plan = WarmupPlan(settings.scheduled_warmup, groups)
