"""Put the rooms together: from a configuration to what serves with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.loader import AccountLoader
from antigravity.config.errors import ConfigurationError
from antigravity.config.secret import Secret
from antigravity.config.settings import OpenAIApi, Settings, UpstreamSettings, ZaiSettings
from antigravity.exchange.snapshot import Snapshot
from antigravity.interception.stage import Interception
from antigravity.interfaces.accounts import IAccountPool
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.interfaces.transport import IHttpTransport, IMediaFetcher
from antigravity.interfaces.upstreams import Credential, IUpstream
from antigravity.logs import make_logger
from antigravity.plugins import Registry
from antigravity.routing.capability_table import load_table
from antigravity.routing.catalog import ModelCatalog
from antigravity.routing.embeddings import EmbeddingRouter
from antigravity.routing.mapping import ModelMapping
from antigravity.routing.router import Entry, Router
from antigravity.routing.zai import zai_entry
from antigravity.upstreams.services import UpstreamServices

log = make_logger()

ZAI = "zai"

#: The upstreams of the demo, all served by the simulator: every kind, and each OpenAI API alone,
#: so that every protocol can be translated to every other.
DEMO_KINDS: Final = {
    "demo-openai": "openai",
    "demo-openai-chat": "openai",
    "demo-openai-responses": "openai",
    "demo-anthropic": "anthropic",
    "demo-gemini_api": "gemini_api",
    "demo-codeassist": "codeassist",
}
_DEMO_APIS: Final[Mapping[str, list[OpenAIApi]]] = {
    "demo-openai-chat": ["chat"],
    "demo-openai-responses": ["responses"],
}


def new_id(prefix: str) -> str:
    """Return a fresh identifier that nobody can guess."""
    return f"{prefix}{secrets.token_hex(12)}"


def demo_settings(settings: Settings, address: str) -> Settings:
    """Return the settings with the simulator at ``address`` as every kind of upstream."""
    base = UpstreamSettings(kind="", base_url=address, api_key=Secret("sk-demo"))
    upstreams = {
        name: replace(base, kind=kind, apis=_DEMO_APIS.get(name, base.apis))
        for name, kind in DEMO_KINDS.items()
    }
    code_assist = upstreams["demo-codeassist"]
    upstreams["demo-codeassist"] = replace(
        code_assist,
        api_key=Secret(),
        refresh_token=Secret("demo-refresh-token"),
        oauth=replace(
            code_assist.oauth,
            client_id="demo-client",
            client_secret=Secret("demo-secret"),
            token_url=f"{address}/token",
        ),
    )
    zai = settings.proxy.zai  # its tools stay what they are: they are no upstream
    proxy = replace(settings.proxy, zai=ZaiSettings(api_key=zai.api_key, mcp=zai.mcp))
    return replace(settings, upstreams=upstreams, proxy=proxy)


def load_credentials(settings: Settings, accounts: AccountLoader | None) -> CredentialStore:
    """Return the credentials of the configuration and, but for a demo, of the account files.

    :raises ConfigurationError: if the accounts that were there cannot be looked at any more.
    """
    if accounts is None:
        return CredentialStore(settings)
    loaded = accounts.load()
    for file in loaded.kept:
        log.error(
            "the file of an account cannot be used, so the account stays as it was: {file}",
            file=str(file),
        )
    for file in loaded.broken:
        log.error("account left out: {file}", file=str(file))
    book = CredentialStore(settings, loaded.records, loaded.marks)
    for problem in book.problems:
        log.warn("{problem}", problem=str(problem))
    return book


def selection_policy(settings: Settings, registry: Registry) -> ISelectionPolicy:
    """Return the policy that the configuration names.

    :raises ConfigurationError: if no plugin has it.
    """
    policies, mode = registry.selection_policies, settings.proxy.scheduling.mode
    if mode not in policies:
        choices = ", ".join(sorted(policies)) or "none"
        raise ConfigurationError(
            f"there is no selection policy {mode!r}; there are: {choices}",
            key="proxy.scheduling.mode",
        )
    policy: ISelectionPolicy = policies[mode]
    return policy


class UpstreamBuilder:
    """Makes the upstreams of a configuration with the kinds that plugins have registered."""

    def __init__(
        self,
        registry: Registry,
        transport: IHttpTransport,
        clock: Any,
        request_timeout: float,
        retire: Callable[[Credential, str], None],
    ) -> None:
        self._registry = registry
        self._transport = transport
        self._clock = clock
        self._timeout = request_timeout
        self._retire = retire

    def build(self, upstreams: Mapping[str, UpstreamSettings]) -> list[IUpstream]:
        """Return the upstreams, in order.

        :raises ConfigurationError: naming the table that is at fault.
        """
        return [self._one(name, settings) for name, settings in upstreams.items()]

    def _one(self, name: str, settings: UpstreamSettings) -> IUpstream:
        kinds = self._registry.upstream_kinds
        kind = kinds.get(settings.kind)
        if kind is None:
            raise ConfigurationError(
                f"there is no kind of upstream {settings.kind!r}; there are {', '.join(kinds)}",
                key=f"upstreams.{name}.kind",
            )
        upstream: IUpstream = kind.build(
            settings,
            UpstreamServices(
                name=name,
                transport=self._transport,
                clock=self._clock,
                protocols=self._registry.clients,
                request_timeout=self._timeout,
                on_credential_invalid=self._retire,
            ),
        )
        missing = [p for p in upstream.protocols if p not in self._registry.clients]
        if missing or not upstream.protocols:
            raise ConfigurationError(
                f"it needs the protocol {', '.join(missing) or '(none)'}, which no plugin has",
                key=f"upstreams.{name}.kind",
            )
        return upstream


def build_snapshot(
    settings: Settings,
    directory: Path,
    book: CredentialStore,
    builder: UpstreamBuilder,
    registry: Registry,
    clock: Any,
    media: IMediaFetcher,
    pool: IAccountPool,
) -> tuple[Snapshot, ModelCatalog]:
    """Return what exchanges work with, and the catalog, which has to be stopped.

    ``directory`` is where relative file names of the configuration begin.

    :raises ConfigurationError: if something in the settings cannot be used.
    """
    try:
        table = load_table([directory / Path(name).expanduser() for name in settings.models.files])
    except ValueError as error:
        raise ConfigurationError(str(error), key="models.files") from error
    upstreams = {upstream.name: upstream for upstream in builder.build(book.upstreams)}
    catalog = ModelCatalog(clock, book, settings.routing.model_list_ttl)
    entries = _entries(settings, book.upstreams, upstreams)
    mapping = ModelMapping(settings.proxy.custom_mapping, builtin=settings.routing.builtin_aliases)
    router = Router(
        entries, registry.clients, mapping, table, catalog, settings.routing.fallback_model
    )
    embeddings = EmbeddingRouter(
        entries, registry.embedding_clients, mapping, table, catalog, registry.embedding_kinds
    )
    interception = _interception(settings, registry)
    snapshot = Snapshot(
        settings, router, book, registry.clients, media, pool, embeddings, interception
    )
    return snapshot, catalog


def _interception(settings: Settings, registry: Registry) -> Interception:
    """Return what the plugins can recognise, as far as it is switched on."""
    on = settings.interception
    return Interception(
        tuple(registry.warmup_filters.values()) if on.warmup else (),
        tuple(registry.background_detectors.values()) if on.background_tasks else (),
        tuple(on.clients),
    )


def _entries(
    settings: Settings,
    configured: Mapping[str, UpstreamSettings],
    upstreams: Mapping[str, IUpstream],
) -> Sequence[Entry]:
    entries = {
        name: Entry(
            upstream,
            tuple(configured[name].models),
            rank=configured[name].priority,
            shares=configured[name].priority != 0,
        )
        for name, upstream in upstreams.items()
    }
    if ZAI in entries and ZAI not in settings.upstreams:
        others = [entry.rank for name, entry in entries.items() if name != ZAI]
        entries[ZAI] = zai_entry(settings.proxy.zai, upstreams[ZAI], others)
    return list(entries.values())


def has_upstreams(settings: Settings, records: Collection[object]) -> bool:
    """Return whether anything but a demo could be served."""
    return bool(settings.upstreams or records or settings.proxy.zai.enabled)
