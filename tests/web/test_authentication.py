"""API keys authenticate in every form that clients send, and nothing else does."""

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
def test_each_mode_requires_the_key_where_it_should(
    mode: str, lan: bool, health: bool, others: bool
) -> None:
    checker = authenticator(mode, lan=lan)
    for path, is_open in (("/healthz", health), ("/v1/messages", others), ("/readyz", others)):
        if is_open:
            assert checker.authenticate("GET", path, []) == ""
        else:
            with pytest.raises(AuthenticationError):
                checker.authenticate("GET", path, [])
            with pytest.raises(AuthenticationError):
                checker.authenticate("GET", path, ["sk-wrong", ""])
        assert checker.authenticate("GET", path, ["other", KEY]) in (
            principal_of(KEY),
            principal_of("other"),
        )


@pytest.mark.parametrize("path", ["/healthz/", "//healthz", "/healthz/x", "/%68ealthz", "/Healthz"])
def test_paths_below_the_health_path_need_the_key(path: str) -> None:
    with pytest.raises(AuthenticationError):
        authenticator("all_except_health").authenticate("GET", path, [])


def test_empty_api_key_refuses_all_requests_and_is_reported() -> None:
    checker = authenticator("strict", key="")
    assert "no key is set" in checker.problem()
    for keys in ([], [""], ["x"]):
        with pytest.raises(AuthenticationError, match="operator has set none"):
            checker.authenticate("POST", "/v1/messages", keys)
    assert authenticator("strict").problem() == authenticator("off", key="").problem() == ""


def test_preflight_needs_no_key() -> None:
    assert authenticator("strict").authenticate("OPTIONS", "/v1/messages", []) == ""


def test_mode_off_distinguishes_clients_by_their_keys() -> None:
    checker = authenticator("off")
    names = {checker.authenticate("POST", "/", [key]) for key in ("a", "b", "")}
    assert len(names) == 3
    assert "" in names


@settings(deadline=None)
@given(st.text(min_size=4))
def test_principal_is_stable_and_does_not_reveal_the_key(key: str) -> None:
    assert principal_of(key) == principal_of(key)
    assert len(principal_of(key)) == 16
    assert key not in principal_of(key)


@settings(deadline=None)
@given(st.text(), st.text(min_size=1))
def test_only_the_right_key_authenticates(candidate: str, key: str) -> None:
    key = key.encode("utf-8", "replace").decode()
    candidate = candidate.encode("utf-8", "replace").decode()
    checker = authenticator("strict", key=key)
    if candidate == key:
        assert checker.authenticate("GET", "/", [candidate]) == principal_of(key)
    else:
        with pytest.raises(AuthenticationError):
            checker.authenticate("GET", "/", [candidate])


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer x", "x"), ("bearer  x ", "x"), ("Basic eDp5", ""), ("x", ""), ("Bearer", "")],
)
def test_bearer_token_is_parsed(header: str, token: str) -> None:
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
def test_every_form_of_key_authenticates_and_is_not_passed_on(
    path: str, headers: list[str]
) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    response = web.request(
        "POST", path, b"{}", *headers, "Cookie: a=b", "Proxy-Authorization: Basic x"
    )
    assert response.status == 200
    call = web.exchange.call
    assert call.principal == principal_of(KEY)
    assert KEY not in repr(call)
    forbidden = {"authorization", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"}
    assert not forbidden & set(call.headers)
    assert "key" not in call.query
    web.close()


def test_refusal_names_the_remedy_in_the_clients_protocol() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    response = web.request("POST", "/v1/messages", b"{}", "x-api-key: nope")
    assert response.status == 401
    assert response.json["shape"] == "anthropic"
    for word in ("wrong", "x-api-key", "x-goog-api-key", "Bearer", "?key=", "[proxy]"):
        assert word in response.json["message"]
    assert "nope" not in response.body.decode()
    assert response.headers["www-authenticate"].startswith("Bearer")
    web.connect()
    assert web.request("GET", "/healthz").status == 401
    assert web.request("POST", "/v1/api/event_logging", b"{}").status == 401
    assert not web.exchange.calls


def test_key_may_contain_non_ascii_characters() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret("schlüssel"))
    raw = "schlüssel".encode().decode("latin-1")
    assert web.request("POST", "/v1/messages", b"{}", f"x-api-key: {raw}").status == 200
    assert web.request("POST", "/v1/messages?key=schl%C3%BCssel", b"{}").status == 200


def test_changed_key_is_used_from_the_next_request_on() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.request("GET", "/readyz", None, f"x-api-key: {KEY}").status == 200
    web.configure(api_key=Secret("sk-new"))
    assert web.request("GET", "/readyz", None, f"x-api-key: {KEY}").status == 401
    assert web.request("GET", "/readyz", None, "x-api-key: sk-new").status == 200
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
def test_whitespace_and_quotes_around_a_key_are_ignored(header: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.request("GET", "/v1/models", None, header.format(KEY)).status == 200
    assert web.request("GET", "/v1/models", None, header.format("sk-rigt")).status == 401


@pytest.mark.parametrize("around", ["%20{}%0A", "{}%0D%0A", "%EF%BB%BF{}", "%22{}%22", "+{}+"])
def test_whitespace_and_quotes_around_a_key_in_the_query_are_ignored(around: str) -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(KEY))
    assert web.request("GET", f"/v1/models?key={around.format(KEY)}").status == 200


def test_key_of_spaces_is_no_key() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret())
    for header in ("x-api-key: ''", "Authorization: Bearer  ", "Authorization: Bearer"):
        assert web.request("GET", "/v1/models", None, header).status == 401
