"""Checks of settings beyond their types: addresses, patterns, conflicts."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from antigravity.config.addresses import address_problem, is_ambiguous
from antigravity.config.errors import Problem
from antigravity.config.ip_networks import UNIX_PROXY, parse_network
from antigravity.config.known_names import KnownNames
from antigravity.config.mcp_checks import mcp_check, zai_mcp_check
from antigravity.config.network import reaches_network
from antigravity.config.paths import KeyPath
from antigravity.config.settings import (
    ProxySettings,
    Settings,
    UpstreamSettings,
    effective_auth_mode,
)
from antigravity.config.spelling import closest
from antigravity.config.trace_settings import trace_check
from antigravity.config.tunnel_checks import tunnel_check

#: The built-in kinds of upstreams; plugins can add more.
BUILTIN_KINDS = ("gemini_api", "codeassist", "anthropic", "openai")
#: The built-in selection policies; plugins can add more.
BUILTIN_MODES = ("CacheFirst", "Balance", "PerformanceFirst")
#: The built-in schemes of shared state; plugins can add more.
BUILTIN_KEY_SCHEMES = ("file", "postgresql", "postgres")
BUILTIN_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "redis+unix", "unix")
_AMBIGUOUS = "write / in a password as %2F, and @ as %40; it would be taken for the host"
#: The fewest characters of ``state.secret``.
SHORTEST_STATE_SECRET = 32

_Found: TypeAlias = Iterator[tuple[KeyPath, Problem]]

_ENDPOINT_TYPES = ("tcp", "tcp6", "ssl", "unix", "systemd", "haproxy")
_UPSTREAM_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]")
_REGULAR_EXPRESSION = re.compile(r"[\^$?|\\()\[\]{}]")


def cross_check(settings: Settings, known: KnownNames | None = None) -> _Found:
    """Yield each problem in ``settings`` with the path of its key."""
    kinds = None if known is None else known.upstream_kinds
    modes = None if known is None else known.selection_policies
    blocked = settings.plugins.get("blocked")
    yield from _proxy(settings.proxy)
    yield from _registered(
        ("proxy", "scheduling", "mode"),
        settings.proxy.scheduling.mode,
        "selection policy",
        BUILTIN_MODES,
        modes,
        blocked,
    )
    for name, upstream in settings.upstreams.items():
        yield from _upstream(("upstreams", name), name, upstream)
        path = ("upstreams", name, "kind")
        kind = upstream.kind
        yield from _registered(path, kind, "upstream of kind", BUILTIN_KINDS, kinds, blocked)
    if settings.proxy.zai.enabled and "zai" in settings.upstreams:
        message = "[upstreams.zai] replaces this table; only its MCP part is used"
        yield ("proxy", "zai"), _warning(message)
    yield from mcp_check(settings.mcp)
    yield from zai_mcp_check(settings.proxy.zai.mcp, settings.proxy.zai.api_key)
    yield from tunnel_check(settings.tunnel, mode=effective_auth_mode(settings.proxy))
    yield from trace_check(settings.traces)
    yield from _metrics_listen(settings.metrics.listen)
    yield from _ledger(settings.ledger.url.reveal())
    schemes = None if known is None else known.state_schemes
    yield from _state(settings.state.url.reveal(), schemes, blocked)
    schemes = None if known is None else known.key_schemes
    yield from _keys(settings.keys.url.reveal(), schemes, blocked)
    yield from _state_secret(settings.state.secret.reveal())
    yield from _fallbacks(settings)
    yield from _model_patterns(settings)
    yield from _plugins(settings.plugins)


def _proxy(proxy: ProxySettings) -> _Found:
    reachable = proxy.allow_lan_access and not proxy.listen
    for index, endpoint in enumerate(proxy.listen):
        path = ("proxy", "listen", index)
        problem = endpoint_problem(endpoint)
        if problem is not None:
            yield path, problem
        elif reaches_network(endpoint):
            reachable = True
    mode = effective_auth_mode(proxy)
    if mode != "off" and not proxy.api_key:
        message = f"it is empty, and authentication is on ({mode}): every request is refused"
        yield ("proxy", "api_key"), _warning(message)
    yield from _trusted_proxies(proxy.trusted_proxies)
    if mode == "off" and (reachable or proxy.trusted_proxies):
        message = "authentication is off, and other machines can connect"
        yield ("proxy", "auth_mode"), _warning(message, allowed=("strict", "all_except_health"))
    yield from _mapping(("proxy", "custom_mapping"), proxy.custom_mapping)
    yield from _mapping(("proxy", "zai", "model_mapping"), proxy.zai.model_mapping)
    yield from _address(("proxy", "zai", "base_url"), proxy.zai.base_url)
    yield from _address(("proxy", "public_url"), proxy.public_url)


def _trusted_proxies(entries: Sequence[str]) -> _Found:
    for index, entry in enumerate(entries):
        path = ("proxy", "trusted_proxies", index)
        if entry == UNIX_PROXY:
            continue
        try:
            network = parse_network(entry)
        except ValueError as error:
            yield path, Problem(str(error), allowed=(f'or "{UNIX_PROXY}" for a UNIX socket',))
            continue
        if not network.prefixlen:
            yield path, Problem("these are all addresses: every client could name itself another")


def _metrics_listen(endpoints: Sequence[str]) -> _Found:
    """Check the endpoints for metrics, which have no authentication."""
    for index, endpoint in enumerate(endpoints):
        path = ("metrics", "listen", index)
        problem = endpoint_problem(endpoint)
        if problem is not None:
            yield path, problem
        elif reaches_network(endpoint):
            yield path, _warning("other machines can read the metrics, which need no key here")


def _ledger(url: str) -> _Found:
    """Check the address of the ledger's database; it may hold a password, and is not shown."""
    allowed = ("postgresql://user:password@host/name",)
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if url and scheme not in ("postgresql", "postgres"):
        yield ("ledger", "url"), Problem("this is no address of PostgreSQL", allowed=allowed)
    elif is_ambiguous(url):
        yield ("ledger", "url"), Problem(_AMBIGUOUS, allowed=allowed)


def _state_secret(secret: str) -> _Found:
    """Check the length of the secret, which could be guessed if it were short."""
    if 0 < len(secret) < SHORTEST_STATE_SECRET:
        message = f"it has {len(secret)} characters; at least {SHORTEST_STATE_SECRET} are needed"
        yield ("state", "secret"), Problem(message)


def _state(url: str, schemes: Collection[str] | None, blocked: object) -> _Found:
    """Check the scheme of the shared state; the address may hold a password, and is not shown."""
    scheme, colon, _ = url.partition(":")
    if not url or (colon and scheme.lower() in (BUILTIN_SCHEMES if schemes is None else schemes)):
        return
    message = "this is no address of a shared state"
    if isinstance(blocked, list) and "state" in blocked:
        message += "; plugins.blocked has the plugin state"
    allowed = ("redis://user:password@host:6379/0", "rediss://…", "valkey://…", "unix:/path")
    is_certain = schemes is not None or not colon
    yield (
        ("state", "url"),
        Problem(message, allowed=allowed, severity="error" if is_certain else "warning"),
    )


def _keys(url: str, schemes: Collection[str] | None, blocked: object) -> _Found:
    """Check the scheme of the key store; the address may hold a password, and is not shown."""
    scheme, colon, _ = url.partition(":")
    known = BUILTIN_KEY_SCHEMES if schemes is None else schemes
    allowed = ("postgresql://user:password@host/name", "file:")
    if not url or (colon and scheme.lower() in known):
        if scheme.lower() in ("postgresql", "postgres") and is_ambiguous(url):
            yield ("keys", "url"), Problem(_AMBIGUOUS, allowed=allowed)
        return
    message = "this is no address of a key store"
    if isinstance(blocked, list) and "keys" in blocked:
        message += "; plugins.blocked has the plugin keys"
    is_certain = schemes is not None or not colon
    yield (
        ("keys", "url"),
        Problem(message, allowed=allowed, severity="error" if is_certain else "warning"),
    )


def endpoint_problem(endpoint: str) -> Problem | None:
    """Return the problem with a Twisted server endpoint string, or ``None``."""
    kind, *arguments = re.split(r"(?<!\\):", endpoint)
    if not arguments or not re.fullmatch(r"[a-z][a-z0-9]*", kind):
        return Problem(
            "this is not a Twisted endpoint", allowed=("such as tcp:8045:interface=127.0.0.1",)
        )
    if kind not in _ENDPOINT_TYPES:
        message = f"Twisted has no endpoint type {kind!r}; it works only if a plugin provides it"
        return Problem(message, suggestion=closest(kind, _ENDPOINT_TYPES), severity="warning")
    if kind in ("tcp", "tcp6", "ssl"):
        named = [a.removeprefix("port=") for a in arguments if a.startswith("port=")]
        port = named[0] if named else arguments[0]
        if not re.fullmatch(r"\d{1,5}", port, re.ASCII) or int(port) > 65535:
            return Problem(
                "the endpoint has no valid port",
                allowed=("a port from 0 to 65535, such as tcp:8045",),
            )
    elif kind == "unix" and not arguments[0]:
        return Problem("the endpoint has no path", allowed=("such as unix:/run/antigravity.sock",))
    return None


def _upstream(path: KeyPath, name: str, upstream: UpstreamSettings) -> _Found:
    problem = name_problem(name)
    if problem is not None:
        yield path, problem
    yield from _address((*path, "base_url"), upstream.base_url)
    for index, address in enumerate(upstream.base_urls):
        yield from _address((*path, "base_urls", index), address, may_be_empty=False)
    yield from _address((*path, "http_proxy"), upstream.http_proxy, may_have_user=True)
    for key in ("token_url", "auth_url", "userinfo_url"):
        yield from _address((*path, "oauth", key), getattr(upstream.oauth, key))
    for index, pattern in enumerate(upstream.models):
        yield from _pattern((*path, "models", index), pattern)
    yield from _credentials(path, upstream)
    for header, value in upstream.headers.items():
        if not _HEADER_NAME.fullmatch(header) or _UNPRINTABLE.search(value):
            yield (*path, "headers", header), Problem("this is not a valid HTTP header")


def credential_keys(kind: str) -> tuple[str, ...]:
    """Return the keys for the credentials of a kind of upstream; plugins' kinds can use all."""
    if kind == "codeassist":
        return ("refresh_token",)
    return ("api_key",) if kind in BUILTIN_KINDS else ("api_key", "refresh_token")


def _credentials(path: KeyPath, upstream: UpstreamSettings) -> _Found:
    right = credential_keys(upstream.kind)
    for key in ("api_key", "api_keys", "refresh_token"):
        if getattr(upstream, key) and key.removesuffix("s") not in right:
            message = f"it has no effect for kind {upstream.kind}"
            yield (*path, key), _warning(message, allowed=right)


def _registered(
    path: KeyPath,
    name: str,
    noun: str,
    builtin: Sequence[str],
    names: Collection[str] | None,
    blocked: object,
) -> _Found:
    """Yield a problem for a name that no plugin has registered.

    ``names`` are the registered names, ``None`` if plugins are not loaded.  ``blocked`` is the
    setting of plugins not to load.
    """
    known = tuple(builtin) if names is None else tuple(sorted(names))
    if name in known:
        return
    if names is None:
        message = f"there is no built-in {noun} {name!r}; it works only if a plugin provides it"
    else:
        message = f"there is no {noun} {name!r}"
        if isinstance(blocked, list) and blocked:
            message += f" (a blocked plugin may provide it: {', '.join(map(str, blocked))})"
    yield (
        path,
        Problem(
            message,
            allowed=known,
            suggestion=closest(name, known),
            severity="warning" if names is None else "error",
        ),
    )


def _address(
    path: KeyPath, address: str, *, may_be_empty: bool = True, may_have_user: bool = False
) -> _Found:
    if address or not may_be_empty:
        problem = address_problem(address, may_have_user=may_have_user)
        if problem is not None:
            yield path, problem


def name_problem(name: str) -> Problem | None:
    """Return the problem with the name of an upstream, or ``None``."""
    if _UPSTREAM_NAME.fullmatch(name):
        return None
    return Problem(
        "this is not a valid name for an upstream", allowed=("letters, digits, _ - and .",)
    )


def _mapping(path: KeyPath, mapping: Mapping[str, str]) -> _Found:
    for pattern, target in mapping.items():
        here = (*path, pattern)
        yield from _pattern(here, pattern)
        if not target.strip() or "*" in target:
            yield here, Problem("the target of a mapping must be one model, without a wildcard")


def _fallbacks(settings: Settings) -> _Found:
    """Check the fallback models."""
    for pattern, models in settings.routing.fallback_models.items():
        here = ("routing", "fallback_models", pattern)
        yield from _pattern(here, pattern)
        if not models:
            yield here, Problem("expected at least one model")
        for index, model in enumerate(models):
            if not model.strip() or "*" in model:
                yield (*here, index), Problem("this must be one model, without a wildcard")


def _model_patterns(settings: Settings) -> _Found:
    """Check the patterns of model groups and monitored models."""
    for name, patterns in settings.quota.model_groups.items():
        for index, pattern in enumerate(patterns):
            yield from _pattern(("quota", "model_groups", name, index), pattern)
    for table in ("quota_protection", "scheduled_warmup"):
        for index, name in enumerate(getattr(settings, table).monitored_models):
            yield from _pattern((table, "monitored_models", index), name)


def _pattern(path: KeyPath, pattern: str) -> _Found:
    if not pattern or pattern != pattern.strip() or _UNPRINTABLE.search(pattern):
        yield (
            path,
            Problem(
                "a pattern must be the name of a model, without spaces around it",
                allowed=("* is the only wildcard",),
            ),
        )
    elif _REGULAR_EXPRESSION.search(pattern):
        message = "this looks like a regular expression; * is the only wildcard"
        yield path, _warning(message)


def _plugins(plugins: Mapping[str, object]) -> _Found:
    for name, value in plugins.items():
        path = ("plugins", name)
        if name == "blocked":
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                yield path, Problem('expected a list of plugin names, such as ["one", "two"]')
        elif not isinstance(value, dict):
            suggestion = closest(name, ["blocked"])
            message = "expected a table with the settings of this plugin"
            yield path, Problem(message, suggestion=suggestion)


def _warning(message: str, *, allowed: tuple[str, ...] = ()) -> Problem:
    return Problem(message, allowed=allowed, severity="warning")
