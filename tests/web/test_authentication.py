"""Keys open the door in every form that clients send, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings
from antigravity.ir.errors import AuthenticationError
from antigravity.web.authentication import Authenticator, bearer, principal_of
from tests.web.builders import WebHarness

KEY = "sk-right"


def authenticator(mode: str, key: str = KEY, lan: bool = False) -> Authenticator:
    return Authenticator(
        ProxySettings(auth_mode=mode, api_key=Secret(key), allow_lan_access=lan)  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("mode", "lan", "health", "others"),
    [
        ("off", False, True, True),
        ("off", True, True, True),
        ("strict", False, False, False),
        ("all_except_health", False, True, False),
        ("auto", False, True, True),
        ("auto", True, True, False),
    ],
)
def test_the_modes(mode: str, lan: bool, health: bool, others: bool) -> None:
    door = authenticator(mode, lan=lan)
    for path, is_open in (("/healthz", health), ("/v1/messages", others), ("/readyz", others)):
        if is_open:
            assert door.authenticate("GET", path, []) == ""
        else:
            with pytest.raises(AuthenticationError):
                door.authenticate("GET", path, [])
            with pytest.raises(AuthenticationError):
                door.authenticate("GET", path, ["sk-wrong", ""])
        assert door.authenticate("GET", path, ["other", KEY]) in (
            principal_of(KEY),
            principal_of("other"),
        )


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/healthz/x", "/%68ealthz", "/Healthz"])
def test_only_the_health_path_itself_is_open(path: str) -> None:
    with pytest.raises(AuthenticationError):
        authenticator("all_except_health").authenticate("GET", path, [])


def test_an_empty_key_lets_nobody_in_and_says_so() -> None:
    door = authenticator("strict", key="")
    assert "no key is set" in door.problem()
    for keys in ([], [""], ["x"]):
        with pytest.raises(AuthenticationError, match="operator has set none"):
            door.authenticate("POST", "/v1/messages", keys)
    assert authenticator("strict").problem() == authenticator("off", key="").problem() == ""


def test_preflights_pass() -> None:
    assert authenticator("strict").authenticate("OPTIONS", "/v1/messages", []) == ""


def test_without_authentication_users_are_told_apart_by_their_keys() -> None:
    door = authenticator("off")
    names = {door.authenticate("POST", "/", [key]) for key in ("a", "b", "")}
    assert len(names) == 3
    assert "" in names


@settings(deadline=None)
@given(st.text(min_size=1))
def test_a_principal_is_stable_and_gives_nothing_away(key: str) -> None:
    assert principal_of(key) == principal_of(key)
    assert len(principal_of(key)) == 16
    assert key not in principal_of(key) or len(key) < 4


@settings(deadline=None)
@given(st.text(), st.text(min_size=1))
def test_only_the_right_key_opens(candidate: str, key: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    candidate = candidate.encode("utf-8", "replace").decode()
    door = authenticator("strict", key=key)
    if candidate == key:
        assert door.authenticate("GET", "/", [candidate]) == principal_of(key)
    else:
        with pytest.raises(AuthenticationError):
            door.authenticate("GET", "/", [candidate])


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer x", "x"), ("bearer  x ", "x"), ("Basic eDp5", ""), ("x", ""), ("Bearer", "")],
)
def test_bearer(header: str, token: str) -> None:
    assert bearer(header) == token


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/messages", [f"Authorization: Bearer {KEY}"]),
        ("/v1/messages", [f"X-Api-Key: {KEY}"]),
        ("/v1/messages", [f"x-goog-api-key: {KEY}"]),
        (f"/v1/messages?key={KEY}", []),
        (f"/v1/messages?beta=true&key={KEY}", ["Authorization: Bearer dummy"]),
        ("/v1/messages", ["x-goog-api-key: dummy", f"Authorization: Bearer {KEY}"]),
        ("/v1/messages", ["x-api-key: dummy", f"x-api-key: {KEY}"]),
    ],
)
def test_every_form_works_and_none_goes_further(path: str, headers: list[str]) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    answer = web.ask("POST", path, b"{}", *headers, "Cookie: a=b", "Proxy-Authorization: Basic x")
    assert answer.status == 200
    call = web.exchange.call
    assert call.principal == principal_of(KEY)
    assert KEY not in repr(call)
    forbidden = {"authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
    assert not forbidden & set(call.headers)
    assert "key" not in call.query
    web.close()


def test_a_refusal_says_what_to_do_in_the_callers_shape() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    answer = web.ask("POST", "/v1/messages", b"{}", "x-api-key: nope")
    assert answer.status == 401
    assert answer.json["shape"] == "anthropic"
    for word in ("wrong", "x-api-key", "x-goog-api-key", "Bearer", "?key=", "[proxy]"):
        assert word in answer.json["message"]
    assert "nope" not in answer.body.decode()
    assert answer.headers["www-authenticate"].startswith("Bearer")
    web.connect()
    assert web.ask("GET", "/healthz").status == 401
    assert web.ask("POST", "/v1/api/event_logging", b"{}").status == 401
    assert not web.exchange.calls


def test_a_key_that_is_not_ascii() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret("schlüssel"))
    raw = "schlüssel".encode().decode("latin-1")
    assert web.ask("POST", "/v1/messages", b"{}", f"x-api-key: {raw}").status == 200
    assert web.ask("POST", "/v1/messages?key=schl%C3%BCssel", b"{}").status == 200


def test_a_changed_key_counts_from_the_next_request_on() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.ask("GET", "/readyz", None, f"x-api-key: {KEY}").status == 200
    web.configure(api_key=Secret("sk-new"))
    assert web.ask("GET", "/readyz", None, f"x-api-key: {KEY}").status == 401
    assert web.ask("GET", "/readyz", None, "x-api-key: sk-new").status == 200
    web.close()


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer {}",
        "Authorization:   bearer \t {}  \t",
        "Authorization: Bearer\t{}",
        "Authorization: Bearer Bearer {}",
        'Authorization: Bearer "{}"',
        "x-api-key: \t{} ",
        "x-api-key: Bearer {}",
        "x-api-key: '{}'",
        "x-goog-api-key: \u00ef\u00bb\u00bf{}\u00e2\u0080\u008b",  # in UTF-8
    ],
)
def test_right_key_is_known_whatever_stands_around_it(header: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.ask("GET", "/v1/models", None, header.format(KEY)).status == 200
    assert web.ask("GET", "/v1/models", None, header.format("sk-rigt")).status == 401


@pytest.mark.parametrize("around", ["%20{}%0A", "{}%0D%0A", "%EF%BB%BF{}", "%22{}%22", "+{}+"])
def test_right_key_in_the_query_is_known_whatever_stands_around_it(around: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.ask("GET", f"/v1/models?key={around.format(KEY)}").status == 200


def test_key_of_spaces_alone_is_none() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret())
    for header in ("x-api-key: ''", "Authorization: Bearer  ", "Authorization: Bearer"):
        assert web.ask("GET", "/v1/models", None, header).status == 401
