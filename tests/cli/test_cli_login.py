"""``antigravity accounts login``, with and without a browser."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import structs

from antigravity.accounts.files import AccountFiles
from antigravity.cli import browser_login
from antigravity.cli.browser_login import has_browser
from antigravity.cli.login_callback import LoginCallback
from tests.cli.builders import Result, Run, Simulated, configure

Browser = Callable[[str], None]


def get(url: str) -> tuple[int, str]:
    """Get an address as a browser does: redirects are followed."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def browse(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Browser], None]]:
    """Give the command a browser that does what the test says."""
    monkeypatch.setenv("BROWSER", "something")
    threads: list[threading.Thread] = []

    def use(browser: Browser) -> None:
        def open_(url: str) -> bool:
            threads.append(threading.Thread(target=browser, args=(url,)))
            threads[-1].start()
            return True

        monkeypatch.setattr(browser_login.webbrowser, "open", open_)

    yield use
    for thread in threads:
        thread.join()


def back(url: str, **changes: str) -> str:
    """Return the address that the browser would come back to, with other values."""
    query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
    answer = {"state": query["state"], "code": "sim-code", **changes}
    pairs = "&".join(f"{key}={value}" for key, value in answer.items() if value)
    return f"{query['redirect_uri']}?{pairs}"


def accounts(tmp_path: Path) -> list[Any]:
    return AccountFiles(tmp_path / "home").load()[0]


def test_redirect_of_browser_adds_the_account(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    seen: list[tuple[int, str]] = []
    browse(lambda url: seen.append(get(url)))
    result = run("accounts", "login")
    assert result.code == 0, result.err
    assert seen == [(200, "You have logged in. You can close this window.")]
    (record,) = accounts(tmp_path)
    assert record.label.endswith("@simulator.example")
    assert f"Added {record.id} ({record.label}) for upstream codeassist." in result.out
    assert record.secret.reveal() not in result.out + result.err
    assert run("accounts", "refresh").code == 0
    (exchange,) = [each for each in simulated.simulator.log if each.path == "/token"][:1]
    assert exchange.body["client_secret"] == "Veiled-secret"
    (asked,) = [each for each in simulated.simulator.log if each.path == "/o/oauth2/v2/auth"]
    query = {key: values[0] for key, values in parse_qs(asked.query).items()}
    assert query["code_challenge_method"] == "S256"
    assert (query["access_type"], query["prompt"]) == ("offline", "consent")
    assert query["scope"].split() == [
        "https://www.googleapis.com/auth/cloud-platform",
        "https://www.googleapis.com/auth/userinfo.email",
    ]
    assert query["redirect_uri"].startswith(("http://127.0.0.1:", "http://[::1]:"))


def test_a_new_login_enables_the_account_again(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    browse(get)
    run("accounts", "login", "--label", "me@x")
    (record,) = accounts(tmp_path)
    AccountFiles(tmp_path / "home").save(
        structs.replace(record, enabled=False, disabled_reason="revoked")
    )
    result = run("accounts", "login", "--label", "me@x")
    assert "Updated" in result.out
    (again,) = accounts(tmp_path)
    assert (again.id, again.enabled, again.disabled_reason) == (record.id, True, "")
    assert again.secret != record.secret


def test_pasted_redirect_adds_the_account(
    run: Run, tmp_path: Path, simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(tmp_path, simulated.table())

    class Stdin:
        """Opens the address on another machine, and pastes where it ends."""

        def __init__(self, pick: Callable[[str], str]) -> None:
            self.pick = pick

        def prompt(self, text: str, **options: Any) -> str:
            class Stay(urllib.request.HTTPRedirectHandler):
                def redirect_request(self, *arguments: Any) -> None:
                    return None

            try:
                urllib.request.build_opener(Stay).open(notes[-1].split("\n\n")[1], timeout=10)
            except urllib.error.HTTPError as error:
                with error:
                    return self.pick(error.headers["Location"])
            raise AssertionError("there was no redirect")

    notes: list[str] = []
    monkeypatch.setattr(browser_login, "note", notes.append)

    def paste(pick: Callable[[str], str]) -> Result:
        monkeypatch.setattr(browser_login.click, "prompt", Stdin(pick).prompt)
        return run("accounts", "login", "--no-browser")

    assert paste(lambda url: f"  {url}\n").code == 0
    assert paste(lambda url: url.partition("?")[2]).code == 0
    assert paste(lambda url: parse_qs(urlsplit(url).query)["code"][0]).code == 0
    assert paste(lambda url: get(url)[1][:0]).code == 0, "a tunnel has brought it back"
    assert len(accounts(tmp_path)) == 4
    foreign = paste(lambda url: url.replace("state=", "state=x"))
    assert (foreign.code, "its state differs" in foreign.err) == (1, True)
    stateless = paste(lambda url: url.partition("&state")[0])
    assert (stateless.code, "its state differs" in stateless.err) == (1, True)
    wrong = paste(lambda url: "bad-code")
    assert (wrong.code, "has expired; log in again" in wrong.err) == (1, True)
    assert "nothing was pasted" in paste(lambda url: " ").err
    assert len(accounts(tmp_path)) == 4


def test_code_of_another_login_is_refused(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    simulated.simulator.state.store_challenge("stolen", "somebody-elses-challenge")
    browse(lambda url: get(back(url, code="stolen")) and None)
    result = run("accounts", "login")
    assert (result.code, "the code is invalid" in result.err) == (1, True)
    assert accounts(tmp_path) == []


def test_foreign_redirect_does_not_end_the_login(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    seen: list[int] = []

    def browser(url: str) -> None:
        for address in (
            back(url, state="guess"),
            back(url, state="", error="access_denied"),
            back(url, code=""),
            back(url).replace("/oauth2/callback", "/favicon.ico"),
        ):
            seen.append(get(address)[0])
        seen.append(get(url)[0])

    browse(browser)
    assert run("accounts", "login").code == 0
    assert seen == [400, 400, 400, 404, 200]


def test_denied_consent_fails(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    browse(lambda url: get(back(url, code="", error="access_denied")) and None)
    result = run("accounts", "login")
    assert (result.code, result.err.splitlines()[-1]) == (
        1,
        "antigravity: the login was refused (access_denied)",
    )


def test_login_times_out(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table())
    browse(lambda url: None)
    result = run("accounts", "login", "--timeout", "0.1")
    assert "no login within 0.1 seconds" in result.err


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("", [], "set upstreams.codeassist.oauth.client_id and"),
        ('[upstreams.g]\nkind = "codeassist"\n', [], "set upstreams.g.oauth.client_id and"),
        (
            '[upstreams.a]\nkind = "codeassist"\n[upstreams.b]\nkind = "codeassist"\n',
            [],
            "choose an upstream (--upstream): a, b",
        ),
        (
            '[upstreams.a]\nkind = "openai"\n',
            ["--upstream", "a"],
            "'antigravity accounts add openai'",
        ),
    ],
)
def test_missing_oauth_settings_are_reported(
    run: Run, tmp_path: Path, text: str, arguments: list[str], words: str
) -> None:
    configure(tmp_path, text)
    result = run("accounts", "login", *arguments)
    assert (result.code, words in result.err) == (1, True)


def test_refused_oauth_client_is_reported(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table(client_id="bad-client"))
    browse(lambda url: get(url) and None)
    result = run("accounts", "login")
    assert "refuses the client (invalid_client); check client_id" in result.err


def test_account_without_email_permission_has_no_label(
    run: Run, tmp_path: Path, simulated: Simulated, browse: Callable[[Browser], None]
) -> None:
    configure(tmp_path, simulated.table(userinfo_url=f"{simulated.address}/nowhere"))
    browse(lambda url: get(url) and None)
    assert run("accounts", "login").code == 0
    assert [each.label for each in accounts(tmp_path)] == [""]


def test_redirect_is_received_on_both_loopback_addresses() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    callback = LoginCallback("/cb", lambda query: query, ValueError)
    with callback:
        assert get(f"http://[::1]:{callback.port}/cb?six")[0] == 200
        assert callback.wait(5) == "six"
        assert get(f"http://127.0.0.1:{callback.port}/cb?four")[0] == 200
        assert callback.wait(5) == "four"
    with pytest.raises(urllib.error.URLError):
        get(f"http://127.0.0.1:{callback.port}/cb")


@pytest.mark.parametrize(
    ("environ", "platform", "there"),
    [
        ({}, "linux", False),
        ({"DISPLAY": ":0"}, "linux", True),
        ({"WAYLAND_DISPLAY": "w"}, "linux", True),
        ({}, "darwin", True),
        ({"SSH_CONNECTION": "1"}, "darwin", False),
        ({"SSH_CONNECTION": "1", "BROWSER": "b"}, "linux", True),
    ],
)
def test_has_browser_depends_on_display_and_session(
    environ: dict[str, str], platform: str, there: bool
) -> None:
    assert has_browser(environ, platform) is there
