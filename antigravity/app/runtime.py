"""Everything that is built from one configuration, and replaced by the next one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.defer import DeferredList, maybeDeferred

from antigravity.accounts.account_disabler import AccountDisabler
from antigravity.accounts.credential_store import CredentialStore
from antigravity.config.credentials import find_credentials
from antigravity.config.settings import Settings
from antigravity.config.snapshot import Configuration
from antigravity.exchange.snapshot import Snapshot
from antigravity.interfaces.selection import ISelectionPolicy
from antigravity.plugin_registry import Registry
from antigravity.plugins import PluginHost
from antigravity.routing.catalog import ModelCatalog
from antigravity.transport.media import MediaFetcher


class LoadedConfiguration(Struct, frozen=True):
    """A valid configuration with its plugins loaded; ``source`` has the files it was read from."""

    settings: Settings
    plugins: PluginHost
    source: Configuration | None = None


#: A function that reads the configuration again; its argument is the one in force.
Configure = Callable[[Configuration | None], LoadedConfiguration]


class Runtime(Struct, frozen=True):
    """One configuration and everything that was built from it.

    ``accounts`` has the credentials in use, ``policy`` selects among them, ``disabler`` disables
    those that an upstream has revoked.
    """

    configuration: LoadedConfiguration
    accounts: CredentialStore
    policy: ISelectionPolicy
    media: MediaFetcher
    disabler: AccountDisabler
    catalog: ModelCatalog
    snapshot: Snapshot

    @property
    def settings(self) -> Settings:
        """The settings; for a demo, with the simulator as every upstream."""
        return self.configuration.settings

    @property
    def registry(self) -> Registry:
        """Everything that the plugins have registered."""
        return self.configuration.plugins.registry

    def secrets(self) -> frozenset[str]:
        """Return all credentials in the settings and of the accounts, for redaction."""
        known = [c for name in self.accounts.upstreams for c in self.accounts.credentials(name)]
        extra = [secret for each in known for secret in find_credentials(each.extra, "extra")]
        return frozenset(
            (*find_credentials(self.settings), *(each.secret for each in known), *extra)
        )

    def stop(self) -> Any:
        """Stop all background work; the Deferred fires when it has ended."""
        self.catalog.stop()
        return DeferredList([maybeDeferred(self.media.close), self.disabler.close()])
