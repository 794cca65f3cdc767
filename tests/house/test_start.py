"""What a gateway imports until it listens: the start is quick, and an idle gateway small."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

#: Builds and starts the service like ``twistd``, and prints what was imported when it listens.
PROGRAM = """
import json, sys
from twisted.internet import reactor
from antigravity import tap

options = tap.Options()
options.parseOptions(["--home", sys.argv[1], "--listen", "tcp:0:interface=127.0.0.1"])
after_options = sorted(sys.modules)
service = tap.makeService(options)

def started():
    service.startService()
    look()

def look():
    (gateway,) = [each for each in service if hasattr(each, "listener")]
    if gateway.listener is None or not gateway.listener.ports:
        reactor.callLater(0.01, look)
        return
    print(json.dumps([after_options, sorted(sys.modules)]))
    service.stopService().addBoth(lambda _: reactor.stop())

reactor.callWhenRunning(started)
reactor.run()
"""
CONFIGURATION = """\
[upstreams.openai]
kind = "openai"
base_url = "https://api.openai.com/v1"
api_key = "sk-0123456789abcdef"

[upstreams.gemini]
kind = "gemini_api"
api_key = "sk-0123456789abcdef"
"""
#: What only some requests, some configurations or failures need.
AT_FIRST_USE = (
    "antigravity.app.mcp.federation",
    "antigravity.app.mcp.logins",
    "antigravity.app.mcp.relay",
    "antigravity.app.mcp.vision",
    "antigravity.cli",
    "antigravity.connect",
    "antigravity.dashboard.renderer",
    "antigravity.dashboard.site",
    "antigravity.exchange.capture",
    "antigravity.ledger.answers",
    "antigravity.ledger.export",
    "antigravity.ledger.media_marks",
    "antigravity.ledger.payload_rows",
    "antigravity.ledger.payload_text",
    "antigravity.ledger.postgres",
    "antigravity.ledger.spool",
    "antigravity.mcp.client",
    "antigravity.mcp.relay",
    "antigravity.mcp.vision",
    "antigravity.metrics.exposition",
    "antigravity.oauth",
    "antigravity.prices.convert",
    "antigravity.protocols.anthropic",
    "antigravity.protocols.gemini",
    "antigravity.protocols.gemini_interactions",
    "antigravity.protocols.imagen",
    "antigravity.protocols.openai_chat",
    "antigravity.protocols.openai_completions",
    "antigravity.protocols.openai_embeddings",
    "antigravity.protocols.openai_images",
    "antigravity.protocols.openai_native_only",
    "antigravity.protocols.openai_responses",
    "antigravity.protocols.openai_speech",
    "antigravity.protocols.openai_transcriptions",
    "antigravity.protocols.rate_limits",
    "antigravity.protocols.reset_times",
    "antigravity.simulator",
    "antigravity.testing",
    "antigravity.traces",
    "antigravity.transport.websocket",
    "antigravity.tunnel.cloudflared_run",
    "antigravity.tunnel.command",
    "antigravity.upstreams.codeassist.upstream",
    "antigravity.web.websocket",
    "antigravity.websocket",
    "backports.zstd",
    "click",
    "compression.zstd",
    "encodings.idna",
    "hypothesis",
    "jinja2",
    "jsonschema",
    "lameenc",
    "multiprocessing",
    "opentelemetry",
    "platformdirs",
    "prometheus_client",
    "psycopg",
    "python_multipart",
    "redis",
    "rich",
    "segno",
    "sqlite3",
    "stringprep",
    "sysconfig",
    "tomlkit",
    "unittest",
    "wsproto",
    "zoneinfo",
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], list[str]]:
    """Return what is imported with the options, and until the gateway listens."""
    home: Path = tmp_path_factory.mktemp("home")
    home.chmod(0o700)
    file = home / "antigravity.toml"
    file.write_text(CONFIGURATION)
    file.chmod(0o600)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    options, start = json.loads(done.stdout.splitlines()[-1])
    return options, start


def test_nothing_is_imported_before_its_first_use(imported: tuple[list[str], list[str]]) -> None:
    early = [
        name
        for name in imported[1]
        if any(f"{name}.".startswith(f"{each}.") for each in AT_FIRST_USE)
    ]
    assert early == []


def test_options_are_read_without_the_gateway(imported: tuple[list[str], list[str]]) -> None:
    assert "antigravity.app.process" in imported[1]
    ours = {name.split(".")[1] for name in imported[0] if name.startswith("antigravity.")}
    assert ours <= {"daemon", "tap", "version"}


def test_patterns_for_errors_are_not_imported_for_responses() -> None:
    program = (
        "import sys\n"
        "from antigravity.protocols.anthropic import protocol\n"
        "from antigravity.protocols.gemini import protocol\n"
        "from antigravity.protocols.openai_chat import protocol\n"
        "from antigravity.protocols.openai_responses import protocol\n"
        "early = {'antigravity.protocols.rate_limits', 'zoneinfo'} & sys.modules.keys()\n"
        "sys.exit(str(early) if early else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)
