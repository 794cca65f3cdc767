"""The gateway proves to commands on its machine that it knows their key."""

from __future__ import annotations

import pytest

from antigravity.config.key_proof import is_nonce, new_nonce, plain_address, proof, proving_key
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings
from antigravity.web.key_proof import KeyProofs
from tests.web.builders import WebHarness

ADMIN, CLIENT = "sk-admin", "sk-client"


def test_proof_depends_on_key_nonce_and_address() -> None:
    nonce = new_nonce()
    good = proof(proving_key(ADMIN), nonce, "127.0.0.1", 8045)
    assert good == proof(proving_key(ADMIN), nonce, "::ffff:127.0.0.1", 8045)
    others = {
        proof(proving_key(CLIENT), nonce, "127.0.0.1", 8045),
        proof(proving_key(ADMIN), new_nonce(), "127.0.0.1", 8045),
        proof(proving_key(ADMIN), nonce, "127.0.0.1", 8046),
        proof(proving_key(ADMIN), nonce, "::1", 8045),
    }
    assert len(others) == 4
    assert good not in others
    assert ADMIN not in good


def test_addresses_have_one_spelling() -> None:
    assert plain_address("0:0:0:0:0:0:0:1") == "::1"
    assert plain_address("fe80::1%eth0") == "fe80::1"
    assert plain_address("no address") == "no address"


def test_each_key_is_proved_and_others_are_after_a_reload() -> None:
    proofs = KeyProofs(ProxySettings(admin_key=Secret(ADMIN), api_key=Secret(CLIENT)))
    nonce = new_nonce()
    expected = [proof(proving_key(key), nonce, "127.0.0.1", 1) for key in (ADMIN, CLIENT)]
    assert proofs.prove(nonce, "127.0.0.1", 1) == expected
    proofs.use(ProxySettings(api_key=Secret(CLIENT)))
    assert proofs.prove(nonce, "127.0.0.1", 1) == expected[1:]
    proofs.use(ProxySettings())
    assert proofs.prove(nonce, "127.0.0.1", 1) == []


@pytest.mark.parametrize("nonce", ["", "abc", "A" * 32, "0" * 31, "0" * 65, "0" * 31 + "\n"])
def test_only_nonces_are_proved(nonce: str) -> None:
    assert not is_nonce(nonce)
    web = WebHarness(auth_mode="strict", api_key=Secret(CLIENT))
    assert web.request("GET", f"/key-proof?nonce={nonce.strip()}").status == 400


def test_other_machines_get_no_proof() -> None:
    web = WebHarness(auth_mode="strict", api_key=Secret(CLIENT))
    path = f"/key-proof?nonce={new_nonce()}"
    assert web.request("GET", path, None, "X-Forwarded-For: 203.0.113.7").status == 404
    web.connect("192.0.2.1")
    assert web.request("GET", path).status == 404
