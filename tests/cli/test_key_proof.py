"""Commands send keys to the gateway only, whatever listens at its address."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from antigravity.cli.gateway_client import GatewayAddress, NoGatewayError, get_json, require_proof
from antigravity.config.key_proof import PROOF_PATH, proof, proving_key
from tests.cli.builders import Run, configure

KEY, ADMIN = "sk-Veiled-client-key", "sk-Veiled-admin-key"
COMMANDS = (
    ("models",),
    ("models", "show", "gpt-5.1"),
    ("status",),
    ("usage",),
    ("requests",),
    ("reload",),
    ("explain", "gpt-5.1"),
    ("dashboard", "--print"),
    ("tunnel", "status"),
    ("accounts", "unlock", "somebody"),
    ("connect", "claude-code", "--dry-run"),
    ("doctor",),
)


class Listener(http.server.BaseHTTPRequestHandler):
    """Another program at the gateway's address; it notes what is sent to it."""

    protocol_version = "HTTP/1.1"
    sent: list[tuple[str, str]]

    @staticmethod
    def proofs(nonce: str) -> list[str]:
        """Return no proof."""
        return []

    def do_GET(self) -> None:
        self.sent.append((self.path, str(self.headers)))
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        path, _, nonce = self.path.partition("?nonce=")
        found = self.proofs(nonce) if path == PROOF_PATH else []
        body = json.dumps({"proofs": found} if found else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(Listener, "sent", [], raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_sends_a_key_to_another_program(
    run: Run, tmp_path: Path, port: int, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    table = f'[proxy]\nport = {port}\nauth_mode = "strict"\n'
    configure(tmp_path, f'{table}api_key = "{KEY}"\nadmin_key = "{ADMIN}"\n')
    done = run(*command)
    assert Listener.sent
    for path, headers in Listener.sent:
        assert path.startswith(f"{PROOF_PATH}?nonce=")
        assert "Veiled" not in headers
        assert "authorization" not in headers.lower()
    if command[0] != "connect":  # it only lacks the list of models
        assert done.code == 1, done
    assert "not an antigravity gateway" in done.out + done.err


def test_bridge_for_mcp_sends_no_key_to_another_program(tmp_path: Path, port: int) -> None:
    table = f'[proxy]\nport = {port}\nauth_mode = "strict"\n'
    home = configure(tmp_path, f'{table}api_key = "{KEY}"\n').parent
    message = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    done = subprocess.run(
        [sys.executable, "-m", "antigravity", "mcp", "--home", str(home)],
        input=f"{json.dumps(message)}\n",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("ANTIGRAVITY_")},
    )
    assert "not an antigravity gateway" in json.loads(done.stdout)["error"]["message"]
    assert Listener.sent
    assert all(path.startswith(PROOF_PATH) for path, _ in Listener.sent)
    assert all("Veiled" not in headers for _, headers in Listener.sent)


def test_proof_of_another_key_or_address_is_not_enough(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = GatewayAddress("127.0.0.1", port)
    nonces = []

    def use(key: str, at: int) -> None:
        def proofs(nonce: str) -> list[str]:
            nonces.append(nonce)
            return [proof(proving_key(key), nonce, "127.0.0.1", at)]

        monkeypatch.setattr(Listener, "proofs", staticmethod(proofs))

    for key, at in ((ADMIN, port + 1), (KEY, port)):  # the first one comes from the real gateway
        use(key, at)
        with pytest.raises(NoGatewayError) as refused:
            get_json(address, "/admin/status", ADMIN)
        assert refused.value.status == 401
    use(ADMIN, port)
    require_proof(address, ADMIN)
    assert all("Veiled" not in headers for _, headers in Listener.sent)
    assert get_json(address, "/admin/status", ADMIN) == {}
    assert ADMIN in Listener.sent[-1][1]
    assert len(set(nonces)) == len(nonces)


def test_key_goes_over_the_connection_of_the_proof_or_not_at_all(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Listener, "protocol_version", "HTTP/1.0")  # it closes after each response
    answer = staticmethod(lambda nonce: [proof(proving_key(ADMIN), nonce, "127.0.0.1", port)])
    monkeypatch.setattr(Listener, "proofs", answer)
    with pytest.raises(NoGatewayError):
        get_json(GatewayAddress("127.0.0.1", port), "/admin/status", ADMIN)
    assert all("Veiled" not in headers for _, headers in Listener.sent)
