"""Tokens between their login and their end: renewed in time, once, and never lost."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import Clock

from antigravity.config.secret import Secret
from antigravity.ir.errors import UpstreamError
from antigravity.oauth import access_tokens
from antigravity.oauth.access_tokens import AccessTokens
from antigravity.oauth.errors import LoginLostError
from antigravity.oauth.file_lock import FileLock
from antigravity.oauth.grants import Grant, GrantFile, stored_names
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.redaction.credentials import CREDENTIALS, REDACTED
from tests.support.authorization_server import Client
from tests.support.oauth_network import Response
from tests.support.oauth_scene import REDIRECT, Scene, done, outcome


class LoggedIn(Scene):
    """A scene whose login is stored in ``home``."""

    def __init__(self, home: Path, **more: Any) -> None:
        super().__init__(**more)
        self.home = home
        self.file = GrantFile(home, "far")
        self.file.write(self.login())
        self.store = self.tokens(home)

    @property
    def stored(self) -> Grant:
        grant = GrantFile(self.home, "far").read()
        assert grant is not None
        return grant

    def renewals(self) -> int:
        return sum(each["grant_type"] == "refresh_token" for each in self.authorization.grants)


@pytest.fixture
def scene(tmp_path: Path) -> LoggedIn:
    return LoggedIn(tmp_path)


def test_valid_token_is_used_without_requests(scene: LoggedIn) -> None:
    before = len(scene.network.requests)
    token = done(scene.store.token())
    assert scene.authorization.active(token)
    assert len(scene.network.requests) == before


def test_file_is_readable_by_its_owner_only(scene: LoggedIn) -> None:
    if os.name != "nt":
        assert stat.S_IMODE(scene.file.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(scene.file.path.parent.stat().st_mode) == 0o700
    assert stored_names(scene.home) == ["far"]
    assert stored_names(scene.home / "elsewhere") == []


def test_leftovers_of_killed_processes_are_removed(scene: LoggedIn) -> None:
    folder = scene.file.path.parent
    leftover = folder / ".far.json.abc.tmp"
    other = folder / ".further.json.abc.tmp"
    for change in (lambda: scene.file.write(scene.stored), scene.file.remove):
        leftover.write_bytes(b"half a token")
        other.write_bytes(b"of another server")
        change()
        assert not leftover.exists()
        assert other.exists()


def test_stored_login_is_read_as_it_was_written(scene: LoggedIn) -> None:
    grant = replace(scene.stored, wanted=("write",), lost="gone")
    scene.file.write(grant)
    assert scene.stored == grant


def test_token_is_renewed_before_it_expires(scene: LoggedIn) -> None:
    first = done(scene.store.token())
    scene.clock.advance(3600 - access_tokens.RENEW_BEFORE - 1)
    assert done(scene.store.token()) == first
    scene.clock.advance(2)
    second = done(scene.store.token())
    assert second != first
    assert scene.authorization.active(second)
    assert scene.stored.access.reveal() == second
    assert scene.renewals() == 1
    scene.check_strict()


def test_token_with_short_life_is_not_renewed_at_once(tmp_path: Path) -> None:
    scene = Scene()
    scene.authorization.lifetime = 60.0
    GrantFile(tmp_path, "far").write(scene.login())
    store = scene.tokens(tmp_path)
    first = done(store.token())
    scene.clock.advance(47)
    assert done(store.token()) == first
    scene.clock.advance(2)
    assert done(store.token()) != first


def test_new_refresh_token_is_stored_before_the_access_token_is_used(scene: LoggedIn) -> None:
    written: list[tuple[Any, Any, Deferred[None]]] = []

    def run(function: Any, *arguments: Any) -> Deferred[Any]:
        waiting: Deferred[None] = Deferred()
        written.append((function, arguments, waiting))
        return waiting

    store = scene.tokens(scene.home, run=run)
    scene.clock.advance(3500)
    got = outcome(store.token())
    assert got == [], "the token is not used yet"
    ((function, arguments, waiting),) = written
    function(*arguments)
    # The process dies here: what was written is enough for the next one.
    outcome(store.stop())
    scene.clock.advance(access_tokens.STOP_TIMEOUT)
    assert waiting.called
    restarted = scene.tokens(scene.home)
    assert done(restarted.renew(done(restarted.token())))
    scene.check_strict()


def test_simultaneous_requests_share_one_renewal(scene: LoggedIn) -> None:
    scene.clock.advance(3500)
    scene.network.hold = True
    got = [outcome(scene.store.token()) for _ in range(5)]
    assert len(scene.network.held) == 1
    scene.network.release()
    assert len({each[0] for each in got}) == 1
    assert scene.renewals() == 1
    scene.check_strict()


def test_cancelled_request_does_not_cancel_the_renewal(scene: LoggedIn) -> None:
    scene.clock.advance(3500)
    scene.network.hold = True
    asking = Deferred.fromCoroutine(scene.store.token())
    got = outcome(asking)
    asking.cancel()
    assert len(got) == 1
    assert scene.network.cancelled == 0
    scene.network.release()
    assert scene.renewals() == 1
    assert scene.authorization.active(scene.stored.access.reveal())
    assert done(scene.store.token()) == scene.stored.access.reveal()
    scene.check_strict()


def test_end_of_renewal_may_cancel_another_request(scene: LoggedIn) -> None:
    scene.clock.advance(3500)
    scene.network.hold = True
    first, second = (Deferred.fromCoroutine(scene.store.token()) for _ in range(2))
    first.addBoth(lambda _: second.cancel())  # as a connection does that closes
    ended = outcome(second)
    scene.network.release()
    assert isinstance(ended[0], CancelledError)
    assert outcome(first) == [None]


def test_stop_waits_for_a_renewal(scene: LoggedIn) -> None:
    scene.clock.advance(3500)
    scene.network.hold = True
    asking = Deferred.fromCoroutine(scene.store.token())
    outcome(asking)
    asking.cancel()
    stopped = outcome(scene.store.stop())
    assert stopped == []
    scene.network.release()
    assert stopped == [None]
    assert scene.authorization.active(scene.stored.access.reveal())
    assert not scene.clock.getDelayedCalls()


def test_stop_ends_a_renewal_that_takes_too_long(scene: LoggedIn) -> None:
    scene.clock.advance(3700)
    scene.network.hold = True
    got = outcome(scene.store.token())
    stopped = outcome(scene.store.stop())
    scene.clock.advance(access_tokens.STOP_TIMEOUT)
    assert stopped == [None]
    assert "shutting down" in got[0].message
    assert not scene.clock.getDelayedCalls()


def test_other_process_renews_only_once(scene: LoggedIn) -> None:
    other = scene.tokens(scene.home)
    scene.clock.advance(3500)
    scene.network.hold = True
    first, second = outcome(scene.store.token()), outcome(other.token())
    assert len(scene.network.held) == 1, "the other one waits for the lock"
    scene.network.release()
    assert second == []
    scene.clock.advance(0.2)
    assert first == second
    assert scene.renewals() == 1
    scene.check_strict()


def test_lock_is_waited_for_only_so_long(scene: LoggedIn) -> None:
    lock = FileLock(scene.file.lock_path, scene.clock)
    assert done(lock.acquire(0.0))
    scene.clock.advance(3700)
    got = outcome(scene.store.token())
    scene.clock.pump([0.1] * 500)
    assert "another process" in got[0].message
    lock.release()
    assert scene.authorization.active(done(scene.store.token()))
    assert not scene.clock.getDelayedCalls()


def test_refused_token_is_renewed_once(scene: LoggedIn) -> None:
    first = done(scene.store.token())
    assert done(scene.store.renew(first))
    second = done(scene.store.token())
    assert second != first
    assert done(scene.store.renew(first)), "it has been renewed already"
    assert scene.renewals() == 1
    assert not done(scene.store.renew(second)), "the new one is refused, too: no endless renewals"
    assert scene.renewals() == 1
    scene.clock.advance(access_tokens.RENEWAL_PAUSE)
    assert done(scene.store.renew(second))
    assert scene.renewals() == 2


def test_accepted_token_may_be_renewed_again(scene: LoggedIn) -> None:
    assert done(scene.store.renew(done(scene.store.token())))
    second = done(scene.store.token())
    scene.store.accepted(second)
    assert done(scene.store.renew(second))


def test_revoked_login_is_lost_for_good(scene: LoggedIn) -> None:
    scene.authorization.revoke_all()
    token = done(scene.store.token())
    with pytest.raises(LoginLostError, match="revoked or has expired"):
        done(scene.store.renew(token))
    assert (scene.stored.access, scene.stored.refresh) == (Secret(), Secret())
    before = len(scene.network.requests)
    for store in (scene.store, scene.tokens(scene.home)):
        with pytest.raises(LoginLostError, match="revoked or has expired"):
            done(store.token())
    assert len(scene.network.requests) == before


def test_forgotten_client_loses_the_login(scene: LoggedIn) -> None:
    scene.authorization.clients.clear()
    with pytest.raises(LoginLostError, match="no longer knows the client"):
        done(scene.store.renew(done(scene.store.token())))


def test_failed_renewal_uses_the_valid_token(scene: LoggedIn) -> None:
    first = done(scene.store.token())
    scene.authorization.fails = 99
    scene.clock.advance(3500)
    assert done(scene.store.token()) == first
    assert scene.authorization.fails == 98
    assert done(scene.store.token()) == first
    assert scene.authorization.fails == 98, "it is not tried for every request"
    scene.clock.advance(access_tokens.RETRY_AFTER)
    assert done(scene.store.token()) == first
    assert scene.authorization.fails == 97
    scene.clock.advance(100)
    for _ in range(3):
        with pytest.raises(UpstreamError, match="overloaded"):
            done(scene.store.token())
    assert scene.authorization.fails == 96, "it is not tried for every request"
    scene.authorization.fails = 0
    scene.clock.advance(access_tokens.RETRY_EXPIRED_AFTER)
    assert scene.authorization.active(done(scene.store.token()))


def test_malformed_renewal_does_not_lose_the_login(scene: LoggedIn) -> None:
    scene.authorization._renew = lambda form, client: Response(200, [], b"<html>")  # type: ignore[method-assign]
    scene.clock.advance(3700)
    with pytest.raises(UpstreamError, match="malformed"):
        done(scene.store.token())
    assert scene.stored.lost == ""


def test_refresh_token_stays_if_no_new_one_comes(tmp_path: Path) -> None:
    scene = Scene()
    scene.authorization.rotates = False
    file = GrantFile(tmp_path, "far")
    file.write(scene.login())
    store = scene.tokens(tmp_path)
    for _ in range(3):
        scene.clock.advance(3500)
        assert scene.authorization.active(done(store.token()))
    scene.check_strict()


def test_login_without_refresh_token_expires(tmp_path: Path) -> None:
    scene = Scene()
    scene.authorization.refreshes = False
    GrantFile(tmp_path, "far").write(scene.login())
    store = scene.tokens(tmp_path)
    scene.clock.advance(3599)
    token = done(store.token())
    assert token
    assert not done(store.renew(token))
    scene.clock.advance(1)
    with pytest.raises(LoginLostError, match="has expired"):
        done(store.token())


@pytest.mark.parametrize("lifetime", [None, 0.0, -1.0])
def test_token_without_known_life_is_renewed_when_it_is_refused(
    tmp_path: Path, lifetime: float | None
) -> None:
    scene = Scene()
    scene.authorization.lifetime = lifetime
    GrantFile(tmp_path, "far").write(scene.login())
    store = scene.tokens(tmp_path)
    first = done(store.token())
    scene.clock.advance(10**6)
    assert done(store.token()) == first
    assert done(store.renew(first))


def test_unwritable_file_keeps_the_new_tokens_in_memory(scene: LoggedIn) -> None:
    fails = True

    def run(function: Any, *arguments: Any) -> Deferred[Any]:
        if fails:
            return maybeDeferred(_raise, OSError(28, "No space left on device"))
        return maybeDeferred(function, *arguments)

    store = scene.tokens(scene.home, run=run)
    scene.clock.advance(3500)
    token = done(store.token())
    assert scene.authorization.active(token)
    assert scene.stored.access.reveal() != token
    assert done(store.token()) == token
    fails = False
    scene.clock.advance(access_tokens.RETRY_AFTER)
    assert done(store.token()) == token
    assert scene.stored.access.reveal() == token
    assert scene.renewals() == 1
    scene.check_strict()


def _raise(error: Exception) -> None:
    raise error


def test_tokens_are_for_the_configured_address_only(scene: LoggedIn) -> None:
    for other in ("https://mcp.example/other", "https://evil.example/mcp"):
        store = scene.tokens(scene.home, url=other)
        with pytest.raises(LoginLostError, match="another address"):
            done(store.token())
        assert not done(store.renew("x"))


def test_login_at_another_server_than_configured_is_not_used(scene: LoggedIn) -> None:
    oauth = OAuthClientSettings(issuer="https://other.example")
    with pytest.raises(LoginLostError, match="another authorization server"):
        done(scene.tokens(scene.home, oauth=oauth).token())


def test_secret_of_configured_client_comes_from_the_configuration(tmp_path: Path) -> None:
    oauth = OAuthClientSettings("mine", Secret("first-secret"), issuer="https://auth.example")
    client = Client("mine", [REDIRECT], "first-secret", "client_secret_basic")
    scene = Scene(oauth=oauth)
    scene.authorization.clients["mine"] = client
    file = GrantFile(tmp_path, "far")
    file.write(scene.login())
    assert b"first-secret" not in file.path.read_bytes()
    client.secret = "second-secret"
    changed = replace(oauth, client_secret=Secret("second-secret"))
    store = scene.tokens(tmp_path, oauth=changed)
    scene.clock.advance(3500)
    assert scene.authorization.active(done(store.token()))
    other = scene.tokens(tmp_path, oauth=replace(oauth, client_id="other"))
    scene.clock.advance(3500)
    with pytest.raises(LoginLostError, match=r"another client than oauth\.client_id"):
        done(other.renew(scene.tokens(tmp_path).grant().access.reveal()))  # type: ignore[union-attr]


def test_login_and_logout_of_another_process_are_noticed(scene: LoggedIn) -> None:
    first = done(scene.store.token())
    assert not scene.store.has_changed
    other = GrantFile(scene.home, "far")
    other.write(scene.login())
    assert scene.store.has_changed
    assert done(scene.store.token()) != first
    other.remove()
    other.remove()
    assert scene.store.has_changed
    assert done(scene.store.token()) == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"version": 2}', b"[" * 10**5])
def test_broken_file_is_no_login(scene: LoggedIn, content: bytes) -> None:
    scene.file.path.write_bytes(content)
    assert done(scene.store.token()) == ""


def test_tokens_are_redacted_while_they_are_used(scene: LoggedIn) -> None:
    done(scene.store.token())
    grant = scene.stored
    for secret in grant.secrets():
        assert CREDENTIALS.redact(f"x {secret} y") == f"x {REDACTED} y"
    scene.clock.advance(3500)
    done(scene.store.token())
    for secret in scene.stored.secrets():
        assert CREDENTIALS.redact(f"x {secret} y") == f"x {REDACTED} y"
    done(scene.store.stop())


def test_wanted_scopes_are_stored(scene: LoggedIn) -> None:
    done(scene.store.want(["write"]))
    done(scene.store.want(["write", "admin"]))
    assert scene.stored.wanted == ("write", "admin")
    assert scene.stored.access == scene.file.read().access  # type: ignore[union-attr]


def test_lock_excludes_others(tmp_path: Path) -> None:
    clock = Clock()
    first = FileLock(tmp_path / "a" / "lock", clock)
    second = FileLock(tmp_path / "a" / "lock", clock)
    assert done(first.acquire(0.0))
    assert not done(second.acquire(0.0))
    waiting = outcome(second.acquire(10.0))
    clock.advance(0.1)
    assert waiting == []
    first.release()
    first.release()
    clock.advance(0.1)
    assert waiting == [True]
    second.release()
    assert not clock.getDelayedCalls()


def test_nothing_is_lost_if_the_last_of_many_is_used(scene: LoggedIn) -> None:
    stores = [scene.store, *(scene.tokens(scene.home) for _ in range(3))]
    for _ in range(5):
        scene.clock.advance(3500)
        for store in stores:
            assert isinstance(store, AccessTokens)
            assert scene.authorization.active(done(store.token()))
    assert scene.renewals() == 5
    scene.check_strict()
