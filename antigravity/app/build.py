"""Build a runtime from a configuration: credentials, upstreams, routers and their snapshot."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from antigravity.accounts.account_disabler import AccountDisabler
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import AccountFiles
from antigravity.accounts.loader import AccountLoader
from antigravity.accounts.pool import AccountPool
from antigravity.app.gateway_state import check_state
from antigravity.app.runtime import LoadedConfiguration, Runtime
from antigravity.config.errors import ConfigurationError
from antigravity.config.settings import Settings, UpstreamSettings
from antigravity.deferreds import call_in_thread
from antigravity.exchange.snapshot import Snapshot
from antigravity.interception.rules import InterceptionRules
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.interfaces.transport import IHttpTransport
from antigravity.interfaces.upstreams import Credential, IUpstream
from antigravity.logs import make_logger
from antigravity.plugin_registry import Registry
from antigravity.routing.capability_table import CapabilityTable, load_table
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.decision import UpstreamEntry
from antigravity.routing.embeddings import EmbeddingRouter
from antigravity.routing.mapping import ModelMapping
from antigravity.routing.router import Router
from antigravity.routing.zai import zai_entry
from antigravity.transport.media import MediaFetcher
from antigravity.upstreams.services import UpstreamServices

log = make_logger()

ZAI: Final = "zai"


class RuntimeBuilder:
    """A builder of runtimes, which share its transport and account pool.

    Relative file names in a configuration are relative to ``home``.  ``files`` loads the account
    files; ``None`` for a demo, which has none.  ``state`` is what gateways share.
    """

    def __init__(
        self,
        reactor: Any,
        home: Path,
        transport: IHttpTransport,
        pool: AccountPool,
        files: AccountLoader | None,
        state: Any = None,
    ) -> None:
        self._reactor = reactor
        self._home = home
        self._transport = transport
        self._pool = pool
        self._files = files
        self._state = state

    def build(self, configuration: LoadedConfiguration) -> Runtime:
        """Return the runtime of a configuration, which has not started anything yet.

        :raises ConfigurationError: if a setting cannot be used.
        """
        settings, registry = configuration.settings, configuration.plugins.registry
        reactor, home = self._reactor, self._home
        policy = _find_policy(settings, registry)
        check_state(settings.state, registry.state_kinds)
        table = _capability_table(settings, home)
        accounts = _load_accounts(settings, self._files)
        disabler = AccountDisabler(
            AccountFiles(home),
            accounts.remove,
            time.time,
            partial(call_in_thread, reactor),
            self._pool.account_disabled,
        )
        upstreams = build_upstreams(
            accounts.upstreams,
            registry,
            self._transport,
            reactor,
            settings.proxy.request_timeout,
            disabler.disable,
            self._state,
        )
        entries = _entries(settings, accounts.upstreams, upstreams)
        mapping = ModelMapping(
            settings.proxy.custom_mapping, builtin=settings.routing.builtin_aliases
        )
        catalog = ModelCatalog(reactor, accounts, settings.routing.model_list_ttl)
        media = MediaFetcher(settings.media, reactor, http_client=settings.proxy.http_client)
        snapshot = Snapshot(
            settings,
            Router(
                entries,
                registry.clients,
                mapping,
                table,
                catalog,
                settings.routing.fallback_model,
            ),
            accounts,
            registry.clients,
            media,
            self._pool,
            EmbeddingRouter(
                entries,
                registry.embedding_clients,
                mapping,
                table,
                catalog,
                registry.embedding_kinds,
            ),
            _interception(settings, registry),
        )
        return Runtime(configuration, accounts, policy, media, disabler, catalog, snapshot)


def new_id(prefix: str) -> str:
    """Return a fresh identifier that cannot be guessed."""
    return f"{prefix}{secrets.token_hex(12)}"


def _load_accounts(settings: Settings, files: AccountLoader | None) -> CredentialStore:
    """Return the credentials of the configuration and of the account files.

    :raises ConfigurationError: if the account files cannot be listed.
    """
    if files is None:
        return CredentialStore(settings)
    loaded = files.load()
    for file in loaded.outdated:
        log.error(
            "the account file {file} cannot be used; the account is not changed",
            file=str(file),
        )
    for file in loaded.broken:
        log.error("account skipped: {file}", file=str(file))
    accounts = CredentialStore(settings, loaded.records, loaded.marks)
    for problem in accounts.problems:
        log.warn("{problem}", problem=str(problem))
    return accounts


def _find_policy(settings: Settings, registry: Registry) -> ISelectionPolicy:
    """Return the selection policy that the configuration names."""
    policies, mode = registry.selection_policies, settings.proxy.scheduling.mode
    if mode not in policies:
        choices = ", ".join(sorted(policies)) or "none"
        raise ConfigurationError(
            f"there is no selection policy {mode!r}; the policies are: {choices}",
            key="proxy.scheduling.mode",
        )
    policy: ISelectionPolicy = policies[mode]
    return policy


def build_upstreams(
    upstreams: Mapping[str, UpstreamSettings],
    registry: Registry,
    transport: IHttpTransport,
    clock: Any,
    request_timeout: float,
    on_credential_invalid: Callable[[Credential, str], None],
    state: Any = None,
) -> dict[str, IUpstream]:
    """Return the upstreams of a configuration by name, in order.

    :raises ConfigurationError: for the first one that cannot be built.
    """
    built = {}
    for name, settings in upstreams.items():
        services = UpstreamServices(
            name=name,
            transport=transport,
            clock=clock,
            protocols=registry.clients,
            request_timeout=request_timeout,
            on_credential_invalid=on_credential_invalid,
            state=state,
        )
        built[name] = _build_upstream(settings, services, registry)
    return built


def _build_upstream(
    settings: UpstreamSettings, services: UpstreamServices, registry: Registry
) -> IUpstream:
    key = f"upstreams.{services.name}.kind"
    kind = registry.upstream_kinds.get(settings.kind)
    if kind is None:
        choices = ", ".join(registry.upstream_kinds)
        raise ConfigurationError(
            f"there is no kind of upstream {settings.kind!r}; the kinds are: {choices}", key=key
        )
    upstream: IUpstream = kind.build(settings, services)
    missing = [name for name in upstream.protocols if name not in registry.clients]
    if missing or not upstream.protocols:
        raise ConfigurationError(
            f"it needs the protocol {', '.join(missing) or '(none)'}, which no plugin provides",
            key=key,
        )
    return upstream


def _capability_table(settings: Settings, home: Path) -> CapabilityTable:
    try:
        return load_table([home / Path(name).expanduser() for name in settings.models.files])
    except ValueError as error:
        raise ConfigurationError(str(error), key="models.files") from error


def _interception(settings: Settings, registry: Registry) -> InterceptionRules:
    """Return the filters and detectors of the plugins that the settings enable."""
    interception = settings.interception
    return InterceptionRules(
        tuple(registry.warmup_filters.values()) if interception.warmup else (),
        tuple(registry.background_detectors.values()) if interception.background_tasks else (),
        tuple(interception.clients),
    )


def _entries(
    settings: Settings,
    configured: Mapping[str, UpstreamSettings],
    upstreams: Mapping[str, IUpstream],
) -> Sequence[UpstreamEntry]:
    entries = {
        name: UpstreamEntry(
            upstream,
            tuple(configured[name].models),
            priority=configured[name].priority,
            shares_priority=configured[name].priority != 0,
        )
        for name, upstream in upstreams.items()
    }
    if ZAI in entries and ZAI not in settings.upstreams:
        others = [entry.priority for name, entry in entries.items() if name != ZAI]
        entries[ZAI] = zai_entry(settings.proxy.zai, upstreams[ZAI], others)
    return list(entries.values())
