"""Delays for clients that guess API keys.

The delay grows with each wrong key of an address.  The number of delayed responses is limited;
beyond the limit a wrong key is refused at once with 429.  A valid key is never delayed, so that
other clients at the same address are not locked out.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

from antigravity.config.ip_networks import client_network
from antigravity.ir.errors import AuthenticationError, GatewayError, RateLimitedError
from antigravity.logs import make_logger

#: Wrong keys of an address without a delay: a user may have to correct a key.
FREE_TRIES: Final = 5
#: The first delay in seconds, which doubles with every wrong key, and the longest one.
FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 3.0
#: Seconds in which the count of wrong keys is halved.
HALF_LIFE: Final = 60.0
#: Wrong keys of an address of which other gateways learn at once, and seconds between two messages
#: about more of them.
TOLD_AT_ONCE: Final = 2 * FREE_TRIES
TELL_INTERVAL: Final = 1.0
#: Delayed responses at a time, for one address and for all.
MAX_DELAYED: Final = 16
MAX_DELAYED_IN_ALL: Final = 256
#: The maximum number of addresses in memory.
MAX_ADDRESSES: Final = 4096
#: Seconds between two lines in the log about an address, and lines in such a period.
LOG_PERIOD: Final = 60.0
LOG_LINES: Final = 10


#: Different keys of an address in a period (seconds) that are accepted where any key is.
MAX_UNKNOWN: Final = 8
UNKNOWN_PERIOD: Final = 600.0


class WrongKeyError(AuthenticationError):
    """A key was sent that is not valid."""


class _Address:
    """The wrong keys of one address."""

    __slots__ = ("due", "logged", "seen", "since", "told", "untold", "wrong")

    def __init__(self) -> None:
        self.wrong = 0.0
        self.seen = 0.0
        self.logged = float("-inf")
        self.since = 0
        self.told = float("-inf")
        self.untold = 0
        self.due: deque[float] = deque()


class _UnknownKeys:
    """The unknown keys of one address: when each came, and the number at all gateways."""

    __slots__ = ("learned", "number", "seen")

    def __init__(self) -> None:
        self.seen: dict[str, float] = {}
        self.number = 0
        self.learned = float("-inf")


class KeyThrottle:
    """A counter of wrong keys by address.  Times are in seconds, of any monotonic clock.

    :param seconds: returns the time, for keys that are accepted without being known.
    :ivar total: the number of all wrong keys.
    :ivar share: counts wrong keys of an address at all gateways, and calls a function with their
        number; returns whether it does.
    :ivar share_unknown: does the same for an unknown key, which counts once at all gateways.
    """

    log = make_logger()

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self.share: Callable[[str, int, Callable[[int], None]], bool] | None = None
        self.share_unknown: Callable[[str, str, Callable[[int], None]], bool] | None = None
        self._seconds = seconds
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        self._unknown: OrderedDict[str, _UnknownKeys] = OrderedDict()
        self._due: deque[float] = deque()
        self._period = float("-inf")
        self._lines = 0

    def throttle(self, error: GatewayError, peer: str, now: float) -> tuple[GatewayError, float]:
        """Return the error to respond with, and the seconds to wait before that."""
        if not isinstance(error, WrongKeyError):
            return error, 0.0
        self.total += 1
        name = network_of(peer)
        address = self._addresses.setdefault(name, _Address())
        self._addresses.move_to_end(name)
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        address.wrong = address.wrong * 0.5 ** ((now - address.seen) / HALF_LIFE) + 1.0
        address.seen = now
        address.since += 1
        if self.share is not None:
            self._tell(self.share, name, address, now)
        if address.wrong <= FREE_TRIES:
            return error, 0.0
        self._log_wrong_keys(name, address, now)
        delay = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(address.wrong - FREE_TRIES - 1, 30.0))
        for waiting in (address.due, self._due):
            while waiting and waiting[0] <= now:
                waiting.popleft()
        if len(address.due) >= MAX_DELAYED or len(self._due) >= MAX_DELAYED_IN_ALL:
            return _too_many(), 0.0
        for waiting in (address.due, self._due):
            waiting.append(now + delay)
        return error, delay

    def _tell(
        self,
        share: Callable[[str, int, Callable[[int], None]], bool],
        name: str,
        address: _Address,
        now: float,
    ) -> None:
        """Let other gateways know of the wrong keys of an address, and learn of theirs."""
        address.untold += 1
        if address.wrong > TOLD_AT_ONCE and now - address.told < TELL_INTERVAL:
            return

        def learn(count: int) -> None:
            address.wrong = max(address.wrong, float(count))

        if share(name, address.untold, learn):
            address.untold, address.told = 0, now

    def admit_unknown(self, key: str, peer: str) -> None:
        """Accept a key that is not known, where any key is accepted but one has more rights.

        :param key: an opaque name of it.
        :raises WrongKeyError: if the address has sent many others: it may be guessing that one.
        """
        now, name = self._seconds(), network_of(peer)
        unknown = self._unknown.setdefault(name, _UnknownKeys())
        seen = unknown.seen
        self._unknown.move_to_end(name)
        if len(self._unknown) > MAX_ADDRESSES:
            self._unknown.popitem(last=False)
        if key in seen:
            return
        for old in [each for each, since in seen.items() if now - since >= UNKNOWN_PERIOD]:
            del seen[old]
        if now - unknown.learned >= UNKNOWN_PERIOD:
            unknown.number = 0
        if max(len(seen), unknown.number) >= MAX_UNKNOWN:
            raise WrongKeyError(
                f"More than {MAX_UNKNOWN} different keys came from this address in "
                f"{UNKNOWN_PERIOD / 60:.0f} minutes, as if it were guessing one.  Send no key, or "
                "always the same.",
                code="invalid_api_key",
            )
        seen[key] = now

        def learn(number: int) -> None:
            unknown.number, unknown.learned = number, now

        if self.share_unknown is not None:
            self.share_unknown(name, key, learn)

    def _log_wrong_keys(self, name: str, address: _Address, now: float) -> None:
        """Log the wrong keys of an address, at most once in a period."""
        if now - address.logged < LOG_PERIOD:
            return
        if now - self._period >= LOG_PERIOD:
            self._period, self._lines = now, 0
        self._lines += 1
        if self._lines > LOG_LINES:
            return
        count, address.since, address.logged = address.since, 0, now
        self.log.warn(
            "{n} requests from {address} had a wrong API key; more are refused after a delay",
            n=count,
            address=name,
        )


def network_of(peer: str) -> str:
    """Return the network that counts as one client: an IPv4 address, or 64 bits of IPv6.

    A label before the address stays, and so does text that is not an address.
    """
    label, space, host = peer[:128].rpartition(" ")
    return f"{label}{space}{client_network(host)}"


class TooManyWrongKeysError(RateLimitedError):
    """An address has sent so many wrong keys that they are not logged one by one."""


def _too_many() -> GatewayError:
    return TooManyWrongKeysError(
        "Too many requests with a wrong API key came from this address. Send the right key.",
        retry_after=LONGEST_DELAY,
        code="too_many_wrong_keys",
    )
