"""The addresses of keys, which gateways count together."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.ir.errors import PermissionDeniedError
from antigravity.keys.key_addresses import ADDRESS_AGE, KeyAddresses
from tests.support.shared_memory import SharedMemory

KEY = "key_1"


class KeyAddressTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.shared = SharedMemory(self.clock)

    def gateway(self) -> KeyAddresses:
        """Return the addresses of another gateway."""
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        addresses = KeyAddresses(self.clock.seconds)
        self.successResultOf(addresses.share(state, self.clock, lambda: [KEY]))
        self.addCleanup(addresses.stop)
        return addresses

    def count(self, addresses: KeyAddresses, *found: str, most: int = 2) -> None:
        for each in found:
            addresses.count(KEY, most, each)
        for _ in range(3):
            self.clock.advance(0)

    def test_gateways_count_together(self) -> None:
        one, other = self.gateway(), self.gateway()
        self.count(one, "10.0.0.1")
        self.count(other, "10.0.0.2")
        for each in (one, other, self.gateway()):
            with pytest.raises(PermissionDeniedError, match="2 other addresses"):
                self.count(each, "10.0.0.3")
            self.count(each, "10.0.0.1", "10.0.0.2")

    def test_address_counts_for_a_day_after_its_last_use(self) -> None:
        one, other = self.gateway(), self.gateway()
        self.count(one, "10.0.0.1", "10.0.0.2")
        for _ in range(30):
            self.clock.advance(ADDRESS_AGE / 20)
            self.count(one, "10.0.0.1")
        self.count(other, "10.0.0.3")
        with pytest.raises(PermissionDeniedError):
            self.count(other, "10.0.0.4")

    def test_others_learn_of_a_later_use(self) -> None:
        one, other = self.gateway(), self.gateway()
        self.count(one, "10.0.0.1")
        self.clock.advance(0.9 * ADDRESS_AGE)
        self.count(one, "10.0.0.1")
        self.clock.advance(0.2 * ADDRESS_AGE)  # a day after the first use
        for each in (other, self.gateway()):
            self.count(each, "10.0.0.2")
            with pytest.raises(PermissionDeniedError):
                self.count(each, "10.0.0.3")

    def test_server_does_not_have_addresses(self) -> None:
        self.count(self.gateway(), "10.9.8.7")
        stored: Any = self.shared.memory._others
        self.assertTrue(stored)
        self.assertNotIn("10.9.8.7", repr(stored))

    def test_known_address_needs_no_message(self) -> None:
        one = self.gateway()
        self.count(one, "10.0.0.1")
        before = len(self.shared.calls)
        for _ in range(10):
            self.count(one, "10.0.0.1")
        self.assertEqual(len(self.shared.calls), before)

    def test_each_gateway_counts_alone_while_state_is_lost(self) -> None:
        one, other = self.gateway(), self.gateway()
        self.shared.is_away = True
        self.count(one, "10.0.0.1", "10.0.0.2")
        self.count(other, "10.0.0.3")
        self.shared.is_away = False
        for _ in range(10):
            self.clock.advance(1)
        with pytest.raises(PermissionDeniedError):
            self.count(other, "10.0.0.4")
