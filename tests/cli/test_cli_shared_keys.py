"""``antigravity keys`` and ``usage --key`` with a database, and with a gateway that fails."""

from __future__ import annotations

import os
import socketserver
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from antigravity.config.running_gateway import (
    RunningGateway,
    find_running_gateway,
    process_start,
    write_running_gateway,
)
from tests.cli.builders import Run, Simulated, configure, wait_for_record
from tests.support.gateway_process import running
from tests.support.postgres import PostgresServer

ADMIN = "sk-admin-of-the-tests"
COUNT = "SELECT count(*) FROM antigravity.client_keys"


class _Deaf(socketserver.StreamRequestHandler):
    """Reads the head of a request, and ends the connection without a response."""

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass


@pytest.fixture
def deaf_gateway(tmp_path: Path) -> Iterator[None]:
    """A process in the home that accepts requests, and does not say what becomes of them."""
    home = configure(tmp_path, f'[proxy]\nadmin_key = "{ADMIN}"\n').parent
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Deaf) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        pid = os.getpid()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        record = RunningGateway(pid=pid, process_start=process_start(pid), addresses=(address,))
        assert write_running_gateway(home, record) is None
        yield
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("deaf_gateway")
def test_key_is_not_made_twice_after_an_error_of_the_gateway(run: Run, tmp_path: Path) -> None:
    done = run("keys", "add", "laptop", check=True)
    assert done.code == 1
    assert "no response" in done.err
    assert not (tmp_path / "home" / "keys.json").exists()


def test_keys_are_in_the_database_of_the_ledger(
    run: Run, tmp_path: Path, postgres: PostgresServer
) -> None:
    file = configure(tmp_path, "[proxy]\n")
    old = run("keys", "add", "old", "--budget", "1/day", "--json", check=True).json
    file.write_text(f'[ledger]\nurl = "{postgres.url(password="Veiled")}"\n')
    assert run("keys", "list", "--json").json["keys"] == []
    made = run("keys", "add", "old", "--json", check=True).json
    moved = run("keys", "import", "--json")
    assert moved.json == {"added": 1, "known": 0}
    labels = {each["id"]: each["label"] for each in run("keys", "list", "--json").json["keys"]}
    assert labels == {made["id"]: "old", old["id"]: f"old {old['id']}"}
    assert not (tmp_path / "home" / "keys.json").exists()
    assert run("keys", "import", "--json").json == {"added": 0, "known": 0}
    assert run("keys", "rotate", old["id"], "--grace", "0", "--json").json["id"] == old["id"]
    assert run("keys", "remove", old["id"]).code == 0
    assert postgres.execute(COUNT) == [(1,)]
    proxy = "[proxy]\nport = 1\n"
    file.write_text(f'{proxy}[keys]\nurl = "{postgres.url(password="Veiled")}"\n')
    found = {each["name"]: each for each in run("doctor", "--json", check=True).json["findings"]}
    assert found["keys"]["status"] == "ok"
    postgres.stop()
    found = {each["name"]: each for each in run("doctor", "--json", check=True).json["findings"]}
    assert found["keys"]["status"] == "failed"
    away = run("keys", "add", "desk", check=True)
    assert away.code == 1
    assert "connection" in away.err
    file.write_text(
        '[ledger]\nurl = "postgresql://nobody@/x?host=/nowhere"\n[keys]\nurl = "file:"\n'
    )
    assert run("keys", "list", "--json").json["keys"] == []
    assert run("keys", "import").code == 1


def test_gateway_serves_key_that_came_through_the_database(
    run: Run,
    simulated: Simulated,
    tmp_path: Path,
    postgres: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = '[proxy]\nauth_mode = "strict"\n'  # no admin API: the command changes the database
    url = f'[keys]\nurl = "{postgres.url()}"\n'
    configure(tmp_path, f"{proxy}{url}{simulated.table()}")
    home = tmp_path / "home"
    command = [sys.executable, "-m", "antigravity", "serve", "--port", "0"]
    with running(command, home, tmp_path):
        wait_for_record(home)
        key = run("keys", "add", "laptop", "--rpm", "5", "--budget", "1/day", "--json", check=True)
        monkeypatch.setenv("ANTIGRAVITY_KEY", key.json["key"])
        for _ in range(100):
            shown = run("usage", "--key", "--json")
            if shown.code == 0:
                break
        assert shown.json["limits"][0]["remaining"] == 5
        assert shown.json["budgets"][0]["remaining"] == 1.0
        text = run("usage", "--key").out
        assert "5 of 5 requests left" in text
        assert "$1.0000 of $1.00 left per day" in text
        monkeypatch.delenv("ANTIGRAVITY_KEY")
        record = find_running_gateway(home)
        assert record is not None
        named = run("usage", "--key", "--url", record.addresses[0], stdin=f"{key.json['key']}\n")
        assert named.out == text
        assert run("usage", "--key", stdin="sk-ag-wrong\n").code == 1
        assert run("usage", "--key").code == 1
        assert run("usage", "--url", "http://127.0.0.1:1").code == 2
        assert run("usage", "--key", "--url", "nowhere", stdin="x\n").code == 2
