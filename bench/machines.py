"""Machines of a gateway each: a home, a port and a process that can be killed and started again."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Final

from bench.programs import SOURCE, free_port

API_KEY: Final = "sk-operator"
#: Accounts of each upstream; the simulator lets one of five requests of such an account fail.
ACCOUNTS: Final = 4
#: US dollars for a million tokens of output, and the largest output of a request on a budget.
PRICE, OUTPUT = 10, 1000
#: Models by the protocol of their upstream.
MODELS: Final = {
    "openai": "gpt-4.1",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "codeassist": "gemini-3-flash",
}
_START: Final = 60.0


_SHARED: Final = """
[proxy]
auth_mode = "strict"
api_key = "{api_key}"
admin_key = "sk-admin"

[state]
url = "{redis}"

[ledger]
url = "{postgres}"

[prices.models."*"]
output = {price}.0

[upstreams.openai]
kind = "openai"
base_url = "{simulator}/v1"
api_keys = {openai}
models = ["gpt-*"]
apis = ["chat"]

[upstreams.anthropic]
kind = "anthropic"
base_url = "{simulator}"
api_keys = {anthropic}
models = ["claude-*"]

[upstreams.gemini]
kind = "gemini_api"
base_url = "{simulator}"
api_keys = {gemini}
models = ["gemini-2.5-*"]
"""
_CODE_ASSIST: Final = """
[upstreams.codeassist-{number}]
kind = "codeassist"
base_url = "{simulator}"
refresh_token = "{word}-codeassist-{number}"
project = "bench"
models = ["gemini-3-*"]

[upstreams.codeassist-{number}.oauth]
client_id = "bench"
client_secret = "bench"
token_url = "{simulator}/token"
"""


def configuration(simulator: str, redis: str, postgres: str, *, faults: bool) -> str:
    """Return the configuration that all machines share.

    :param simulator: the address of the simulator, which is every provider.
    """
    word = "flaky" if faults else "good"
    keys = {
        name: json.dumps([f"{word}-{name}-{number}" for number in range(ACCOUNTS)])
        for name in ("openai", "anthropic", "gemini")
    }
    shared = _SHARED.format(
        api_key=API_KEY, redis=redis, postgres=postgres, price=PRICE, simulator=simulator, **keys
    )
    return shared + "".join(
        _CODE_ASSIST.format(number=number, simulator=simulator, word=word)
        for number in range(ACCOUNTS)
    )


class Machine:
    """A machine; its name is that of its folder."""

    def __init__(self, folder: Path, name: str, text: str) -> None:
        self.name = name
        self.port = free_port()
        self.home = folder / name
        self.home.mkdir(mode=0o700)
        file = self.home / "antigravity.toml"
        file.touch(0o600)
        file.write_text(text, "utf-8")
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its programs."""
        kept = ("PATH", "LANG", "HOME")
        found = {name: os.environ[name] for name in kept if name in os.environ}
        return found | {"ANTIGRAVITY_HOME": str(self.home), "PYTHONPATH": str(SOURCE)}

    def start(self) -> None:
        """Start the gateway, and wait until it listens."""
        twistd = Path(sys.executable).with_name("twistd")
        command = [str(twistd), "-n", "--pidfile=", "antigravity", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.home,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START
        while not self.is_listening():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start: {self.log()[-2000:]}")
            time.sleep(0.05)

    def is_listening(self) -> bool:
        """Return whether the gateway accepts requests."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/healthz", headers={"Authorization": f"Bearer {API_KEY}"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        """Kill the gateway with SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Stop the gateway in order, or kill it."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def log(self) -> str:
        """Return all that the gateway has logged."""
        return self._log.read_text("utf-8", "replace")

    def losses(self) -> list[str]:
        """Return the lines of the log that say that Redis was lost."""
        return [line for line in self.log().splitlines() if "the shared state is lost" in line]

    def add_key(self, label: str, *options: str) -> str:
        """Make a key for a client with the command line, and return its secret."""
        command = [sys.executable, "-m", "antigravity", "keys", "add", label, "--json", *options]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        secret: str = json.loads(done.stdout)["key"]
        return secret

    def copy_keys(self, other: Machine) -> None:
        """Give another machine the file with the keys, if there is one."""
        file = self.home / "keys.json"
        if file.exists():
            shutil.copy2(file, other.home / "keys.json")

    def ask(self, path: str, key: str = API_KEY) -> Any:
        """Return what is at a path, as JSON."""
        return get_json(f"http://127.0.0.1:{self.port}{path}", key)


def get_json(address: str, key: str = "") -> Any:
    """Return what is at an address, as JSON."""
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {key}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as response:
        return json.load(response)


class Simulator:
    """The simulator of all providers, in a process of its own."""

    def __init__(self, folder: Path, token_lifetime: float) -> None:
        twistd = Path(sys.executable).with_name("twistd")
        port = free_port()
        options = ("--port", str(port), "--token-lifetime", f"{token_lifetime}")
        self.address = f"http://127.0.0.1:{port}"
        self._log = folder / "simulator.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(twistd), "-n", "--pidfile=", "antigravity-simulator", *options],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _START
        while not re.search(r"starting on \d+", self._log.read_text("utf-8", "replace")):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the simulator did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def tokens_issued(self) -> int:
        """Return how many access tokens were issued."""
        return int(get_json(f"{self.address}/_simulator/stats")["tokens_issued"])

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(30)
