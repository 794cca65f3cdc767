"""Clients that try keys are slowed down; clients with the right key are not."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.config.secret import Secret
from antigravity.ir.errors import AuthenticationError, RateLimitedError
from antigravity.web.key_throttle import (
    FREE_TRIES,
    HALF_LIFE,
    LOG_LINES,
    LOG_PERIOD,
    LONGEST_DELAY,
    MAX_ADDRESSES,
    MAX_DELAYED,
    MAX_DELAYED_IN_ALL,
    MAX_UNKNOWN,
    TELL_INTERVAL,
    TOLD_AT_ONCE,
    UNKNOWN_PERIOD,
    KeyThrottle,
    TooManyWrongKeysError,
    WrongKeyError,
    network_of,
)
from antigravity.web.shared_guesses import MAX_CALLS, SharedGuesses
from tests.support.shared_memory import SharedMemory
from tests.web.builders import Transport, WebHarness

KEY = "sk-right"
WRONG = WrongKeyError("The key is wrong.")


def ask(path: str, key: str, method: str = "GET", body: str = "") -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nx-api-key: {key}\r\n{length}\r\n"
    return (head + body).encode()


def statuses(web: WebHarness) -> list[int]:
    return [each.status for each in web.responses()]


@pytest.mark.parametrize("path", ["/v1/models", "/admin/status"])
def test_each_wrong_key_is_refused_later(path: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY), admin_key=Secret("sk-admin"))
    for _ in range(FREE_TRIES):
        assert web.request("GET", path, None, "x-api-key: sk-wrong").status == 401
    waits = []
    for _ in range(12):
        web.transport.clear()
        web.send(ask(path, "sk-wrong"))
        waited = 0.0
        while not web.wire():
            web.clock.advance(0.05)
            waited += 0.05
        assert statuses(web) == [401]
        waits.append(round(waited, 1))
    assert waits == sorted(waits)
    assert waits[0] < 0.2
    assert waits[-1] == pytest.approx(LONGEST_DELAY, abs=0.1)


def test_right_key_from_the_same_address_is_not_delayed() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    for _ in range(200):
        web.connect()
        web.send(ask("/v1/models", "sk-wrong"))
    web.connect()
    for method, body in (("GET", ""), ("POST", "{}")):
        path = "/v1/messages" if body else "/v1/models"
        web.transport.clear()
        web.send(ask(path, KEY, method, body))
        assert statuses(web) == [200]


def test_delayed_refusal_does_not_read_the_body() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    for _ in range(FREE_TRIES + 1):
        web.connect()
        web.send(ask("/v1/messages", "sk-wrong", "POST", "{}"))
    assert web.wire() == b""
    web.clock.advance(LONGEST_DELAY)
    assert statuses(web) == [401]
    assert web.exchange.calls == []


@pytest.mark.parametrize("body", ["", "{}"])
def test_disconnect_during_the_delay_leaves_no_timer(body: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    for _ in range(FREE_TRIES + 1):
        web.connect()
        web.send(ask("/v1/messages", "sk-wrong", "POST" if body else "GET", body))
    web.lose()
    assert web.wire() == b""
    web.clock.advance(LONGEST_DELAY)
    assert web.wire() == b""


def test_too_many_delayed_refusals_are_429_at_once() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    transports: list[Transport] = []
    for _ in range(100):
        web.connect()
        web.send(ask("/v1/models", "sk-wrong"))
        transports.append(web.transport)
    waiting = [each for each in transports if not each.value()]
    refused = [each for each in transports if b" 429 " in each.value()]
    assert len(waiting) == MAX_DELAYED
    assert len(refused) == 100 - MAX_DELAYED - FREE_TRIES
    assert b"too_many_wrong_keys" in refused[0].value()


@pytest.mark.parametrize("body", ["", "{}"])
def test_too_many_wrong_keys_are_not_logged_one_by_one(logged: list[str], body: str) -> None:
    web = WebHarness(log=True, auth_mode="strict", api_key=Secret(KEY))
    for _ in range(500):
        web.connect()
        web.send(ask("/v1/messages", "sk-wrong", "POST" if body else "GET", body))
    assert len(logged) == FREE_TRIES + 1
    web.clock.advance(LONGEST_DELAY)
    assert len(logged) == FREE_TRIES + 1 + MAX_DELAYED
    assert web.app.admission.key_throttle.total == 500


def test_missing_key_and_open_paths_are_not_delayed() -> None:
    web = WebHarness(auth_mode="all_except_health", api_key=Secret(KEY))
    for _ in range(50):
        assert web.request("GET", "/v1/models").status == 401
        assert web.request("GET", "/healthz", None, "x-api-key: sk-wrong").status == 200
    assert web.app.admission.key_throttle.total == 0


def test_other_addresses_are_not_slowed_down() -> None:
    throttle = KeyThrottle()
    for _ in range(40):
        throttle.throttle(WRONG, "203.0.113.1", 0.0)
    error, delay = throttle.throttle(WRONG, "203.0.113.1", 0.0)
    assert (type(error), delay) == (TooManyWrongKeysError, 0.0)
    assert throttle.throttle(WRONG, "203.0.113.2", 0.0) == (WRONG, 0.0)


def test_wrong_keys_expire() -> None:
    throttle = KeyThrottle()
    for _ in range(FREE_TRIES + 3):
        throttle.throttle(WRONG, "203.0.113.1", 0.0)
    assert throttle.throttle(WRONG, "203.0.113.1", 10 * HALF_LIFE) == (WRONG, 0.0)


def test_other_errors_are_not_delayed() -> None:
    throttle, error = KeyThrottle(), AuthenticationError("No key was sent.")
    assert throttle.throttle(error, "203.0.113.1", 0.0) == (error, 0.0)
    assert throttle.total == 0


def test_addresses_and_delayed_refusals_are_bounded() -> None:
    throttle = KeyThrottle()
    for number in range(MAX_ADDRESSES + 500):
        throttle.throttle(WRONG, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 0.0)
    assert len(throttle._addresses) == MAX_ADDRESSES
    late = 0
    for number in range(100):
        for _ in range(FREE_TRIES + 10):
            error, delay = throttle.throttle(WRONG, f"192.0.2.{number}", 0.0)
            late += bool(delay)
            assert delay or error is WRONG or isinstance(error, RateLimitedError)
    assert late == MAX_DELAYED_IN_ALL


def test_log_lines_are_limited(logged: list[str]) -> None:
    throttle = KeyThrottle()
    for number in range(2000):
        throttle.throttle(WRONG, "203.0.113.1", number * 0.001)
    (line,) = logged
    assert line.startswith(f"{FREE_TRIES + 1} requests from 203.0.113.1 had a wrong API key")
    for _ in range(FREE_TRIES):
        throttle.throttle(WRONG, "203.0.113.1", LOG_PERIOD + 1)
    assert logged[1].startswith("1995 requests from 203.0.113.1")
    for number in range(100):
        for _ in range(FREE_TRIES + 1):
            throttle.throttle(WRONG, f"192.0.2.{number}", LOG_PERIOD + 2)
    assert len(logged) == 1 + LOG_LINES


def test_client_is_an_ipv4_address_or_an_ipv6_network() -> None:
    assert network_of("203.0.113.1") == network_of("::ffff:203.0.113.1") == "203.0.113.1"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") == "2001:db8::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("local") == "local"
    assert network_of("tunnel 2001:db8::1") == "tunnel 2001:db8::/64"
    assert len(network_of("tunnel " + "x" * 5000)) <= 128


def test_client_is_the_peer_whatever_the_headers_are() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    for number in range(FREE_TRIES + 1):
        web.connect("203.0.113.1")
        header = f"x-forwarded-for: 192.0.2.{number}\r\ncf-connecting-ip: 192.0.2.{number}"
        web.send(ask("/v1/models", f"sk-wrong\r\n{header}"))
    assert web.wire() == b""
    assert isinstance(web.transport.getPeer(), IPv4Address)


@pytest.mark.parametrize("mode", ["off", "strict"])
def test_guesses_beside_accepted_keys_are_refused_where_one_has_more_rights(mode: str) -> None:
    """The admin key has more rights at /mcp, where any key is accepted without authentication."""
    settings: dict[str, Any] = {"auth_mode": mode, "api_key": Secret(KEY)}
    web = WebHarness(**settings, admin_key=Secret("sk-admin"))
    clock = [0.0]
    web.app.admission.key_throttle = KeyThrottle(lambda: clock[0])

    def post(*keys: str) -> int:
        web.connect()
        names = ("x-api-key", "x-goog-api-key")
        sent = [f"{name}: {key}" for name, key in zip(names, keys, strict=False)]
        web.request("POST", "/mcp", b"{}", *sent)
        return web.responses()[-1].status

    def guess(number: int) -> int:
        return post(KEY, f"guess-{number}") if mode == "strict" else post(f"guess-{number}")

    assert [guess(number) for number in range(MAX_UNKNOWN)] == [404] * MAX_UNKNOWN
    assert guess(MAX_UNKNOWN) == 401
    assert guess(0) == 404  # a client that always sends the same is no guesser
    assert post(KEY) == 404
    assert post("sk-admin") == 404  # admitted, but there is no endpoint here
    clock[0] += UNKNOWN_PERIOD
    assert guess(MAX_UNKNOWN) == 404


def test_addresses_with_unknown_keys_are_bounded() -> None:
    throttle = KeyThrottle(lambda: 0.0)
    for number in range(MAX_ADDRESSES + 10):
        throttle.admit_unknown("key", f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(throttle._unknown) == MAX_ADDRESSES


class SharedGuessTests(SynchronousTestCase):
    """A guesser that goes from one gateway to the other."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.shared = SharedMemory(self.clock)
        self.throttles = [self.throttle(), self.throttle()]

    def throttle(self) -> KeyThrottle:
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        throttle, guesses = KeyThrottle(self.clock.seconds), SharedGuesses(state)
        throttle.share, throttle.share_unknown = guesses.tell, guesses.tell_unknown
        return throttle

    def guess(self, number: int, peer: str = "203.0.113.1") -> float:
        """Return the delay of a wrong key at a gateway."""
        return self.throttles[number].throttle(WRONG, peer, self.clock.seconds())[1]

    def test_wrong_keys_at_all_gateways_count(self) -> None:
        delays = [self.guess(number % 2) for number in range(4 * FREE_TRIES)]
        free = [delay for delay in delays if not delay]
        # The one that a gateway had not heard of yet is free, too.
        self.assertLessEqual(len(free), FREE_TRIES + 1)
        self.assertEqual(self.guess(0, "203.0.113.2"), 0.0)

    def test_server_does_not_learn_address(self) -> None:
        self.guess(0)
        self.assertTrue(self.shared.memory._windows)
        self.assertNotIn("203.0.113.1", repr(self.shared.memory._windows.keys()))

    def test_many_wrong_keys_take_one_call_a_second(self) -> None:
        for _ in range(1000):
            self.guess(0)
        calls = self.shared.calls.count("claim")
        self.assertLessEqual(calls, TOLD_AT_ONCE + 5)
        self.clock.advance(TELL_INTERVAL)
        self.guess(0)
        self.assertEqual(self.shared.calls.count("claim"), calls + 1)
        self.guess(1)
        self.assertEqual(self.guess(1), LONGEST_DELAY)

    def admit(self, number: int, key: str, peer: str = "203.0.113.1") -> bool:
        """Return whether a gateway accepts an unknown key."""
        try:
            self.throttles[number].admit_unknown(key, peer)
        except WrongKeyError:
            return False
        return True

    def test_unknown_keys_at_all_gateways_count(self) -> None:
        admitted = [self.admit(number % 2, f"key {number}") for number in range(30)]
        self.assertEqual(sum(admitted), MAX_UNKNOWN + 1)  # one that a gateway had not heard of yet
        self.assertTrue(self.admit(0, "key 0"))
        self.assertTrue(self.admit(0, "key", "203.0.113.2"))
        names = repr(self.shared.memory._windows.keys())
        self.assertNotIn("203.0.113", names)
        self.assertNotIn("key 0", names)
        self.clock.advance(2 * UNKNOWN_PERIOD)
        self.assertTrue(self.admit(0, "key 40"))

    def test_unknown_key_counts_once_at_all_gateways(self) -> None:
        self.throttles = [self.throttle() for _ in range(2 * MAX_UNKNOWN)]
        for number in range(2 * MAX_UNKNOWN):
            self.assertTrue(self.admit(number, "the same"))
        self.assertTrue(self.admit(0, "another one"))

    def test_calls_are_bounded(self) -> None:
        self.shared.waiting = waiting = []
        for number in range(100):
            self.guess(0, f"10.0.0.{number}")
        self.assertEqual(len(waiting), MAX_CALLS)
        self.shared.waiting = None
        for each in waiting:
            each.callback(None)
        self.guess(0, "10.0.0.200")
        self.assertEqual(len(self.shared.memory._windows), MAX_CALLS + 1)

    def test_each_gateway_counts_alone_while_state_is_lost(self) -> None:
        self.shared.is_away = True
        delays = [self.guess(0) for _ in range(FREE_TRIES + 2)]
        self.assertEqual([bool(each) for each in delays], [False] * FREE_TRIES + [True] * 2)
        self.assertEqual(self.guess(1), 0.0)
