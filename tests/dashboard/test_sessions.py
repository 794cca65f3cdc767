"""Sessions and links are bounded, and end."""

from __future__ import annotations

from twisted.internet.task import Clock

from antigravity.dashboard.sessions import (
    LINK_AGE,
    MAX_AGE,
    MAX_IDLE,
    MAX_LINKS,
    MAX_SESSIONS,
    Sessions,
)


def test_session_is_found_by_its_token_alone() -> None:
    sessions = Sessions(Clock().seconds)
    token = sessions.start("operator")
    session = sessions.find(token, "operator")
    assert session is not None
    assert session.permits(session.csrf)
    assert not session.permits("")
    assert not session.permits("é")
    assert sessions.find(token + "x", "operator") is None
    assert sessions.find("", "operator") is None
    assert token.encode() not in repr(sessions.__dict__).encode()


def test_session_ends_when_key_changes() -> None:
    sessions = Sessions(Clock().seconds)
    token = sessions.start("operator")
    assert sessions.find(token, "another") is None
    assert sessions.find(token, "operator") is None


def test_sessions_and_links_of_other_keys_end_together() -> None:
    sessions = Sessions(Clock().seconds)
    old, link = sessions.start("old"), sessions.make_link("old")
    new, new_link = sessions.start("new"), sessions.make_link("new")
    sessions.end_others("new")
    assert (sessions.has(old), sessions.has(new)) == (False, True)
    assert sessions.use_link(link, "old") is None
    assert sessions.use_link(new_link, "new") is not None


def test_looking_at_a_session_does_not_prolong_it() -> None:
    clock = Clock()
    sessions = Sessions(clock.seconds)
    token = sessions.start("operator")
    clock.advance(MAX_IDLE)
    assert sessions.has(token)
    clock.advance(1)
    assert not sessions.has(token)


def test_session_ends_without_use_and_by_age() -> None:
    clock = Clock()
    sessions = Sessions(clock.seconds)
    idle, used = sessions.start("operator"), sessions.start("operator")
    while clock.seconds() < MAX_AGE - MAX_IDLE / 2:
        clock.advance(MAX_IDLE / 2)
        assert sessions.find(used, "operator") is not None
    assert sessions.find(idle, "operator") is None
    clock.advance(MAX_IDLE / 2 + 1)
    assert sessions.find(used, "operator") is None
    assert not sessions.has(used)
    assert len(sessions) == 0


def test_oldest_session_ends_when_there_are_too_many() -> None:
    sessions = Sessions(Clock().seconds)
    tokens = [sessions.start("operator") for _ in range(MAX_SESSIONS + 1)]
    assert len(sessions) == MAX_SESSIONS
    assert sessions.find(tokens[0], "operator") is None
    assert sessions.find(tokens[-1], "operator") is not None


def test_link_works_once_and_for_a_minute() -> None:
    clock = Clock()
    sessions = Sessions(clock.seconds)
    first, late, foreign = (sessions.make_link("operator") for _ in range(3))
    token = sessions.use_link(first, "operator")
    assert token is not None
    assert sessions.find(token, "operator") is not None
    assert sessions.use_link(first, "operator") is None
    assert sessions.use_link(foreign, "another") is None
    clock.advance(LINK_AGE + 1)
    assert sessions.use_link(late, "operator") is None
    assert sessions.use_link("", "") is None


def test_oldest_link_is_forgotten_when_there_are_too_many() -> None:
    sessions = Sessions(Clock().seconds)
    links = [sessions.make_link("operator") for _ in range(MAX_LINKS + 1)]
    assert sessions.use_link(links[0], "operator") is None
    assert sessions.use_link(links[1], "operator") is not None
