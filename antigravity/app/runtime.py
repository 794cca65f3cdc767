"""Everything that is built from one configuration, and replaced by the next one."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.threads import deferToThreadPool

from antigravity.accounts.account_disabler import AccountDisabler
from antigravity.accounts.credential_store import CredentialStore
from antigravity.accounts.files import AccountFiles
from antigravity.accounts.loader import AccountLoader
from antigravity.accounts.pool import AccountPool
from antigravity.app.build import (
    UpstreamBuilder,
    build_snapshot,
    load_credentials,
    selection_policy,
)
from antigravity.app.mcp.endpoints import McpEndpoints
from antigravity.config.atomic import remove_leftovers, write_atomically
from antigravity.config.credentials import credentials_in
from antigravity.config.settings import Settings
from antigravity.config.snapshot import Configuration
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.administration import IAdministration
from antigravity.interfaces.exchange import IExchange
from antigravity.interfaces.transport import IHttpTransport
from antigravity.plugins import PluginHost
from antigravity.routing.catalog import ModelCatalog
from antigravity.transport.media import MediaFetcher
from antigravity.web.app import WebApp


class LoadedConfiguration(Struct, frozen=True):
    """A valid configuration with the plugins that it wants, loaded.

    ``source`` says where the settings come from, if they were read.
    """

    settings: Settings
    plugins: PluginHost
    source: Configuration | None = None


class Runtime:
    """One configuration at work.  ``accounts`` are those in files, ``None`` for a demo.

    :raises ConfigurationError: if something in it cannot be used; then nothing was begun.
    """

    def __init__(
        self,
        configured: LoadedConfiguration,
        home: Path,
        transport: IHttpTransport,
        reactor: Any,
        pool: AccountPool,
        accounts: AccountLoader | None,
    ) -> None:
        settings = configured.settings
        self.settings = settings
        self.source = configured.source
        self.plugins = configured.plugins
        self.policy = selection_policy(settings, configured.plugins.registry)
        self.media = MediaFetcher(settings.media, reactor)
        self.book: CredentialStore = load_credentials(settings, accounts)
        registry = configured.plugins.registry
        self._retirement = AccountDisabler(
            AccountFiles(home), self.book.drop, time.time, partial(in_thread, reactor), pool.retired
        )
        builder = UpstreamBuilder(
            registry, transport, reactor, settings.proxy.request_timeout, self._retirement.retire
        )
        snapshot, catalog = build_snapshot(
            settings, home, self.book, builder, registry, reactor, self.media, pool
        )
        self.snapshot: Snapshot = snapshot
        self._catalog: ModelCatalog = catalog

    @property
    def credentials(self) -> frozenset[str]:
        """All credentials in it: of the settings, and of the accounts."""
        known = [
            credential for name in self.book.upstreams for credential in self.book.credentials(name)
        ]
        extra = [each for credential in known for each in credentials_in(credential.extra, "extra")]
        secrets = [credential.secret for credential in known]
        return frozenset((*credentials_in(self.settings), *secrets, *extra))

    def app(
        self, exchange: IExchange, administration: IAdministration, offering: McpEndpoints
    ) -> WebApp:
        """Return the web application with the protocols and routes of the plugins.

        From now on ``offering`` offers what they have registered.
        """
        registry = self.plugins.registry
        return WebApp(
            exchange,
            registry.all_servers,
            self.settings,
            registry.routes,
            hostname=socket.gethostname(),
            administration=administration,
            mcp=offering.endpoints(self.settings, registry, self.media),
        )

    def stop(self) -> Any:
        """End what runs in the background, and return a Deferred that fires when it has."""
        self._catalog.stop()
        return DeferredList([maybeDeferred(self.media.close), self._retirement.close()])


def in_thread(reactor: Any, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
    """Call a function in a thread: it waits for the disk, or computes for long."""
    return deferToThreadPool(reactor, reactor.getThreadPool(), function, *arguments)


def clean_up(path: Path) -> None:
    """Remove what was left beside a file when a process was killed that wrote it."""
    remove_leftovers(path.parent, path.name)


def write_private(path: Path, data: bytes) -> None:
    """Write a file for its owner's eyes only, in a folder of the same kind."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(path, data)


def watched_files(home: Path, file: Path, settings: Settings) -> Sequence[Path]:
    """Return the files and folders whose change is a change of the configuration."""
    tables = [home / Path(name).expanduser() for name in settings.models.files]
    return (file, home / "accounts", *tables)


Configure = Callable[[], LoadedConfiguration]
