"""Where commands read and change keys: the store of the configuration, or the running gateway."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

import click
import msgspec
from twisted.internet.defer import maybeDeferred

from antigravity.cli.administration import has_admin_access, request_admin
from antigravity.cli.gateway_client import NoGatewayError
from antigravity.cli.invocation import Invocation
from antigravity.config.errors import ConfigurationError
from antigravity.config.key_settings import HOME_FILES, key_store_url
from antigravity.config.running_gateway import find_running_gateway
from antigravity.config.settings import Settings
from antigravity.interfaces.key_store import IKeyStore, KeyStoreError
from antigravity.interfaces.state import StateError
from antigravity.keys.editor import KeyEditor
from antigravity.keys.home_import import Imported, import_home
from antigravity.keys.stored_keys import StoredKeys

T = TypeVar("T")


def change_keys(
    invocation: Invocation,
    method: str,
    path: str,
    body: object,
    change: Callable[[KeyEditor], Coroutine[Any, Any, Any]],
) -> dict[str, Any]:
    """Change keys by the gateway that runs in this home, so that it is in force at once.

    Only if none runs, or its operator's API is off, the store is changed; a gateway notices that
    within seconds.  Whatever else fails, may have been done.
    """
    if find_running_gateway(invocation.home) is not None and has_admin_access(invocation):
        try:
            return request_admin(invocation, f"/admin/keys{path}", method, body, absent=True)
        except NoGatewayError:
            pass  # it has just ended, and was sent nothing: whatever else fails is raised
    done = _use_store(invocation, lambda _, store: change(KeyEditor(store, time.time)))
    found = msgspec.to_builtins(done)
    return found if isinstance(found, dict) else {}


def load_keys(invocation: Invocation) -> StoredKeys:
    """Return all keys."""
    return _use_store(invocation, lambda _, store: KeyEditor(store, time.time).load())


def import_keys(invocation: Invocation) -> Imported:
    """Move the keys of the home into the store of the configuration."""
    if _url(_settings(invocation)) == HOME_FILES:
        raise click.ClickException(
            "the keys are in the home directory: set keys.url, or ledger.url, to a database first"
        )
    found = _use_store(
        invocation, lambda reactor, store: import_home(reactor, store, invocation.home)
    )
    assert found is not None
    return found


def _use_store(
    invocation: Invocation, work: Callable[[Any, IKeyStore], Coroutine[Any, Any, T]]
) -> T:
    """Return the result of ``work``, which is called with a reactor and the store.

    :raises click.ClickException: if it fails.
    """
    from antigravity.cli.reactor import run

    settings = _settings(invocation)
    url = _url(settings)

    async def whole(reactor: Any, _: object) -> T:
        kind = _find_kind(url, settings)
        store = await maybeDeferred(kind.build, reactor, invocation.home, url)
        try:
            return await work(reactor, store)
        finally:
            await store.stop()

    try:
        return run(whole)
    except (ValueError, LookupError, KeyStoreError, StateError) as error:
        raise click.ClickException(str(error.args[0] if error.args else error)) from None


def _settings(invocation: Invocation) -> Settings:
    try:
        return invocation.gateway_configuration().settings
    except ConfigurationError as error:
        raise click.ClickException(str(error)) from None


def _url(settings: Settings) -> str:
    return key_store_url(settings.keys, settings.ledger)


def _find_kind(url: str, settings: Settings) -> Any:
    """Return the kind of a store; other plugins are loaded only if they are needed.

    :raises ValueError: if there is none.
    """
    from antigravity.builtin import keys as builtin

    found: dict[str, Any] = {}
    builtin.register_stores(
        lambda kind: found.update(dict.fromkeys(kind.schemes, kind))  # type: ignore[attr-defined]
    )
    kinds: Mapping[str, Any] = found
    scheme = url.partition(":")[0].lower()
    if scheme not in kinds:
        kinds = _all_kinds(settings)
    if scheme not in kinds:
        raise ValueError(f"no plugin has stores with addresses that begin with {scheme}:")
    return kinds[scheme]


def _all_kinds(settings: Settings) -> Mapping[str, Any]:
    from antigravity.plugins import PluginHost

    plugins = PluginHost(settings.plugins)
    plugins.load(hooks=("register_stores",))
    return plugins.registry.key_store_kinds
