"""The compose files, as docker compose itself reads them."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from antigravity.config.settings import ProxySettings
from antigravity.config.snapshot import load
from bench.programs import free_port
from tests.deployment.programs import find

ETC = Path(__file__).parents[2] / "etc"
SECRETS = {
    "ANTIGRAVITY_API_KEY": "clients0key",
    "STATE_SECRET": "state0secret-of-at-least-32-characters",
    "REDIS_PASSWORD": "redis0password",
    "POSTGRES_PASSWORD": "postgres0password",
    "GEMINI_API_KEY": "gemini0key",
}


def compose(file: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let docker compose read a file."""
    command = [find("docker-compose"), "-f", str(ETC / file), "config", "--format", "json"]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def read(file: str = "compose.yaml") -> dict[str, Any]:
    """Return what docker compose makes of a file; a warning is an error."""
    done = compose(file, SECRETS)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("missing", [name for name in SECRETS if name != "GEMINI_API_KEY"])
def test_nothing_starts_without_secrets(missing: str) -> None:
    done = compose("compose.yaml", {k: v for k, v in SECRETS.items() if k != missing})
    assert done.returncode != 0
    assert f"required variable {missing} is missing" in done.stderr


def test_gateways_differ_in_their_homes_only() -> None:
    services = read()["services"]
    gateways = [services[name] for name in sorted(services) if name.startswith("gateway-")]
    assert len(gateways) >= 2
    homes = {each["volumes"][0]["source"] for each in gateways}
    assert len(homes) == len(gateways)
    for each in gateways:
        (volume,) = each.pop("volumes")
        assert volume["target"] == "/var/lib/antigravity"
        assert each == gateways[0]


@pytest.mark.parametrize("file", ["compose.yaml", "compose-single.yaml"])
def test_settings_of_gateways_are_valid(file: str, tmp_path: Path) -> None:
    services = read(file)["services"]
    gateways = [each for each in services.values() if "build" in each]
    assert gateways
    for number, each in enumerate(gateways):
        home = tmp_path / str(number)
        home.mkdir(mode=0o700)
        configuration = load(home, environ=each["environment"])
        assert configuration.warnings == ()
        settings = configuration.settings
        grace = seconds(each["stop_grace_period"])
        assert grace > settings.proxy.shutdown_grace
        assert settings.upstreams["gemini"].api_key.reveal() == SECRETS["GEMINI_API_KEY"]
        if file == "compose.yaml":
            assert settings.proxy.api_key.reveal() == SECRETS["ANTIGRAVITY_API_KEY"]
            assert (
                settings.state.url.reveal() == f"redis://:{SECRETS['REDIS_PASSWORD']}@redis:6379/0"
            )
            assert f":{SECRETS['POSTGRES_PASSWORD']}@postgres/" in settings.ledger.url.reveal()


def seconds(text: str) -> float:
    """Return a duration that compose writes, such as ``2m10s``."""
    factors = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"(\d+)([hms])", text)
    assert "".join(a + b for a, b in parts) == text
    return sum(int(number) * factors[unit] for number, unit in parts)


def test_only_nginx_can_be_reached_and_from_this_machine() -> None:
    found = read()
    published = {
        name: each["ports"] for name, each in found["services"].items() if each.get("ports")
    }
    assert published.keys() == {"nginx"}
    (port,) = published["nginx"]
    assert port["host_ip"] == "127.0.0.1"
    assert port["published"] == str(ProxySettings().port)
    example = (ETC / "nginx" / "gateways.conf").read_text("ascii")
    assert f"    listen {port['target']};" in example
    assert found["networks"]["stores"]["internal"] is True
    for name in ("redis", "postgres"):
        assert found["services"][name]["networks"].keys() == {"stores"}


def test_nginx_balances_all_gateways_and_lets_streams_end() -> None:
    services = read()["services"]
    nginx = services["nginx"]
    (volume,) = nginx["volumes"]
    source = Path(volume["source"])
    assert source == ETC / "nginx" / "gateways.conf"
    assert volume["read_only"] is True
    gateways = {name for name in services if name.startswith("gateway-")}
    assert set(re.findall(r"server (gateway-\d+):8045", source.read_text("ascii"))) == gateways
    assert nginx["depends_on"].keys() == gateways
    assert nginx["stop_signal"] == "SIGQUIT"


def test_gateways_trust_nginx_only() -> None:
    found = read()
    address = found["services"]["nginx"]["networks"]["gateways"]["ipv4_address"]
    (network,) = found["networks"]["gateways"]["ipam"]["config"]
    assert ip_address(address) in ip_network(network["subnet"])
    assert ip_address(address) not in ip_network(network["ip_range"])
    for name, each in found["services"].items():
        if name.startswith("gateway-"):
            trusted = each["environment"]["ANTIGRAVITY_PROXY__TRUSTED_PROXIES"]
            assert json.loads(trusted) == [address]


def test_no_service_gains_privileges() -> None:
    for file in ("compose.yaml", "compose-single.yaml"):
        for name, each in read(file)["services"].items():
            assert each["security_opt"] == ["no-new-privileges:true"], name
            assert not each.get("privileged"), name


def test_secrets_are_in_the_environment_of_those_who_need_them_only() -> None:
    services = read()["services"]
    for name, each in services.items():
        text = json.dumps(each)
        holders = {
            "clients0key": name.startswith("gateway-"),
            "state0secret": name.startswith("gateway-"),
            "redis0password": name.startswith("gateway-") or name == "redis",
            "postgres0password": name.startswith("gateway-") or name == "postgres",
        }
        for secret, is_holder in holders.items():
            assert (secret in text) is is_holder, (name, secret)
            assert secret not in json.dumps(each.get("command") or ""), name


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="there is no Redis server")
def test_redis_demands_the_password_which_no_argument_shows(tmp_path: Path) -> None:
    command = read()["services"]["redis"]["command"]
    # Where the output of "config" is a compose file again, a dollar is doubled.
    command = [word.replace("$$", "$") for word in command]
    port = free_port()
    assert command[2].count("redis-server - <<") == 1
    command[2] = command[2].replace(
        "redis-server -", f"redis-server - --port {port} --bind 127.0.0.1 --dir {tmp_path}"
    )
    environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD": "veiled0password"}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    try:
        assert talk(port, b"PING\r\n").startswith(b"-NOAUTH")
        assert talk(port, b"AUTH veiled0password\r\nPING\r\n") == b"+OK\r\n+PONG\r\n"
        saved = talk(port, b"AUTH veiled0password\r\nCONFIG GET save\r\n")
        assert saved.endswith(b"$4\r\nsave\r\n$0\r\n\r\n")
        shown = Path(f"/proc/{server.pid}/cmdline")
        if shown.exists():
            assert b"redis-server" in shown.read_bytes()
            assert b"veiled0password" not in shown.read_bytes()
    finally:
        server.kill()
        server.wait()


def talk(port: int, commands: bytes) -> bytes:
    """Return what the server replies; wait until it listens."""
    deadline = time.monotonic() + 20
    while True:
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with connection:
        connection.sendall(commands + b"QUIT\r\n")
        found = b""
        while more := connection.recv(65536):
            found += more
    return found.removesuffix(b"+OK\r\n")
