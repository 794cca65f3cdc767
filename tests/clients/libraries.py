"""Libraries in JavaScript: their installation, their gateways, and their programs in ``js/``.

A program runs all cases of one client over all upstreams in one process, and prints a line of
JSON for each.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.clients.drivers import KEY, isolated_environment
from tests.clients.programs import run_client
from tests.clients.servers import TARGETS, Gateway, Target
from tests.support.npm import install_locked

PROGRAMS: Final = Path(__file__).with_name("js")
#: The name of a model whose only account has no quota left.
EXHAUSTED: Final = "exhausted-model"

#: By kind of media the name that clients request, and by upstream the model that serves it.
MEDIA: Final[Mapping[str, tuple[str, Mapping[str, str]]]] = {
    "images": (
        "gpt-image-1",
        {
            "responses": "gpt-image-1",
            "gemini": "gemini-3.1-flash-image",
            "codeassist": "gemini-3.1-flash-image",
        },
    ),
    "speech": (
        "gpt-4o-mini-tts",
        {"responses": "gpt-4o-mini-tts", "gemini": "gemini-2.5-flash-preview-tts"},
    ),
    "transcription": (
        "gpt-4o-mini-transcribe",
        {
            "chat": "gpt-audio",
            "responses": "gpt-4o-mini-transcribe",
            "gemini": "gemini-3-flash",
            "codeassist": "gemini-3-flash",
        },
    ),
    "embeddings": (
        "text-embedding-3-small",
        {"responses": "text-embedding-3-small", "gemini": "gemini-embedding-001"},
    ),
}


@dataclass(frozen=True)
class Result:
    """How one case of a client ended over one upstream; ``error`` is empty if it passed."""

    client: str
    target: str
    case: str
    error: str


class LibraryGateways:
    """A gateway for each upstream protocol, which requires a key and has an exhausted account."""

    def __init__(self, folder: Path, simulator: str) -> None:
        self._simulator = simulator
        self._gateways: dict[str, Gateway] = {}
        for name, target in TARGETS.items():
            settings = _configuration(name, target, simulator)
            self._gateways[name] = Gateway(folder / name, target, simulator, settings=settings)

    def setup(self) -> dict[str, Any]:
        """Return what the programs read from standard input."""
        targets = {
            name: {
                "url": gateway.address,
                "model": TARGETS[name].model,
                "media": {kind: name in models for kind, (_, models) in MEDIA.items()},
            }
            for name, gateway in self._gateways.items()
        }
        return {"key": KEY, "simulator": self._simulator, "targets": targets}

    def address(self, target: str) -> str:
        """Return the address of the gateway before an upstream protocol."""
        return self._gateways[target].address

    @property
    def log(self) -> str:
        """All that the gateways have logged."""
        return "".join(gateway.log for gateway in self._gateways.values())

    def stop(self) -> None:
        """Stop all of them."""
        for gateway in self._gateways.values():
            gateway.stop()


def _configuration(name: str, target: Target, simulator: str) -> str:
    """Return a configuration that maps every name to the model of the target."""
    names = {EXHAUSTED: f"exhausted/{target.model}", "*": f"target/{target.model}"}
    names |= {asked: f"target/{by[name]}" for asked, by in MEDIA.values() if name in by}
    mapping = ", ".join(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in names.items())
    settings = target.settings.replace("SIMULATOR", simulator)
    upstream = f'{settings}\nbase_url = "{simulator}"\n'
    if "refresh_token" in settings:
        spent = upstream.replace('"refresh"', '"exhausted-refresh"')
    else:
        spent = f'{upstream}api_key = "exhausted-key"\n'
        upstream += 'api_key = "sk-upstream"\n'
    return (
        f'[proxy]\nauth_mode = "strict"\napi_key = "{KEY}"\ncustom_mapping = {{ {mapping} }}\n'
        "[proxy.scheduling]\nmax_wait_seconds = 0\n"
        f"[upstreams.target]\n{upstream}[upstreams.exhausted]\n{spent}"
    )


def run_program(
    name: str, gateways: LibraryGateways, folder: Path, options: Sequence[str] = ()
) -> list[Result]:
    """Run ``js/NAME.mjs`` and return how its cases ended.

    :raises UnavailableError: if npm cannot install the libraries.
    """
    node, workspace = install_locked(PROGRAMS)
    for program in PROGRAMS.glob("*.mjs"):
        shutil.copy(program, workspace)  # Node searches for packages beside the program
    home = folder / "home"
    work = folder / "work"
    home.mkdir()
    work.mkdir()
    done = run_client(
        [node, str(workspace / f"{name}.mjs"), *options],
        {**isolated_environment(home), "NODE_NO_WARNINGS": "1"},
        work,
        prompt=json.dumps(gateways.setup()),
        timeout=180,
    )
    lines = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    results = [
        Result(line["client"], line["target"], line["case"], line["error"] or "")
        for line in lines
        if "case" in line
    ]
    assert done.code == 0, done.output[-5000:]
    assert lines[-1] == {"ran": len(results)}, done.output[-5000:]
    assert results
    return results
