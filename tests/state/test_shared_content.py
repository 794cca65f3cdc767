"""Contents that gateways share: encrypted, bounded, and absent if anything is wrong."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.state import content as content_module
from antigravity.state.content import SharedContent
from antigravity.state.shared import SharedState
from tests.support.shared_memory import SharedMemory

SECRET = b"a secret"


class ContentCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_796_032_800.3)
        self.shared = SharedMemory(self.clock)

    def gateway(self, secret: bytes | None = SECRET) -> SharedContent:
        """Return the contents of another gateway."""
        state = self.shared.gateway()
        self.addCleanup(state.stop)
        content = SharedContent(state, self.clock)
        content.use(secret)
        return content

    def found(self, content: SharedContent, *keys: str, kind: str = "k") -> Any:
        """Return values that were found."""
        sent = Deferred.fromCoroutine(content.find_many(kind, keys))
        values = self.successResultOf(sent)
        return values[0] if len(keys) == 1 else values

    def settle(self) -> None:
        for _ in range(3):
            self.clock.advance(0)

    @property
    def stored(self) -> dict[str, bytes]:
        """What the server has, without the table of gateways."""
        return {key: value for key, (value, _) in self.shared.memory._contents.items()}


class SharedContentTests(ContentCase):
    def test_others_find_what_one_stores(self) -> None:
        one, other = self.gateway(), self.gateway()
        one.put("k", "a", b"1", 60)
        one.put("k", "b", b"", 60)
        self.assertEqual(self.found(other, "a", "c", "b"), [b"1", None, b""])
        self.assertEqual(self.found(other, "a", kind="l"), None)
        self.clock.advance(61)
        self.assertEqual(self.found(other, "a"), None)

    def test_server_learns_neither_names_nor_contents(self) -> None:
        self.gateway().put("k", "name of the client", b"prompt of the client" * 9, 60)
        ((key, value),) = self.stored.items()
        self.assertNotIn("client", key)
        self.assertNotIn(b"prompt", value)
        self.assertRegex(key, r"^content/k/[0-9a-f]{40}$")

    def test_gateway_with_other_secret_finds_nothing(self) -> None:
        one, stranger = self.gateway(), self.gateway(b"another one")
        one.put("k", "a", b"1", 60)
        self.assertIsNone(self.found(stranger, "a"))
        ((key, value),) = self.stored.items()
        stranger.put("k", "a", b"2", 60)
        self.assertEqual(len(self.stored), 2)
        # Whoever can write cannot forge, nor put one value in the place of another.
        for wrong in (b"", b"short", bytes(60), value[:-1], bytes([value[0] ^ 1]) + value[1:]):
            self.shared.memory.put(key, wrong, 60)
            self.assertIsNone(self.found(one, "a"), wrong)
        one.put("k", "b", b"2", 60)
        other_key = next(each for each in self.stored if each != key and self.is_of(one, each))
        self.shared.memory.put(other_key, value, 60)
        self.assertIsNone(self.found(one, "b"))

    def is_of(self, content: SharedContent, key: str) -> bool:
        assert content._keys is not None
        return key == content._keys.name("k", "b")

    def test_same_value_is_never_encrypted_to_same_bytes(self) -> None:
        one = self.gateway()
        one.put("k", "a", b"1", 60)
        (first,) = self.stored.values()
        one.put("k", "a", b"1", 60)
        self.assertNotEqual([first], list(self.stored.values()))

    def test_nothing_is_shared_without_secret_or_backend(self) -> None:
        alone = SharedContent(SharedState(self.clock), self.clock)
        alone.use(SECRET)
        for each in (self.gateway(None), alone):
            calls = list(self.shared.calls)
            each.put("k", "a", b"1", 60)
            each.delete("k", "a")
            self.assertEqual((each.is_used, self.found(each, "a")), (False, None))
            self.assertEqual((self.shared.calls, self.stored), (calls, {}))

    def test_loss_makes_everything_absent_and_nothing_fail(self) -> None:
        one = self.gateway()
        one.put("k", "a", b"1", 600)
        self.shared.is_away = True
        for _ in range(2):
            one.put("k", "b", b"1", 600)
            one.delete("k", "a")
            self.assertEqual(self.found(one, "a", "b"), [None, None])
        self.shared.is_away = False
        self.clock.advance(1)
        self.assertEqual(self.found(one, "a", "b"), [b"1", None])

    def test_large_values_and_too_many_on_their_way_are_left_out(self) -> None:
        self.patch(content_module, "MAX_VALUE", 100)
        self.patch(content_module, "MAX_SENDING", 250)
        one = self.gateway()
        one.put("k", "large", bytes(101), 60)
        self.assertEqual(self.stored, {})
        self.shared.waiting = waiting = []
        for number in range(4):
            one.put("k", f"{number}", bytes(100), 60)
        self.assertEqual(len(waiting), 2)
        self.shared.waiting = None
        for each in waiting:
            each.callback(None)
        one.put("k", "later", bytes(100), 60)
        self.assertEqual(len(self.stored), 3)

    def test_absent_value_is_remembered_until_it_is_stored(self) -> None:
        one = self.gateway()
        kind = one.kind("k")
        self.assertFalse(kind.is_absent("a"))
        kind.note_absent("a")
        self.assertTrue(kind.is_absent("a"))
        self.assertFalse(one.kind("l").is_absent("a"))
        kind.put("a", b"1", 60)
        self.assertFalse(kind.is_absent("a"))

    def test_value_is_absent_for_longer_when_it_was_not_found_twice(self) -> None:
        kind = self.gateway().kind("k")
        for seconds in (2, 600, 600):
            kind.note_absent("b")
            self.clock.advance(seconds - 0.1)
            self.assertTrue(kind.is_absent("b"))
            self.clock.advance(0.2)
            self.assertFalse(kind.is_absent("b"))

    def test_others_forget_what_one_deletes(self) -> None:
        one, other, stranger = self.gateway(), self.gateway(), self.gateway(b"another one")
        seen: list[tuple[str, str]] = []
        for name, each in (("one", one), ("other", other), ("stranger", stranger)):
            each.kind("k").on_drop = lambda key, name=name: seen.append((name, key))
            each.kind("l").on_drop = lambda key: seen.append(("wrong", key))
        one.kind("k").put("a", b"1", 60)
        one.kind("k").delete("a")
        self.settle()
        self.assertEqual(seen, [("other", "a")])
        self.assertIsNone(self.found(other, "a"))
        self.shared.memory.publish("content", b"anything")
        self.settle()
        self.assertEqual(len(seen), 1)

    def test_secret_is_not_shown(self) -> None:
        one = self.gateway(b"veiled")
        self.assertNotIn("veiled", repr(vars(one)) + repr(vars(one.kind("k"))))
