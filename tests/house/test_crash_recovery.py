"""A gateway that is killed under load, and one whose clock is set: real processes."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.conditions import wait_until
from tests.support.gateway_process import running

FAR = 5 * 86400
YEARS = 10 * 365 * 86400
#: A twistd whose calendar is ahead by what a file says.
LEAPING = """
import sys, time
real = time.time
def leaping():
    try:
        with open({path!r}) as file:
            return real() + float(file.read() or 0)
    except OSError:
        return real()
time.time = leaping
from twisted.scripts.twistd import run
run()
"""
THOUGHT = [
    ("message_start", {"message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
        "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1}}}),
    ("content_block_start", {"index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
    ("content_block_delta", {"index": 0, "delta": {"type": "signature_delta", "signature": "Eu1"}}),
    ("content_block_stop", {"index": 0}),
    ("content_block_start", {"index": 1, "content_block": {
        "type": "tool_use", "id": "toolu_ID", "name": "look", "input": {}}}),
    ("content_block_delta", {"index": 1, "delta": {
        "type": "input_json_delta", "partial_json": "{}"}}),
    ("content_block_stop", {"index": 1}),
    ("message_delta", {"delta": {"stop_reason": "tool_use", "stop_sequence": None},
                       "usage": {"output_tokens": 5}}),
    ("message_stop", {}),
]  # fmt: skip


class Upstream(ThreadingHTTPServer):
    """Speaks Anthropic's protocol: thinks and calls a tool.  One key is locked for days.

    :ivar refused: how many requests came with that key.
    :ivar pause: seconds within an answer that was asked to be slow.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refused = 0
        self.answered = 0
        self.paused = threading.Event()
        self.go_on = threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Upstream

    def log_message(self, *arguments: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["x-api-key"] == "spent":
            self.server.refused += 1
            self._refuse()
            return
        self.server.answered += 1
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        for name, fields in THOUGHT:
            text = json.dumps({"type": name, **fields})
            text = text.replace("toolu_ID", f"toolu_{self.server.answered}")
            self.wfile.write(f"event: {name}\ndata: {text}\n\n".encode())
            self.wfile.flush()
            is_slow = name == "content_block_stop" and b"slowly" in body
            if is_slow and not self.server.paused.is_set():
                self.server.paused.set()
                self.server.go_on.wait(20)
        self.close_connection = True

    def _refuse(self) -> None:
        error = {"type": "rate_limit_error", "message": "slow down"}
        data = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(429)
        self.send_header("content-type", "application/json")
        self.send_header("retry-after", str(FAR))
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    server = Upstream()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.go_on.set()
    server.shutdown()
    thread.join(10)
    server.server_close()


def home_of(folder: Path, upstream: Upstream, *keys: str) -> Path:
    home = folder / "home"
    home.mkdir(mode=0o700)
    file = home / "antigravity.toml"
    file.write_text(
        "[proxy]\nport = 0\nauth_mode = 'off'\nadmin_key = 'sk-admin'\n"
        "keepalive_interval = 0.2\nidle_timeout = 30.0\n"
        "[proxy.scheduling]\nmax_wait_seconds = 1.0\n"
        f"[upstreams.claude]\nkind = 'anthropic'\nbase_url = '{upstream.address}'\n"
        f"api_keys = {list(keys)!r}\nmodels = ['claude-sonnet-4-5']\n"
    )
    file.chmod(0o600)
    return home


def post(address: str, text: str, session: str = "s", **fields: Any) -> tuple[int, str, Any]:
    """Return status, body and headers of the answer to a question."""
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    body = {
        "model": "claude-sonnet-4-5",
        "messages": [{"role": "user", "content": text}],
        "tools": [tool],
        "reasoning_effort": "low",
        **fields,
    }
    request = urllib.request.Request(
        f"{address}/v1/chat/completions",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-session-id": session},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


@contextmanager
def load(address: str) -> Iterator[None]:
    """Send requests of ever new conversations from several threads while the block lasts."""
    over = threading.Event()

    def send(number: int) -> None:
        count = 0
        while not over.is_set():
            count += 1
            try:
                post(address, "hi", f"{number}-{count}")
            except (OSError, urllib.error.URLError):
                over.wait(0.05)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(40)


def twistd(home: Path) -> tuple[str, ...]:
    program = shutil.which("twistd", path=str(Path(sys.executable).parent))
    assert program is not None
    return program, "-n", "--pidfile=", "antigravity", "--home", str(home)


def check_state(home: Path) -> None:
    """See that every file of the state can be read as it was left."""
    state = home / "state"
    for path in state.rglob("*.json"):
        assert isinstance(msgspec.json.decode(path.read_bytes()), dict), path
    for path in state.glob("*.db"):
        copy = home.parent / f"copy-{path.name}"
        for each in state.glob(f"{path.name}*"):
            shutil.copy(each, home.parent / f"copy-{each.name}")
        with closing(sqlite3.connect(copy)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no kill -9")
def test_state_is_restored_after_kill_under_load(tmp_path: Path, upstream: Upstream) -> None:
    home = home_of(tmp_path, upstream, "spent", "good-1", "good-2")
    pool, signatures = home / "state" / "pool.json", home / "state" / "signatures.db"
    refused: list[int] = []
    for round_ in range(2):
        before = pool.stat().st_mtime_ns if pool.exists() else 0
        with running(twistd(home), home, tmp_path) as gateway:
            address = gateway.address()
            with load(address):

                def is_written(before: int = before) -> bool:
                    return pool.exists() and pool.stat().st_mtime_ns != before

                wait_until(is_written)
                wait_until(lambda: signatures.exists() and signatures.stat().st_size > 0)
                gateway.process.kill()
                gateway.process.wait(20)
        check_state(home)
        refused.append(upstream.refused)
        (pool.parent / f".pool.json.{round_}.tmp").write_bytes(b'{"cut')
    assert refused[0] >= 1
    assert refused[1] == refused[0], "the lock was known again after the first kill"
    with running(twistd(home), home, tmp_path) as gateway:
        address = gateway.address()
        for number in range(10):
            assert post(address, "hi", f"after-{number}")[0] == 200
        assert gateway.stop() in (0, -15)
        assert "is ignored" not in gateway.log
        assert "is damaged" not in gateway.log
    assert upstream.refused == refused[0]
    assert not list(pool.parent.glob(".*.tmp"))
    (lock,) = msgspec.json.decode(pool.read_bytes())["locks"]["locks"]
    assert abs(lock["until"] - time.time() - FAR) < 300


@pytest.mark.parametrize("leap", [YEARS, -YEARS])
def test_clock_changes_break_no_response_and_move_no_lock(
    leap: int, tmp_path: Path, upstream: Upstream
) -> None:
    home = home_of(tmp_path, upstream, "spent", "good-1")
    clock = tmp_path / "clock"
    clock.write_text("0")
    code = LEAPING.format(path=str(clock))
    command = (sys.executable, "-c", code, *twistd(home)[1:])
    answers: list[tuple[int, str, Any]] = []
    with running(command, home, tmp_path) as gateway:
        address = gateway.address()
        for number in range(4):  # one of them meets the key that is spent
            assert post(address, "hi", f"before-{number}")[0] == 200
        assert upstream.refused == 1
        slow = threading.Thread(
            target=lambda: answers.append(post(address, "slowly", "slow", stream=True))
        )
        slow.start()
        assert upstream.paused.wait(20)
        clock.write_text(str(leap))
        time.sleep(1.0)  # some signs of life
        upstream.go_on.set()
        slow.join(30)
        ((status, text, _),) = answers
        assert status == 200
        assert "[DONE]" in text
        assert "error" not in text
        assert text.count("\n:") >= 2, "the timer of the signs of life goes on"
        for number in range(4):
            assert post(address, "hi", f"after-{number}")[0] == 200
        assert upstream.refused == 1, "the lock is as long as before"
        assert gateway.stop() in (0, -15)
    (lock,) = msgspec.json.decode((home / "state" / "pool.json").read_bytes())["locks"]["locks"]
    assert abs(lock["until"] - (time.time() + leap) - FAR) < 300
