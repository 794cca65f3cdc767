"""A login from the first 401 to the tokens, in every variant that servers may choose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from antigravity.config.secret import Secret
from antigravity.oauth.authorization_code import code_in, code_in_text
from antigravity.oauth.errors import LoginError
from antigravity.oauth.grants import GrantFile
from antigravity.oauth.registration import OAuthClientSettings
from antigravity.oauth.token_requests import Client as PublicClient
from antigravity.oauth.token_requests import build_form_request, error_code_of
from tests.support.authorization_server import AuthorizationServer, Client
from tests.support.oauth_scene import ISSUER, REDIRECT, URL, Scene, done

OPENID = "/.well-known/openid-configuration"
SERVER = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
DOCUMENT = "https://me.example/gateway.json"


def test_login_follows_challenge_to_tokens() -> None:
    scene = Scene()
    grant = scene.login()
    assert scene.probe(grant.access.reveal()).tools == 2
    assert (grant.resource, grant.issuer, grant.scopes) == (URL, ISSUER, ("read",))
    assert scene.network.paths("GET") == [
        f"https://mcp.example{RESOURCE}/mcp",
        f"{ISSUER}{SERVER}",
    ]
    (registered,) = scene.authorization.registrations
    assert registered["application_type"] == "native"
    assert registered["token_endpoint_auth_method"] == "none"
    scene.check_strict()


def test_no_part_of_login_shows_secrets() -> None:
    scene = Scene()
    scene.authorization.methods = ("client_secret_post",)
    grant = scene.login()
    shown = repr(grant) + repr(grant.registered) + repr(scene.request) + str(grant)
    assert grant.secrets()
    for secret in (*grant.secrets(), scene.request.verifier, scene.request.state):
        assert secret not in shown


@pytest.mark.parametrize(
    ("url", "path", "expected"),
    [
        (URL, "", [f"{RESOURCE}/mcp"]),
        (URL, RESOURCE, [f"{RESOURCE}/mcp", RESOURCE]),
        ("https://mcp.example/a/b/", "", [f"{RESOURCE}/a/b"]),
        ("https://mcp.example", RESOURCE, [RESOURCE]),
        ("https://mcp.example/", RESOURCE, [RESOURCE]),
    ],
)
def test_resource_metadata_is_found_without_hint(url: str, path: str, expected: list[str]) -> None:
    scene = Scene(url)
    scene.server.names_metadata = False
    scene.server.metadata_path = path or f"{RESOURCE}{urlsplit(url).path.rstrip('/')}"
    scene.server.changes["resource"] = url
    scene.login()
    asked = [urlsplit(each).path for each in scene.network.paths("GET")]
    assert [each for each in asked if RESOURCE in each] == expected
    scene.check_strict()


def test_resource_metadata_is_fetched_only_where_challenge_says() -> None:
    scene = Scene()
    scene.server.metadata_path = "/elsewhere/metadata.json"
    scene.server.more_challenges = ['Basic realm="a, b"', 'Digest realm="x", qop="auth"']
    scene.login()
    assert scene.network.paths("GET")[0] == "https://mcp.example/elsewhere/metadata.json"
    scene.check_strict()


@pytest.mark.parametrize(
    ("issuer", "served", "expected"),
    [
        (ISSUER, SERVER, [SERVER]),
        (ISSUER, OPENID, [SERVER, OPENID]),
        (f"{ISSUER}/t/1", f"{SERVER}/t/1", [f"{SERVER}/t/1"]),
        (f"{ISSUER}/t/1", f"{OPENID}/t/1", [f"{SERVER}/t/1", f"{OPENID}/t/1"]),
        (
            f"{ISSUER}/t/1",
            f"/t/1{OPENID}",
            [f"{SERVER}/t/1", f"{OPENID}/t/1", f"/t/1{OPENID}"],
        ),
    ],
)
def test_authorization_server_metadata_is_found(
    issuer: str, served: str, expected: list[str]
) -> None:
    scene = Scene(issuer=issuer)
    scene.authorization.metadata_paths = (served,)
    scene.login()
    asked = [urlsplit(each).path for each in scene.network.paths("GET")]
    assert [each for each in asked if RESOURCE not in each] == expected
    scene.check_strict()


def test_server_without_resource_metadata_is_its_own_issuer() -> None:
    scene = Scene(issuer="https://mcp.example")
    protected = scene.server
    protected.names_metadata = False
    protected.metadata_path = "/nowhere"
    authorization = scene.authorization

    def both(request: Any) -> Any:
        is_mcp = request.parts.path == "/mcp"
        return protected.handle(request) if is_mcp else authorization.handle(request)

    scene.network.origins["https://mcp.example"] = both
    assert scene.login().issuer == "https://mcp.example"
    scene.check_strict()


@pytest.mark.parametrize(
    ("methods", "used"),
    [
        (("none", "client_secret_basic"), "none"),
        (("client_secret_basic",), "client_secret_basic"),
        (("client_secret_post",), "client_secret_post"),
    ],
)
def test_client_authenticates_as_registered(methods: tuple[str, ...], used: str) -> None:
    scene = Scene()
    scene.authorization.methods = methods
    grant = scene.login()
    assert grant.registered.client.auth_method == used
    assert bool(grant.registered.client.secret) == (used != "none")
    scene.check_strict()


def test_document_comes_before_registration() -> None:
    scene = Scene(oauth=OAuthClientSettings(metadata_url=DOCUMENT))
    scene.authorization.documents[DOCUMENT] = {
        "client_id": DOCUMENT,
        "client_name": "gateway",
        "redirect_uris": [REDIRECT],
    }
    grant = scene.login()
    assert (grant.registered.client.id, scene.authorization.registrations) == (DOCUMENT, [])
    scene.check_strict()


def test_document_is_not_used_where_it_is_not_supported() -> None:
    scene = Scene(oauth=OAuthClientSettings(metadata_url=DOCUMENT))
    assert scene.login().registered.source == "registered"
    scene.check_strict()


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_configured_client_comes_first(method: str) -> None:
    oauth = OAuthClientSettings("mine: 1/2", Secret("my+secret: %"), DOCUMENT, ISSUER)
    scene = Scene(oauth=oauth)
    scene.authorization.methods = (method,)
    scene.authorization.clients["mine: 1/2"] = Client(
        "mine: 1/2", [REDIRECT], "my+secret: %", method
    )
    grant = scene.login()
    assert grant.registered.client.id == "mine: 1/2"
    assert "my+secret: %" not in grant.secrets(), "it is in the configuration"
    scene.check_strict()


def test_missing_registration_names_the_settings() -> None:
    scene = Scene()
    scene.authorization.registers = False
    with pytest.raises(LoginError, match=r"set oauth\.client_id") as failed:
        scene.login()
    assert REDIRECT in str(failed.value)


def test_refused_registration_names_the_reason() -> None:
    scene = Scene()
    with pytest.raises(LoginError, match="invalid_redirect_uri"):
        scene.login(redirect_uri="http://gateway.example/callback")


def test_client_is_used_again_with_same_redirect_address() -> None:
    scene = Scene()
    first = scene.login()
    assert scene.login(first).registered.client == first.registered.client
    other = scene.login(first, REDIRECT.replace("8912", "8913"))
    assert other.registered.client.id != first.registered.client.id
    scene.check_strict()


def test_expired_client_is_registered_again() -> None:
    scene = Scene()
    first = scene.login()
    expiring = {"client_secret_expires_at": scene.now() + 60}
    scene.authorization.methods = ("client_secret_post",)
    register = scene.authorization._register

    def expires(request: Any) -> Any:
        response = register(request)
        response.body = json.dumps({**json.loads(response.body), **expiring}).encode()
        return response

    scene.authorization._register = expires  # type: ignore[method-assign]
    second = scene.login(None)
    third = scene.login(second)
    assert len({each.registered.client.id for each in (first, second, third)}) == 3


@pytest.mark.parametrize("expires", ["nan", "inf", "-inf", None])
def test_login_of_client_with_strange_expiry_can_be_stored(tmp_path: Path, expires: Any) -> None:
    scene = Scene()
    register = scene.authorization._register

    def strange(request: Any) -> Any:
        response = register(request)
        members = json.loads(response.body) | {"client_secret_expires_at": expires}
        response.body = json.dumps(members).encode()
        return response

    scene.authorization._register = strange  # type: ignore[method-assign]
    grant = scene.login()
    GrantFile(tmp_path, "far").write(grant)
    assert GrantFile(tmp_path, "far").read() == grant


@pytest.mark.parametrize("names_scopes", [True, False])
def test_scopes_come_from_challenge_then_from_metadata(names_scopes: bool) -> None:
    scene = Scene()
    scene.server.names_scopes = names_scopes
    scene.server.changes["scopes_supported"] = ["read", "write"]
    expected = ("read",) if names_scopes else ("read", "write")
    assert scene.login().scopes == expected
    assert scene.authorization.authorizations[0]["scope"] == " ".join(expected)
    scene.check_strict()


def test_scope_is_omitted_where_nobody_names_one() -> None:
    scene = Scene()
    scene.server.names_scopes = False
    scene.server.changes["scopes_supported"] = None
    scene.login()
    assert "scope" not in scene.authorization.authorizations[0]
    scene.check_strict()


def test_configured_scopes_replace_those_of_the_metadata() -> None:
    scene = Scene(oauth=OAuthClientSettings(scopes=("write",)))
    scene.server.names_scopes = False
    assert scene.login().scopes == ("write",)


def test_offline_access_is_requested_only_where_it_is_known() -> None:
    scene = Scene()
    scene.authorization.scopes = ("read", "offline_access")
    scene.login()
    (query,) = scene.authorization.authorizations
    assert (query["scope"], query["prompt"]) == ("read offline_access", "consent")
    scene.check_strict()


def test_new_login_keeps_scopes_and_adds_wanted_ones() -> None:
    scene = Scene()
    first = scene.login()
    again = scene.login(first, more_scopes=["write"])
    assert again.scopes == ("read", "write")
    assert scene.login(again).scopes == ("read", "write")
    scene.check_strict()


def test_resource_of_parent_path_is_used() -> None:
    scene = Scene()
    scene.server.changes["resource"] = "https://mcp.example"
    scene.authorization.resources = {"https://mcp.example"}
    assert scene.login().resource == "https://mcp.example"
    assert scene.authorization.grants[0]["resource"] == "https://mcp.example"
    scene.check_strict()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resource": "https://evil.example/mcp"}, "another resource"),
        ({"resource": "https://mcp.example/mcp/deeper"}, "another resource"),
        ({"resource": "https://mcp.example/mc"}, "another resource"),
        ({"resource": "http://mcp.example/mcp"}, "another resource"),
        ({"resource": None}, "malformed"),
        ({"authorization_servers": []}, "names no authorization server"),
        ({"authorization_servers": ["http://auth.example"]}, "does not use https"),
        ({"authorization_servers": ["file:///etc/passwd"]}, "not a valid address"),
        ({"authorization_servers": ["https://u:p@auth.example"]}, "a user, a password"),
        ({"authorization_servers": ["https://nowhere.example"]}, "cannot be reached"),
        ({"bearer_methods_supported": ["body"]}, "Authorization header"),
    ],
)
def test_unusable_resource_metadata_stops_login(changes: dict[str, Any], words: str) -> None:
    scene = Scene()
    scene.server.changes = changes
    with pytest.raises(LoginError, match=words):
        scene.login()
    assert scene.authorization.authorizations == []
    assert scene.authorization.registrations == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "https://evil.example"}, "names another issuer"),
        ({"issuer": f"{ISSUER}/"}, "names another issuer"),
        ({"issuer": "HTTPS://auth.example"}, "names another issuer"),
        ({"code_challenge_methods_supported": None}, "PKCE"),
        ({"code_challenge_methods_supported": ["plain"]}, "PKCE"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "not a valid address"),
        ({"authorization_endpoint": "http://auth.example/a"}, "does not use https"),
        ({"token_endpoint": "http://127.0.0.1:1/token"}, "does not use https"),
        ({"token_endpoint": None}, "malformed"),
        ({"registration_endpoint": "http://127.0.0.1:1/r"}, "does not use https"),
        ({"response_types_supported": ["token"]}, "authorization codes"),
    ],
)
def test_unusable_server_metadata_stops_login(changes: dict[str, Any], words: str) -> None:
    scene = Scene()
    scene.authorization.changes = changes
    with pytest.raises(LoginError, match=words):
        scene.login()
    assert scene.authorization.authorizations == []
    assert scene.authorization.registrations == []


def test_metadata_may_be_http_only_at_configured_origins() -> None:
    scene = Scene(
        "http://127.0.0.1:3000/mcp",
        "http://127.0.0.1:9000",
        OAuthClientSettings(issuer="http://127.0.0.1:9000"),
        trusted=("http://127.0.0.1:3000", "http://127.0.0.1:9000"),
    )
    assert scene.login().issuer == "http://127.0.0.1:9000"
    scene.check_strict()
    alone = Scene(
        "http://127.0.0.1:3000/mcp", "http://127.0.0.1:9000", trusted=("http://127.0.0.1:3000",)
    )
    with pytest.raises(LoginError, match="does not use https"):
        alone.login()


def test_redirected_metadata_is_not_followed() -> None:
    scene = Scene()
    handle = scene.authorization.handle

    def redirecting(request: Any) -> Any:
        response = handle(request)
        if request.method == "GET":
            response.status, response.headers = 302, [("Location", "https://evil.example/")]
        return response

    scene.network.origins[ISSUER] = redirecting
    with pytest.raises(LoginError, match="publishes no metadata"):
        scene.login()
    assert not any("evil" in each for each in scene.network.paths())


@pytest.mark.parametrize("endpoint", ["token", "register"])
def test_code_and_registration_are_never_redirected(endpoint: str) -> None:
    scene = Scene()
    handle = scene.authorization.handle

    def redirecting(request: Any) -> Any:
        response = handle(request)
        if request.parts.path == f"/{endpoint}":
            response.status, response.headers = 307, [("Location", "https://evil.example/")]
        return response

    scene.network.origins[ISSUER] = redirecting
    with pytest.raises(LoginError, match="redirects"):
        scene.login()
    assert not any("evil" in each for each in scene.network.paths())


def test_configured_issuer_must_be_used() -> None:
    scene = Scene(oauth=OAuthClientSettings(issuer="https://other.example"))
    with pytest.raises(LoginError, match=r"no longer uses the configured"):
        scene.login()
    # A slash at its end makes no difference for the choice, but the metadata must agree.
    slashed = Scene(oauth=OAuthClientSettings(issuer=f"{ISSUER}/"))
    slashed.authorization.changes["issuer"] = f"{ISSUER}/"
    slashed.authorization.iss = f"{ISSUER}/"
    assert slashed.login().issuer == f"{ISSUER}/"


@pytest.mark.parametrize(
    ("iss", "advertised", "is_accepted"),
    [
        (ISSUER, True, True),
        (ISSUER, None, True),
        ("", None, True),
        ("", True, False),
        ("https://evil.example", True, False),
        ("https://evil.example", None, False),
        (f"{ISSUER}/", True, False),
        ("https://AUTH.example", True, False),
    ],
)
def test_issuer_of_response_is_checked(
    iss: str, advertised: bool | None, is_accepted: bool
) -> None:
    scene = Scene()
    scene.authorization.iss = iss
    scene.authorization.changes["authorization_response_iss_parameter_supported"] = advertised
    if is_accepted:
        scene.login()
        return
    with pytest.raises(LoginError, match="iss"):
        scene.login()
    assert scene.authorization.grants == [], "the code was not sent"


def test_error_of_another_server_is_not_shown() -> None:
    scene = Scene()
    scene.login()
    request = scene.request
    assert request is not None
    query = f"state={request.state}&iss=https://evil.example&error=pay_here"
    with pytest.raises(LoginError) as failed:
        code_in(query, request)
    assert "pay_here" not in str(failed.value)
    with pytest.raises(LoginError, match="whole address"):
        code_in_text("code-1", request)


@pytest.mark.parametrize("code", ["a" * 65, "pay here", "bezahlt_ä", "\x1b[2J", ["x"]])
def test_strange_error_codes_are_not_repeated(code: object) -> None:
    assert error_code_of(msgspec.json.encode({"error": code})) == ""
    assert error_code_of(b'{"error": "invalid_grant"}') == "invalid_grant"


def test_foreign_issuer_cannot_write_to_the_terminal() -> None:
    scene = Scene(oauth=OAuthClientSettings(issuer="https://other.example"))
    scene.server.changes["authorization_servers"] = ["https://a.example/\x1b[2J" + "x" * 10**5]
    with pytest.raises(LoginError) as failed:
        scene.login()
    assert "\x1b" not in str(failed.value)
    assert len(str(failed.value)) < 3000


def test_refused_consent_is_reported() -> None:
    scene = Scene()
    scene.authorization.denies = True
    with pytest.raises(LoginError, match="access_denied"):
        scene.login()


def test_stolen_code_is_of_no_use() -> None:
    scene = Scene()
    scene.login()
    used = scene.authorization.grants[0]
    assert scene.request is not None
    form = {**used, "code_verifier": scene.request.verifier}
    request = build_form_request(f"{ISSUER}/token", PublicClient(used["client_id"]), form)
    status, _ = done(scene.requests.exchange(request))
    assert status == 400
    assert scene.authorization.revoked, "and it ends the login"


def test_changed_authorization_server_gets_a_client_of_its_own() -> None:
    scene = Scene()
    first = scene.login()
    second = AuthorizationServer("https://new.example", {URL}, scene.now)
    scene.add("https://new.example", second.handle)
    scene.server.authorization = second
    grant = scene.login(first)
    assert grant.issuer == "https://new.example"
    assert first.registered.client.id not in [each["client_id"] for each in second.authorizations]
    assert first.refresh.reveal() not in str(second.grants)
    assert second.refusals == []


def test_changed_authorization_server_is_not_sent_configured_client() -> None:
    scene = Scene(oauth=OAuthClientSettings("mine"))
    scene.authorization.clients["mine"] = Client("mine", [REDIRECT])
    first = scene.login()
    second = AuthorizationServer("https://new.example", {URL}, scene.now)
    scene.add("https://new.example", second.handle)
    scene.server.authorization = second
    with pytest.raises(LoginError, match=r"set oauth\.issuer"):
        scene.login(first)
    assert second.authorizations == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"access_token": None}, "malformed"),
        ({"access_token": ""}, "empty"),
        ({"access_token": "a\r\nx: y"}, "cannot be sent"),
        ({"access_token": "a" * 20000}, "cannot be sent"),
        ({"token_type": "DPoP"}, "not a bearer token"),
    ],
)
def test_unusable_tokens_are_refused(changes: dict[str, Any], words: str) -> None:
    scene = Scene()
    issue = scene.authorization._issue

    def changed(*arguments: Any) -> Any:
        response = issue(*arguments)
        answer = {**json.loads(response.body), **changes}
        response.body = json.dumps(answer).encode()
        return response

    scene.authorization._issue = changed  # type: ignore[method-assign]
    with pytest.raises(LoginError, match=words):
        scene.login()


def test_authorization_request_has_all_parameters_once() -> None:
    scene = Scene()
    scene.authorization.changes["authorization_endpoint"] = f"{ISSUER}/authorize?tenant=1"
    with pytest.raises(LoginError, match="invalid_request"):
        scene.login()  # the simulated server knows no "tenant"
    assert scene.request is not None
    query = parse_qs(urlsplit(scene.request.url).query)
    assert query["tenant"] == ["1"]
    assert all(len(values) == 1 for values in query.values())
