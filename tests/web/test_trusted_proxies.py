"""The clients behind reverse proxies: which headers are believed, and that nothing else is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import UNIXAddress

from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings
from antigravity.web.key_throttle import FREE_TRIES
from antigravity.web.request import head_of
from antigravity.web.trusted_proxies import ForwardedClient, TrustedProxies
from tests.web.builders import Transport, WebHarness

CLIENT, PROXY, INNER = "203.0.113.9", "10.0.3.1", "10.0.3.2"
TRUSTED = ["10.0.3.0/28", "2001:db8:3::/64", "127.0.0.1"]


def client_of(
    chain: str, peer: str | None = PROXY, kind: str = "X-Forwarded-For", **more: str
) -> ForwardedClient | None:
    proxies = TrustedProxies(ProxySettings(trusted_proxies=TRUSTED, forwarded_header=kind))  # type: ignore[arg-type]
    headers = {kind.lower(): chain}
    headers |= {f"x-forwarded-{name}": value for name, value in more.items()}
    return proxies.find_client(peer, headers)


def address_of(chain: str, kind: str = "X-Forwarded-For") -> str:
    found = client_of(chain, kind=kind)
    assert found is not None
    return found.address


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (CLIENT, CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        (f"::ffff:{CLIENT}", CLIENT),
        ("2001:db8::9", "2001:db8::9"),
        ("[2001:DB8::9]:443", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        # what a client has sent is left of what proxies append
        (f"127.0.0.1, {CLIENT}", CLIENT),
        (f"127.0.0.1, {CLIENT}, {INNER}", CLIENT),
        (f"garbage,, {CLIENT},{INNER}, 2001:db8:3::1", CLIENT),
        # all are proxies: the first one is the client
        (f"{INNER}, 10.0.3.3", INNER),
        # the nearest proxy names nobody
        ("", ""),
        ("unknown", ""),
        (f"{CLIENT}, unknown", ""),
        (f"{CLIENT},", ""),
        (f"{CLIENT}, _hidden, {INNER}", ""),
        ("203.0.113.9.5", ""),
        ("203.0.113.999", ""),
        ("203.0.113.09", ""),
        ("[203.0.113.9", ""),
        ("203.0.113.9:", ""),
        ("203.0.113.9:port", ""),
        ("fe80::1%eth0", ""),
        ("localhost", ""),
        ('"203.0.113.9"', ""),
        ("203.0.113.9 203.0.113.8", ""),
        ("٢٠٣.0.113.9", ""),
    ],
)
def test_client_is_rightmost_address_of_no_proxy(chain: str, address: str) -> None:
    assert address_of(chain) == address


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (f"for={CLIENT}", CLIENT),
        (f"For={CLIENT};Proto=https;by={PROXY};host=x", CLIENT),
        (f'for="{CLIENT}:4711"', CLIENT),
        ('for="[2001:db8::9]:4711"', "2001:db8::9"),
        ('for="[2001:db8::9]:_port"', "2001:db8::9"),
        (f"for=127.0.0.1, for={CLIENT}", CLIENT),
        (f"for={CLIENT};, ;for={INNER}", CLIENT),
        # no quote of a client can swallow what proxies append
        (f'for="127.0.0.1, for={CLIENT}', CLIENT),
        ('for=", for="[2001:db8::9]"', "2001:db8::9"),
        ('for="x;y=\\", for="[2001:db8::9]"', "2001:db8::9"),
        ("for=unknown", ""),
        ("for=_hidden", ""),
        ("proto=https", ""),
        (f"for={CLIENT};for=203.0.113.8", ""),
        (f"for={CLIENT};proto", ""),
        (f'for="{CLIENT}', ""),
        (f"for = {CLIENT}", ""),
        (f'for="{CLIENT}";ext="a,b"', ""),
        (CLIENT, ""),
        ("", ""),
    ],
)
def test_standard_header_is_read_from_the_right(chain: str, address: str) -> None:
    assert address_of(chain, "Forwarded") == address


def test_only_the_configured_header_counts() -> None:
    proxies = TrustedProxies(ProxySettings(trusted_proxies=TRUSTED))
    headers = {"forwarded": "for=192.0.2.1", "x-real-ip": "192.0.2.2", "x-forwarded-for": CLIENT}
    found = proxies.find_client(PROXY, headers)
    assert found == ForwardedClient(CLIENT)
    standard = TrustedProxies(ProxySettings(trusted_proxies=TRUSTED, forwarded_header="Forwarded"))
    found = standard.find_client(PROXY, {**headers, "x-forwarded-proto": "https"})
    assert found == ForwardedClient("192.0.2.1")


@pytest.mark.parametrize("peer", ["10.0.3.16", "203.0.113.1", "::1", None, "", "localhost"])
def test_others_are_not_believed(peer: str | None) -> None:
    assert client_of("192.0.2.1", peer) is None


@pytest.mark.parametrize("peer", [PROXY, f"::ffff:{PROXY}", "2001:db8:3::5", "127.0.0.1"])
def test_proxies_are_believed(peer: str) -> None:
    assert client_of("192.0.2.1", peer) == ForwardedClient("192.0.2.1")


def test_long_chain_names_nobody() -> None:
    assert address_of(", ".join([CLIENT, *[INNER] * 31])) == CLIENT
    assert address_of(", ".join([CLIENT, *[INNER] * 32])) == ""


def test_scheme_and_host_are_those_of_the_hop_of_the_client() -> None:
    found = client_of(f"{CLIENT}, {INNER}", proto="https, http", host="a.example, b.example")
    assert found == ForwardedClient(CLIENT, "https", "a.example")
    found = client_of(f"192.0.2.1, {CLIENT}", proto="HTTPS", host="a.example")
    assert found == ForwardedClient(CLIENT, "https", "a.example")
    assert client_of("unknown", proto="https") == ForwardedClient("", "https")
    assert client_of(CLIENT, proto="javascript") == ForwardedClient(CLIENT)
    found = client_of(f"for={CLIENT};proto=https;host=a.example, for={INNER}", kind="Forwarded")
    assert found == ForwardedClient(CLIENT, "https", "a.example")


PUBLIC = st.ip_addresses().filter(
    lambda each: (
        client_of(str(each)) is not None
        and str(each) not in TrustedProxies(ProxySettings(trusted_proxies=TRUSTED))
        and not (isinstance(each, IPv6Address) and each.ipv4_mapped)
    )
)
SENT = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)


def quoted(address: IPv4Address | IPv6Address) -> str:
    return f'for="[{address}]"' if address.version == 6 else f"for={address}"


@given(SENT, PUBLIC, st.lists(st.sampled_from([PROXY, INNER, "2001:db8:3::7"]), max_size=5))
def test_nothing_that_a_client_sends_changes_its_address(
    sent: str, client: IPv4Address | IPv6Address, proxies: list[str]
) -> None:
    addresses = [client, *map(ip_address, proxies)]
    assert address_of(", ".join([sent, *map(str, addresses)])) == str(client)
    assert address_of(", ".join([sent, *map(quoted, addresses)]), "Forwarded") == str(client)


@given(SENT, st.sampled_from(["X-Forwarded-For", "Forwarded"]))
def test_address_is_an_address_or_none(sent: str, kind: str) -> None:
    found = address_of(sent, kind)
    assert not found or str(ip_address(found)) == found


# Requests


def look(request: Any) -> str:
    head = head_of(request)
    return f"{head.client} {head.address} {head.loopback}"


def web(**proxy: Any) -> WebHarness:
    return WebHarness([("GET", "/seen", look)], **proxy)


def seen(gateway: WebHarness, peer: str, *headers: str) -> str:
    gateway.connect(peer)
    return gateway.request("GET", "/seen", None, *headers).body.decode()


def test_without_the_setting_no_header_is_believed() -> None:
    gateway = web()
    headers = (f"X-Forwarded-For: {CLIENT}", f"Forwarded: for={CLIENT}")
    assert seen(gateway, "127.0.0.1", *headers) == "127.0.0.1 127.0.0.1 False"
    gateway.connect("127.0.0.1")
    gateway.request("POST", "/v1/messages", b"{}", "X-Forwarded-Proto: https", *headers)
    assert gateway.exchange.call.base_url == "http://localhost"


@pytest.mark.parametrize("named", [CLIENT, "127.0.0.1", "::1", "unknown", ""])
def test_forwarded_client_is_never_local(named: str) -> None:
    gateway = web(trusted_proxies=["127.0.0.1"], auth_mode="off")
    client = named.replace("unknown", "") or "127.0.0.1"
    found = seen(gateway, "127.0.0.1", f"X-Forwarded-For: {named}")
    assert found == f"{client} {client} False"


def test_program_on_the_machine_of_the_proxy_is_local() -> None:
    gateway = web(trusted_proxies=["127.0.0.1"], auth_mode="off")
    assert seen(gateway, "127.0.0.1") == "127.0.0.1 127.0.0.1 True"


def test_lines_of_a_header_are_one_chain() -> None:
    gateway = web(trusted_proxies=["127.0.0.1"], auth_mode="off")
    lines = ("X-Forwarded-For: 127.0.0.1", f"x-forwarded-for: {CLIENT}")
    assert seen(gateway, "127.0.0.1", *lines) == f"{CLIENT} {CLIENT} False"


def test_setting_applies_from_the_next_request_on() -> None:
    gateway = web(auth_mode="off")
    assert seen(gateway, PROXY, f"X-Forwarded-For: {CLIENT}").startswith(PROXY)
    gateway.configure(trusted_proxies=[PROXY])
    assert seen(gateway, PROXY, f"X-Forwarded-For: {CLIENT}").startswith(CLIENT)


@pytest.mark.parametrize(("trusted", "client"), [(["unix"], CLIENT), ([PROXY], "local")])
def test_proxy_may_connect_to_a_unix_socket(trusted: list[str], client: str) -> None:
    gateway = web(trusted_proxies=trusted, auth_mode="off")
    gateway.transport = Transport(peerAddress=UNIXAddress(b""))
    gateway.channel = gateway.site.buildProtocol(None)
    gateway.channel.makeConnection(gateway.transport)
    response = gateway.request("GET", "/seen", None, f"X-Forwarded-For: {CLIENT}")
    assert response.body.decode() == f"{client} {client} False"


def test_clients_of_a_proxy_are_throttled_one_by_one() -> None:
    gateway = web(trusted_proxies=[PROXY], auth_mode="strict", api_key=Secret("sk-right"))
    wrong, guesser = "x-api-key: sk-wrong", f"X-Forwarded-For: 192.0.2.1, {CLIENT}"
    for _ in range(FREE_TRIES):
        gateway.connect(PROXY)
        assert gateway.request("GET", "/v1/models", None, wrong, guesser).status == 401
    gateway.connect(PROXY)
    other = f"X-Forwarded-For: {CLIENT}, 192.0.2.1"
    assert gateway.request("GET", "/v1/models", None, wrong, other).status == 401
    gateway.connect(PROXY)
    gateway.send(
        f"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n{wrong}\r\n{guesser}\r\n\r\n".encode()
    )
    assert gateway.wire() == b""  # delayed
    gateway.clock.advance(1)
    assert b" 401 " in gateway.wire()


def test_log_names_a_proxy_that_is_not_trusted_once(logged: list[str]) -> None:
    hint = "a request came through a proxy at 10.0.9.1 (x-forwarded-for)"
    gateway = web(trusted_proxies=TRUSTED, auth_mode="strict", api_key=Secret("sk-right"))
    key = "x-api-key: sk-right"
    seen(gateway, PROXY, key, f"X-Forwarded-For: {CLIENT}")
    seen(gateway, "10.0.9.1", key, f"Forwarded: for={CLIENT}")
    gateway.connect("10.0.9.1")
    gateway.request("GET", "/seen", None, f"X-Forwarded-For: {CLIENT}")  # not admitted
    assert not [line for line in logged if "proxy" in line]
    for _ in range(3):
        seen(gateway, "10.0.9.1", key, "X-Forwarded-For: <script>")
    (line,) = [line for line in logged if "proxy" in line]
    assert line.startswith(hint)
    assert "script" not in line
    gateway.configure(trusted_proxies=[], forwarded_header="Forwarded")
    seen(gateway, "10.0.9.1", key, f"X-Forwarded-For: {CLIENT}")
    assert len([line for line in logged if "proxy" in line]) == 1
    seen(gateway, "10.0.9.1", key, f"Forwarded: for={CLIENT}")
    assert len([line for line in logged if "proxy" in line]) == 2


def test_proxy_makes_mode_auto_demand_a_key() -> None:
    gateway = web(trusted_proxies=["127.0.0.1"], api_key=Secret("sk-right"))
    assert gateway.request("GET", "/v1/models").status == 401
