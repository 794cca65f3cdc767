"""Check whether a new configuration may replace the current one.

A missing setting never widens access, because a file may have been removed, its link may dangle, or
it may be half written.  An explicit setting always takes effect.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from antigravity.config.errors import ConfigurationError, Problem
from antigravity.config.last_run import LastRun, explain_missing_settings
from antigravity.config.network import reaches_network
from antigravity.config.paths import KeyPath, dotted
from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.config.snapshot import Configuration

_STRICTNESS: Final = ("off", "all_except_health", "strict")
_AUTH_MODE: Final[KeyPath] = ("proxy", "auth_mode")
_LAN: Final[KeyPath] = ("proxy", "allow_lan_access")
_LISTEN: Final[KeyPath] = ("proxy", "listen")
_PROXIES: Final[KeyPath] = ("proxy", "trusted_proxies")
_KEEP: Final = "the gateway keeps its earlier configuration"


def check_replacement(old: Configuration, new: Configuration) -> None:
    """Check that ``new`` may replace ``old`` while the gateway runs.

    :raises ConfigurationError: if a setting that restricted access is missing.
    """
    place = str(new.file)
    if old.raw.has_file and not new.raw.has_file:
        message = f"the configuration file is missing; {_KEEP}. Restore the file"
        raise ConfigurationError([Problem(message, place=place)])
    if not old.raw.is_blank and new.raw.is_blank:
        message = f"the file no longer contains any settings; {_KEEP}. Restore the settings"
        raise ConfigurationError([Problem(message, place=place)])
    problems = [
        Problem(f"{message}; {_KEEP}. {remedy}", key=dotted(path), place=place)
        for path, message, remedy in _openings(old, new)
    ]
    if problems:
        raise ConfigurationError(problems)


def check_start(last: LastRun | None, new: Configuration, home: Path) -> None:
    """Check that a gateway started with ``new`` requires a key if its last run did.

    Only a missing file, or one without settings, is refused.

    :raises ConfigurationError: if it does not require one.
    """
    if last is None or not last.file or last.file != str(new.file):
        return
    if new.raw.has_file and not new.raw.is_blank:
        return
    if _is_closed(effective_auth_mode(new.settings.proxy), last.auth_mode):
        return
    what = (
        "the file contains no settings" if new.raw.has_file else "the configuration file is missing"
    )
    raise ConfigurationError([Problem(explain_missing_settings(what, home), place=last.file)])


def _openings(old: Configuration, new: Configuration) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield each setting whose absence in ``new`` widens access, with message and remedy."""
    before, after = old.settings.proxy, new.settings.proxy
    modes = effective_auth_mode(before), effective_auth_mode(after)
    if not _is_closed(modes[1], modes[0]):
        path = _reason_for_mode(old)
        if path != _PROXIES and new.raw.origin(path) is None:
            message = (
                f'it is missing, and authentication would go from "{modes[0]}" to "{modes[1]}"'
            )
            remedy = 'Set auth_mode = "off" if everyone may use the gateway'
            yield path, message, remedy
    if _is_reachable(after) and not _is_reachable(before) and before.listen and not after.listen:
        message = "it is missing, and other machines could reach the gateway"
        yield _LISTEN, message, "Set it to the endpoints to listen on"
    if before.trusted_proxies and not after.trusted_proxies and new.raw.origin(_PROXIES) is None:
        message = "it is missing, and clients behind proxies would have the addresses of these"
        yield _PROXIES, message, "Set trusted_proxies = [] if there is no proxy"


def _is_closed(mode: str, demanded: str) -> bool:
    """Return whether ``mode`` requires a key for at least the same requests as ``demanded``."""
    known = _STRICTNESS.index(demanded) if demanded in _STRICTNESS else len(_STRICTNESS)
    return _STRICTNESS.index(mode) >= known


def _reason_for_mode(configuration: Configuration) -> KeyPath:
    """Return the setting that determines the authentication mode."""
    proxy = configuration.settings.proxy
    if proxy.auth_mode != "auto":
        return _AUTH_MODE
    if proxy.allow_lan_access:
        return _LAN
    return _LISTEN if any(map(reaches_network, proxy.listen)) else _PROXIES


def _is_reachable(proxy: ProxySettings) -> bool:
    if proxy.listen:
        return any(map(reaches_network, proxy.listen))
    return proxy.allow_lan_access
