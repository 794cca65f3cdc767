"""API keys of clients, in any of the forms that clients send them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

from antigravity.config.key_proof import PROOF_PATH
from antigravity.config.settings import ProxySettings, effective_auth_mode
from antigravity.interfaces.keys import IKeyRing
from antigravity.ir.errors import AuthenticationError
from antigravity.web.key_throttle import WrongKeyError

#: Headers that hold keys or cookies; they are read here, and never passed on.
CREDENTIAL_HEADERS: Final = frozenset(
    {"authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
)
#: Query parameters of the same kind.
CREDENTIAL_PARAMETERS: Final = frozenset({"key"})

HEALTH_PATH: Final = "/healthz"
#: Files need no key: browsers fetch images without one, and the names are secret.
FILES_PATH: Final = "/files/"
#: Paths that begin with these need the administration's key, whatever the mode.
METRICS_PATH: Final = "/metrics"
OPERATOR_PREFIXES: Final = ("/admin/", "/internal/", METRICS_PATH)
#: Where the administration's key is valid, too: some tools are for the operator.
MCP_PATH: Final = "/mcp"
#: The dashboard, whose pages check sessions.
DASHBOARD_PATH: Final = "/dashboard"

_HOW = (
    "Send it as 'Authorization: Bearer KEY', 'x-api-key: KEY', 'x-goog-api-key: KEY' or '?key=KEY'."
)
_WHERE = "It is api_key in the [proxy] table of the gateway's configuration."
_MADE = "The operator of the gateway makes keys with 'antigravity keys add'."


def is_dashboard(path: str) -> bool:
    """Return whether a path belongs to the dashboard."""
    return path.startswith(DASHBOARD_PATH) and path[len(DASHBOARD_PATH) :][:1] in ("", "/")


def bearer(authorization: str) -> str:
    """Return the token of an ``Authorization`` header, or ``""`` if it is of another scheme."""
    scheme, *token = authorization.split(None, 1) or [""]
    return token[0].rstrip() if token and scheme.lower() == "bearer" else ""


def principal_of(key: str) -> str:
    """Return a stable, opaque name for ``key`` that does not reveal it."""
    if not key:
        return ""
    digest = blake2b(key.encode("utf-8", "replace"), digest_size=8, person=b"principal")
    return digest.hexdigest()


class Authenticator:
    """The check of API keys against one snapshot of the settings.

    The mode ``off`` demands no key, ``strict`` demands one for every request, and
    ``all_except_health`` for all but ``GET /healthz``.  The dashboard has sessions instead.
    Published files and ``OPTIONS`` never need a key: browsers fetch images and send preflights
    without one.  Proofs of a key do not, because commands ask for one before they send theirs.

    :param ring: the keys of clients, which have rules of their own, also in the mode ``off``.
    """

    def __init__(self, proxy: ProxySettings, ring: IKeyRing | None = None) -> None:
        self._ring = ring
        self.mode: Final = effective_auth_mode(proxy)
        self._key = proxy.api_key
        self._admin_key = proxy.admin_key
        self._principal = principal_of(self._key.reveal())

    def problem(self) -> str:
        """Return the reason why every request will be refused, or ``""``."""
        if self.mode != "off" and not self._key and not self._has_keys:
            return (
                "Authentication is on but no key is set: every request will be refused. "
                'Set api_key in the [proxy] table, or auth_mode = "off".'
            )
        return ""

    @property
    def _has_keys(self) -> bool:
        return self._ring is not None and bool(self._ring.is_used)

    def authenticate(self, method: str, path: str, keys: Sequence[str], address: str = "") -> str:
        """Return the principal of the client, ``""`` for an anonymous one.

        One valid key is enough: some clients send a dummy in one header, the real key in another.
        A key with rules comes first, so that no other key beside it ends its limits.

        :param address: that of the client.
        :raises AuthenticationError: if none of ``keys`` is valid.
        :raises PermissionDeniedError: if a valid key must not be used now or from there.
        """
        if path.startswith(OPERATOR_PREFIXES):
            return self.administrator(keys)
        if keys and self._ring is not None:
            for key in keys:
                if (found := self._find_key(key, address)) is not None:
                    return found
        if self.mode == "off":
            return next((principal_of(key) for key in keys if key), "")
        is_valid = sent = False
        for key in keys:  # compare all, so that the time does not depend on which one is valid
            sent = sent or bool(key)
            is_valid |= self._key.matches(key)
        if is_valid:
            return self._principal
        if method in ("GET", "HEAD") and (path.startswith(FILES_PATH) or path == PROOF_PATH):
            return ""
        if method == "OPTIONS" or (path == HEALTH_PATH and self.mode == "all_except_health"):
            return ""
        if is_dashboard(path):
            return ""
        if not self._key and not self._has_keys:
            raise AuthenticationError(
                "The gateway demands an API key, but its operator has set none. " + _WHERE,
                code="invalid_api_key",
            )
        if sent:
            raise WrongKeyError(f"The API key is wrong. {_HOW} {_WHERE}", code="invalid_api_key")
        message = f"No API key was sent. {_HOW} {_WHERE}"
        raise AuthenticationError(message, code="invalid_api_key")

    def unknown_keys(self, principal: str, keys: Sequence[str]) -> list[str]:
        """Return opaque names of the keys of an admitted request that were not looked at.

        Any key is accepted without authentication, and beside a valid one.  Where one has more
        rights than others, these could be guesses of it.
        """
        names = [principal_of(key) for key in keys if key and not self._key.matches(key)]
        has_rules = len(keys) == 1 and principal not in names
        return [] if has_rules else names

    def _find_key(self, key: str, address: str) -> str | None:
        """Return the principal of a key with rules, ``None`` if it has none.

        :raises AuthenticationError: if it is no longer valid, also without authentication: without
            a key there are no limits.
        """
        assert self._ring is not None
        found: str | None = self._ring.authenticate(key, address)
        if (
            found is None
            and self.mode == "off"
            and self._ring.is_secret(key)
            and not self._key.matches(key)
        ):
            raise WrongKeyError(f"The API key is wrong. {_HOW} {_MADE}", code="invalid_api_key")
        return found

    def operator(self, keys: Iterable[str]) -> str:
        """Return the principal of the administrator if one of ``keys`` is theirs, else ``""``."""
        is_operator = False
        for key in keys:
            is_operator |= bool(key and self._admin_key) and self._admin_key.matches(key)
        return self.administrator_principal if is_operator else ""

    @property
    def administrator_principal(self) -> str:
        """The principal of the administrator, ``""`` if the administration is off."""
        return principal_of(self._admin_key.reveal())

    def administrator(self, keys: Iterable[str]) -> str:
        """Return the principal of an administrator, who has a key of its own.

        :raises AuthenticationError: if none of ``keys`` is the administration's.
        """
        if not self._admin_key:
            raise AuthenticationError(
                "The administration is switched off. Set admin_key in the [proxy] table of the "
                "gateway's configuration to switch it on.",
                code="invalid_api_key",
            )
        sent = [key for key in keys if key]
        good = [key for key in sent if self._admin_key.matches(key)]
        if not good:
            raise (WrongKeyError if sent else AuthenticationError)(
                f"The administration has a key of its own. {_HOW} It is admin_key in the [proxy] "
                "table of the gateway's configuration.",
                code="invalid_api_key",
            )
        return principal_of(good[0])
