"""Which endpoints other machines can reach, and the authentication mode that follows."""

from __future__ import annotations

import pytest

from antigravity.config.network import is_loopback, reaches_network
from antigravity.config.settings import ProxySettings, effective_auth_mode

LOCAL = (
    "tcp:8045:interface=127.0.0.1",
    "tcp:8045:interface=127.1.2.3",
    "tcp:8045:127.0.0.1",
    "tcp:port=8045:interface=localhost",
    "tcp6:8045:interface=\\:\\:1",
    "tcp6:8045:interface=0\\:0\\:0\\:0\\:0\\:0\\:0\\:1",
    "tcp6:8045:interface=\\:\\:ffff\\:127.0.0.1",
    "ssl:8045:privateKey=a.pem:interface=127.0.0.1",
    "unix:/run/antigravity.sock",
    "systemd:domain=UNIX:index=0",
)
OPEN = (
    "tcp:8045",
    "tcp:8045:interface=",
    "tcp:8045:interface=0.0.0.0",
    "tcp:8045:interface=192.168.1.2",
    "tcp:8045:interface=169.254.1.2",
    "tcp:8045:interface=127.0.0.1.example.org",
    "tcp6:8045",
    "tcp6:8045:interface=\\:\\:",
    "tcp6:8045:interface=\\:\\:ffff\\:192.168.1.2",
    "tcp6:8045:interface=fe80\\:\\:1",
    "ssl:8045:privateKey=a.pem",
    "systemd:domain=INET:index=0",
    "haproxy:tcp:8045",
    "haproxy:tcp:8045:interface=127.0.0.1",
    "haproxy:unix:/run/antigravity.sock",
    "onion:8045",
)


@pytest.mark.parametrize("endpoint", LOCAL)
def test_local_endpoint_needs_no_key_in_mode_auto(endpoint: str) -> None:
    assert not reaches_network(endpoint)
    assert effective_auth_mode(ProxySettings(listen=[endpoint])) == "off"


@pytest.mark.parametrize("endpoint", OPEN)
def test_endpoint_that_others_can_reach_needs_a_key_in_mode_auto(endpoint: str) -> None:
    assert reaches_network(endpoint)
    proxy = ProxySettings(listen=[LOCAL[0], endpoint])
    assert effective_auth_mode(proxy) == "all_except_health"
    assert effective_auth_mode(ProxySettings(listen=[endpoint], auth_mode="off")) == "off"


def test_names_and_other_addresses_are_not_loopback() -> None:
    assert not any(map(is_loopback, ("", "example.org", "10.0.0.1", "::", "128.0.0.1")))
