"""The keys in force, by digest and by id, with the checks that need no counting."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Final

from msgspec import Struct
from zope.interface import implementer

from antigravity.config.ip_networks import Network, in_networks, parse_network
from antigravity.interfaces.keys import Endpoint, IKeyRing
from antigravity.interfaces.state import WindowClaim
from antigravity.ir.errors import AuthenticationError, PermissionDeniedError, UnavailableError
from antigravity.keys.key_addresses import KeyAddresses
from antigravity.keys.records import KeyRecord
from antigravity.keys.secret import ID_PREFIX, digest_of, is_secret
from antigravity.keys.stored_keys import StoredKeys
from antigravity.keys.values import (
    Budget,
    Times,
    parse_budget,
    parse_times,
    zone,
)
from antigravity.logs import make_logger
from antigravity.routing.patterns import matches

#: Seconds of a rate limit.
MINUTE: Final = 60.0
_NEVER: Final = float("inf")


class ActiveKey(Struct, frozen=True):
    """A key with its rules parsed; ``expires`` is in seconds since the epoch.

    ``time_zone`` is that of its times and budgets, ``None`` for the machine's own.  ``requests`` is
    the claim of each request in its window; ``tokens`` and ``slots`` are the names of the others.
    """

    record: KeyRecord
    expires: float
    networks: tuple[Network, ...]
    times: tuple[Times, ...]
    budgets: tuple[Budget, ...]
    time_zone: tzinfo | None
    requests: WindowClaim | None
    tokens: str
    slots: str

    @property
    def id(self) -> str:
        """The id of the key, by which records name it."""
        return self.record.id

    @property
    def is_limited(self) -> bool:
        """Whether requests have to be counted."""
        record = self.record
        return bool(
            record.requests_per_minute
            or record.tokens_per_minute
            or record.parallel_requests
            or self.budgets
        )

    def local_time(self, now: float) -> datetime:
        """Return a time in the time zone of the key."""
        return datetime.fromtimestamp(now, self.time_zone)

    def check_time(self, now: float) -> None:
        """Check that the key may be used now.

        :raises AuthenticationError: if it is disabled or has expired.
        :raises PermissionDeniedError: if it may be used at other times.
        """
        record = self.record
        if not record.enabled:
            raise AuthenticationError(
                "This API key is disabled. The operator of the gateway can enable it.",
                code="key_disabled",
            )
        if now >= self.expires:
            raise AuthenticationError(
                f"This API key has expired ({record.expires}).", code="key_expired"
            )
        if self.times:
            moment = self.local_time(now)
            if not any(each.includes(moment) for each in self.times):
                where = f" ({record.time_zone})" if record.time_zone else ""
                raise PermissionDeniedError(
                    f"This API key may not be used now, only {', '.join(record.times)}{where}.",
                    code="key_not_valid_now",
                )

    def check_endpoint(self, endpoint: Endpoint) -> None:
        """Check that the key may use an endpoint.

        :raises PermissionDeniedError: if not.
        """
        allowed = self.record.endpoints
        if allowed and endpoint not in allowed:
            raise PermissionDeniedError(
                f"This API key may not be used for {endpoint}, only for {', '.join(allowed)}.",
                code="endpoint_not_allowed",
            )

    def allows_model(self, model: str) -> bool:
        """Return whether the key may ask for a model."""
        models = self.record.models
        return not models or any(matches(each, model) for each in models)

    def check_model(self, model: str) -> None:
        """Check that the key may ask for a model.

        :raises PermissionDeniedError: if not.
        """
        if not self.allows_model(model):
            raise PermissionDeniedError(
                f"This API key may not use the model {model[:200]!r}, only "
                f"{', '.join(self.record.models)}.",
                param="model",
                code="model_not_allowed",
            )


@implementer(IKeyRing)
class KeyRing:
    """The keys in force.

    :param now: returns the seconds since the epoch.
    :ivar by_id: the keys by id.
    :ivar problem: why the keys cannot be used, empty if they can.
    :ivar is_used: whether there are keys, or may be.
    :ivar addresses: where keys are used from, if that is limited.
    """

    log = make_logger()

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.by_id: dict[str, ActiveKey] = {}
        self.problem = ""
        self.is_used = False
        self._is_lost = False
        self._salts: tuple[str, ...] = ()
        self._by_digest: dict[str, tuple[ActiveKey, float]] = {}
        self.addresses = KeyAddresses(now)

    def is_secret(self, text: str) -> bool:
        """Return whether a text has the form of a key's secret."""
        return is_secret(text)

    def use(self, stored: StoredKeys, time_zone: str = "") -> None:
        """Replace the keys; if their store is damaged, none of them is valid.

        :param time_zone: that of keys without one, empty for the machine's own.
        """
        problem = stored.problem or "; ".join(stored.damaged)
        if problem and problem != self.problem:
            self.log.error("keys of clients are refused: {problem}", problem=problem)
        self.problem = problem
        self._is_lost = stored.is_lost
        self._salts = tuple(
            dict.fromkeys(filter(None, (stored.salt, *(each.salt for each in stored.records))))
        )
        self.by_id = {each.id: self._activate(each, time_zone) for each in stored.records}
        found: dict[str, tuple[ActiveKey, float]] = {}
        for key in self.by_id.values():
            if key.record.previous_digest:
                found[key.record.previous_digest] = key, key.record.previous_until
        found.update({key.record.digest: (key, _NEVER) for key in self.by_id.values()})
        self._by_digest = found
        self.is_used = bool(found or problem)
        self.addresses.keep(self.by_id)

    def authenticate(self, secret: str, address: str) -> str | None:
        """Return the id of the key with a secret; see :class:`IKeyRing`."""
        if not is_secret(secret):
            return None
        found = self._find(secret)
        now = self._now()
        if found is None or now >= found[1]:
            if self._is_lost:
                raise UnavailableError(
                    "The gateway cannot reach the database with its API keys; try again.",
                    code="keys_unavailable",
                )
            if self.problem:
                raise AuthenticationError(
                    "The gateway cannot read its API keys; its log says why.",
                    code="keys_unavailable",
                )
            return None
        key = found[0]
        key.check_time(now)
        if key.networks and not in_networks(address, key.networks):
            raise PermissionDeniedError(
                f"This API key may not be used from the address {address[:64]}.",
                code="address_not_allowed",
            )
        if key.record.max_addresses is not None:
            self.addresses.count(key.id, key.record.max_addresses, address)
        return key.id

    def find(self, principal: str) -> ActiveKey | None:
        """Return the key that a principal is, ``None`` if it is another one.

        :raises AuthenticationError: if it was removed, is disabled, or has expired.
        :raises PermissionDeniedError: if it must not be used now.
        """
        if not principal.startswith(ID_PREFIX):
            return None
        key = self.by_id.get(principal)
        if key is None:
            raise AuthenticationError("This API key was removed.", code="invalid_api_key")
        key.check_time(self._now())
        return key

    def check_endpoint(self, principal: str, endpoint: Endpoint) -> None:
        """Check that a principal may use an endpoint; see :class:`IKeyRing`."""
        key = self.find(principal)
        if key is not None:
            key.check_endpoint(endpoint)

    def _find(self, secret: str) -> tuple[ActiveKey, float] | None:
        """Return the key with a secret, and when the secret ends."""
        for salt in self._salts:
            if (found := self._by_digest.get(digest_of(secret, salt))) is not None:
                return found
        return None

    def _activate(self, record: KeyRecord, default_zone: str) -> ActiveKey:
        """Return a key with its rules parsed; one that has not changed stays the same object."""
        known, time_zone = self.by_id.get(record.id), zone(record.time_zone or default_zone)
        if known is not None and known.record == record and known.time_zone is time_zone:
            return known
        return ActiveKey(
            record,
            datetime.fromisoformat(record.expires).timestamp() if record.expires else _NEVER,
            tuple(map(parse_network, record.addresses)),
            tuple(map(parse_times, record.times)),
            tuple(map(parse_budget, record.budgets)),
            time_zone,
            None
            if record.requests_per_minute is None
            else WindowClaim(f"key/{record.id}/requests", 1, record.requests_per_minute, MINUTE),
            f"key/{record.id}/tokens",
            f"key/{record.id}/parallel",
        )
