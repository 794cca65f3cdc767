"""``antigravity mcp login``, ``list`` and ``logout``, against servers on loopback."""

from __future__ import annotations

import os
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from twisted.internet.selectreactor import SelectReactor

from antigravity.cli import browser_login
from antigravity.oauth.grants import Grant, GrantFile
from tests.cli.builders import Run, configure
from tests.support.authorization_server import Client
from tests.support.oauth_listeners import OAuthListeners


@pytest.fixture
def servers() -> Iterator[OAuthListeners]:
    """Run both servers in a thread, with a reactor of their own."""
    reactor = SelectReactor()
    listeners = OAuthListeners(reactor)
    thread = threading.Thread(target=reactor.run, kwargs={"installSignalHandlers": False})
    thread.start()
    yield listeners

    def stop() -> None:
        listeners.stop().addBoth(lambda _: reactor.stop())

    reactor.callFromThread(stop)
    thread.join()


def get(url: str) -> str:
    """Get an address as a browser does, and return the text at which it ends."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return str(error.read().decode())


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Give the command a browser that logs in; the list holds what it shows at the end."""
    monkeypatch.setenv("BROWSER", "something")
    threads: list[threading.Thread] = []
    seen: list[str] = []

    def open_(url: str) -> bool:
        threads.append(threading.Thread(target=lambda: seen.append(get(url))))
        threads[-1].start()
        return True

    monkeypatch.setattr(browser_login.webbrowser, "open", open_)
    yield seen
    for thread in threads:
        thread.join()


@pytest.fixture
def paste(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], str]], None]:
    """Let the user open the address elsewhere, and paste what ``pick`` makes of where it ends."""

    def use(pick: Callable[[str], str]) -> None:
        notes: list[str] = []

        class Stay(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *arguments: Any) -> None:
                return None

        def prompt(text: str, **options: Any) -> str:
            try:
                urllib.request.build_opener(Stay).open(notes[-1].split("\n\n")[1], timeout=10)
            except urllib.error.HTTPError as error:
                with error:
                    return pick(error.headers["Location"])
            raise AssertionError("there was no redirect")

        monkeypatch.setattr(browser_login, "note", notes.append)
        monkeypatch.setattr(browser_login.click, "prompt", prompt)

    return use


def stored(tmp_path: Path) -> Grant:
    grant = GrantFile(tmp_path / "home", "far").read()
    assert grant is not None
    return grant


def test_login_with_browser_stores_tokens(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table())
    assert "none" in run("mcp", "list").out
    result = run("mcp", "login", "far")
    assert result.code == 0, result.err
    assert f"Logged in to far by {servers.authorization.issuer}; it has 2 tools." in result.out
    assert browse == ["You have logged in. You can close this window."]
    grant = stored(tmp_path)
    assert servers.authorization.active(grant.access.reveal())
    path = GrantFile(tmp_path / "home", "far").path
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    listed = run("mcp", "list")
    assert "logged in, renews in 59 min" in listed.out
    shown = run("mcp", "list", "--json")
    (server,) = shown.json["servers"]
    assert (server["login"], server["renews"], server["scopes"]) == ("active", True, ["read"])
    for secret in grant.secrets():
        assert secret not in result.out + result.err + listed.out + shown.out
    assert servers.authorization.refusals == []
    assert servers.server.refusals == []


def test_login_with_pasted_address(
    run: Run,
    tmp_path: Path,
    servers: OAuthListeners,
    paste: Callable[[Callable[[str], str]], None],
) -> None:
    configure(tmp_path, servers.table())
    paste(lambda url: f" {url}\n")
    assert run("mcp", "login", "far", "--no-browser", "--json").json["tools"] == 2
    first = stored(tmp_path)
    paste(lambda url: url.replace("state=", "state=x"))
    foreign = run("mcp", "login", "far", "--no-browser")
    assert (foreign.code, "its state differs" in foreign.err) == (1, True)
    paste(lambda url: url.replace(f"iss={servers.authorization.issuer[:4]}", "iss=evil"))
    mixed = run("mcp", "login", "far", "--no-browser")
    assert (mixed.code, "its iss differs" in mixed.err) == (1, True)
    paste(lambda url: parse_qs(urlsplit(url).query)["code"][0])
    bare = run("mcp", "login", "far", "--no-browser")
    assert (bare.code, "paste the whole address" in bare.err) == (1, True)
    assert stored(tmp_path) == first


def test_new_login_uses_same_port_and_client(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table())
    assert run("mcp", "login", "far").code == 0
    first = stored(tmp_path)
    assert run("mcp", "login", "far", "--scope", "write").code == 0
    second = stored(tmp_path)
    assert second.registered == first.registered
    assert (second.scopes, second.access != first.access) == (("read", "write"), True)
    assert len(servers.authorization.registrations) == 1


def test_server_that_asks_for_more_scopes_gets_them_at_once(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table())
    servers.server.names_scopes = False
    challenge = servers.server._challenge

    def asking(status: int, **parameters: str) -> Any:
        servers.server.names_scopes = status == 403
        return challenge(status, **parameters)

    servers.server._challenge = asking  # type: ignore[method-assign]
    servers.server.listing_scope = "write"
    result = run("mcp", "login", "far")
    assert (result.code, stored(tmp_path).scopes) == (0, ("read", "write")), result.err
    assert "log in once more" in result.err


def test_configured_client_and_redirect_address_are_used(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    table = servers.table()
    lines = 'client_id = "mine"\nclient_secret = "Veiled-secret"\n'
    configure(tmp_path, f'{table}{lines}redirect_uri = "http://localhost/back"\n')

    class AnyPort(list[str]):
        def __contains__(self, uri: object) -> bool:
            parts = urlsplit(str(uri))
            return (parts.hostname, parts.path) == ("localhost", "/back")

    client = Client("mine", AnyPort(), "Veiled-secret", "client_secret_basic")
    servers.authorization.clients["mine"] = client
    result = run("mcp", "login", "far")
    assert result.code == 0, result.err
    assert servers.authorization.registrations == []
    assert b"Veiled" not in GrantFile(tmp_path / "home", "far").path.read_bytes()


def test_logout_revokes_and_removes_the_login(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    file = configure(tmp_path, servers.table())
    run("mcp", "login", "far")
    token = stored(tmp_path).access.reveal()
    result = run("mcp", "logout", "far")
    assert (result.code, "has revoked it" in result.out) == (0, True)
    assert servers.authorization.active(token) is None
    assert not GrantFile(tmp_path / "home", "far").path.exists()
    again = run("mcp", "logout", "far")
    assert (again.code, "there is no login to far" in again.err) == (1, True)
    # A server that is not in the configuration any more.
    run("mcp", "login", "far")
    file.write_text("")
    assert "remove it with logout" in run("mcp", "list").out
    servers.authorization.fails = 1
    gone = run("mcp", "logout", "far")
    assert (gone.code, "did not revoke it" in gone.out) == (0, True), gone
    assert run("mcp", "list", "--json").json == {"servers": [], "unused_logins": []}


def test_lost_login_is_listed_with_its_remedy(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    file = configure(tmp_path, servers.table())
    run("mcp", "login", "far")
    file.write_text(servers.table().replace("/mcp", "/other"))
    listed = run("mcp", "list").out
    assert "needs login (its login was made for another address)" in listed
    assert "run 'antigravity mcp login far'" in listed
    path = GrantFile(tmp_path / "home", "far").path
    path.chmod(0o644)
    found = run("doctor", "--json").json["findings"]
    mcp = [each for each in found if each["name"] == "mcp"]
    assert [each["remedy"] for each in mcp] == ["run 'antigravity mcp login far'"]
    if os.name != "nt":
        assert f"chmod 600 '{path}'" in [each["remedy"] for each in found]


def test_refused_consent_ends_the_login(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table())
    servers.authorization.denies = True
    result = run("mcp", "login", "far")
    assert (result.code, "far: the login was refused (access_denied)" in result.err) == (1, True)
    assert not GrantFile(tmp_path / "home", "far").path.exists()


def test_login_times_out(
    run: Run, tmp_path: Path, servers: OAuthListeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, servers.table())
    monkeypatch.setenv("BROWSER", "something")
    monkeypatch.setattr(browser_login.webbrowser, "open", lambda url: True)
    result = run("mcp", "login", "far", "--timeout", "0.1")
    assert (result.code, "no login within 0.1 seconds" in result.err) == (1, True)


def test_server_that_refuses_its_tokens_is_reported(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table())
    servers.authorization.active = lambda token: None  # type: ignore[method-assign]
    result = run("mcp", "login", "far")
    assert (result.code, "refuses the new login (401)" in result.err) == (1, True)
    assert not GrantFile(tmp_path / "home", "far").path.exists()


def test_internal_authorization_server_must_be_configured(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table(with_issuer=False))
    servers.server.changes["authorization_servers"] = ["https://127.0.0.1:1/"]
    result = run("mcp", "login", "far")
    assert result.code == 1
    assert "not on the public Internet" in result.err
    assert "mcp.servers.far.oauth.issuer" in result.err
    servers.server.changes["authorization_servers"] = [servers.authorization.issuer]
    plain = run("mcp", "login", "far")
    assert (plain.code, "does not use https" in plain.err) == (1, True)
    assert servers.authorization.authorizations == []


def test_server_without_login_says_so(
    run: Run, tmp_path: Path, servers: OAuthListeners, browse: list[str]
) -> None:
    configure(tmp_path, servers.table(with_issuer=False))
    servers.server.open_methods = ("server/discover", "tools/list")
    servers.server.metadata_path = "/nowhere"
    result = run("mcp", "login", "far")
    assert (result.code, "the server requires no login" in result.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "arguments", "code", "words"),
    [
        ("", ["far"], 1, "there is no table [mcp.servers.far]"),
        ('[mcp.servers.a]\nurl = "https://a.example"\n', ["far"], 1, "there are a"),
        ('[mcp.servers.far]\ncommand = "x"\n', ["far"], 1, "is a program"),
        (
            '[mcp.servers.far]\nurl = "https://a.example"\napi_key = "k-123"\n',
            ["far"],
            1,
            "has a key",
        ),
        (
            '[mcp.servers.far]\nurl = "https://a.example"\n',
            ["far", "--timeout", "0"],
            2,
            "--timeout",
        ),
        (
            '[mcp.servers.far]\nurl = "https://a.example"\n',
            ["far", "--scope", 'a"b'],
            2,
            "not a valid scope",
        ),
        ("", [], 2, "NAME"),
    ],
)
def test_wrong_use_is_explained(
    run: Run, tmp_path: Path, text: str, arguments: list[str], code: int, words: str
) -> None:
    configure(tmp_path, text)
    result = run("mcp", "login", *arguments)
    assert (result.code, words in result.err) == (code, True), result.err


def test_logout_accepts_only_names_of_servers(run: Run, tmp_path: Path) -> None:
    file = configure(tmp_path, "")
    assert run("mcp", "logout", "../antigravity").code == 1
    assert run("mcp", "logout", "../antigravity.toml").code == 1
    assert file.exists()
