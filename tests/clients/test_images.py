"""Images that users attach or paste, and that clients read by themselves, reach every upstream."""

from __future__ import annotations

import base64
import json

import pytest

from antigravity.simulator.encoders.png import png
from tests.clients.conftest import Gateways
from tests.clients.drivers import Driver
from tests.clients.servers import TARGETS, Simulator
from tests.clients.stream_json import converse

IMAGE = png(64, 64, "a test image")
CLAUDE = ("--model", "claude-sonnet-5")
#: How the simulated model names an image that it has been sent; clients may convert it.
SEEN = "[image image/"

every_target = pytest.mark.parametrize("target", TARGETS)


def save_image(client: Driver) -> str:
    """Write the image into the client's folder and return its path."""
    file = client.work / "seen.png"
    file.write_bytes(IMAGE)
    return str(file)


def images_in(simulator: Simulator) -> int:
    """Return the number of images in the last request that a model got."""
    text = json.dumps(simulator.bodies()[-1])
    return text.count(base64.b64encode(b"\x89PNG\r\n\x1a\n\0\0\0").decode()[:12])


@every_target
def test_claude_code_sends_pasted_image(claude: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target)
    data = base64.b64encode(IMAGE).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    prompt = [{"type": "text", "text": "Look LYNX-7"}, {"type": "image", "source": source}]
    script = converse(claude, gateway.address, [prompt], *CLAUDE)
    assert SEEN in script.results[-1], script
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_claude_code_reads_image(
    claude: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    call = json.dumps({"file_path": save_image(claude)})
    answer = claude.ask(gateway.address, f"[[tool Read {call}]]", *CLAUDE)
    assert answer.code == 0, answer.output
    assert images_in(simulator) == 1, answer.output
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_codex_sends_attached_image(codex: Driver, gateways: Gateways, target: str) -> None:
    option = f"--image={save_image(codex)}"
    answer = codex.ask(gateways(target).address, "Look LYNX-7", option)
    assert SEEN in answer.out, answer.output


@every_target
def test_codex_views_image(
    codex: Driver, gateways: Gateways, simulator: Simulator, target: str
) -> None:
    gateway = gateways(target)
    call = json.dumps({"path": save_image(codex)})
    answer = codex.ask(gateway.address, f"[[tool view_image {call}]]")
    assert answer.code == 0, answer.output
    assert images_in(simulator) == 1, answer.output
    assert {a.status for a in gateway.arrivals()} == {200}


@every_target
def test_gemini_cli_sends_named_image(gemini: Driver, gateways: Gateways, target: str) -> None:
    save_image(gemini)
    options = ("--model", "gemini-3-flash-preview")
    answer = gemini.ask(gateways(target).address, "Look at @seen.png LYNX-7", *options)
    assert SEEN in answer.out, answer.output


@every_target
def test_opencode_sends_attached_image(opencode: Driver, gateways: Gateways, target: str) -> None:
    gateway = gateways(target, fallback=True)
    options = ("--model", "anthropic/claude-sonnet-5", f"--file={save_image(opencode)}")
    answer = opencode.ask(gateway.address, "Look LYNX-7", *options)
    assert SEEN in answer.out, answer.output
