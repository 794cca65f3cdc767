"""Command line agents that can be told any provider: Qwen Code, Cline, Continue's cn, and pi."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.clients.drivers import Driver


class Agent(Driver):
    """An agent that speaks one of several protocols.

    :cvar protocols: the names of its protocols; :cvar shell: its tool for commands, with the
        arguments for one, in which ``COMMAND`` stands for it; :cvar patient: whether it asks again
        for minutes when an account is exhausted, which no setting stops.
    """

    protocols: tuple[str, ...] = ()
    shell: tuple[str, Mapping[str, Any]] = ("", {})
    patient = False
    prompt_as_argument = True

    def __init__(self, folder: Path, protocol: str, model: str = "") -> None:
        super().__init__(folder)
        self.protocol = protocol
        self.model = model

    def calls(self, command: str) -> str:
        """Return the directive by which the model runs a command."""
        name, arguments = self.shell
        return f"[[tool {name} {json.dumps(arguments).replace('COMMAND', command)}]]"


class Pi(Agent):
    """pi: ``models.json`` has a provider for each protocol."""

    name = "pi"
    protocols = (
        "openai-completions",
        "openai-responses",
        "anthropic-messages",
        "google-generative-ai",
    )
    shell = ("bash", {"command": "COMMAND"})
    _bases: Mapping[str, tuple[str, str]] = {
        "openai-completions": ("/v1", "gpt-4o"),
        "openai-responses": ("/v1", "gpt-5"),
        "anthropic-messages": ("", "claude-sonnet-5"),
        "google-generative-ai": ("/v1beta", "gemini-3-flash"),
    }

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        model = self.model or self._bases[self.protocol][1]
        return ["--offline", "-p", "--no-session", "--model", f"gateway/{model}", *options]

    def environment(self, gateway: str) -> Mapping[str, str]:
        base, model = self._bases[self.protocol]
        provider = {
            "baseUrl": gateway + base,
            "apiKey": self.key,
            "api": self.protocol,
            "models": [
                {
                    "id": self.model or model,
                    "reasoning": True,
                    "compat": {"forceAdaptiveThinking": self.protocol == "anthropic-messages"},
                }
            ],
        }
        self._write(".pi/agent/models.json", json.dumps({"providers": {"gateway": provider}}))
        # It would try again for minutes.
        self._write(".pi/agent/settings.json", json.dumps({"retry": {"enabled": False}}))
        return {}


class QwenCode(Agent):
    """Qwen Code: all by environment variables."""

    name = "qwen"
    patient = True
    protocols = ("openai", "openai-responses", "anthropic", "gemini")
    # It can lose the output of commands that end at once.
    shell = (
        "run_shell_command",
        {"command": "COMMAND; sleep 1", "is_background": False, "description": "marker"},
    )
    _models: Mapping[str, str] = {"anthropic": "claude-sonnet-5", "gemini": "gemini-3-flash"}

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["--yolo", "--auth-type", self.protocol, *options]

    def environment(self, gateway: str) -> Mapping[str, str]:
        model = self.model or self._models.get(self.protocol, "gpt-5")
        return {
            "OPENAI_BASE_URL": f"{gateway}/v1",
            "OPENAI_API_KEY": self.key,
            "OPENAI_MODEL": model,
            "ANTHROPIC_BASE_URL": gateway,
            "ANTHROPIC_API_KEY": self.key,
            "ANTHROPIC_MODEL": model,
            "GOOGLE_GEMINI_BASE_URL": gateway,
            "GEMINI_API_KEY": self.key,
            "GEMINI_MODEL": model,
        }


class ContinueCli(Agent):
    """Continue's ``cn``: a configuration in YAML, of which JSON is a part."""

    name = "cn"
    patient = True
    protocols = ("openai", "anthropic")
    shell = ("Bash", {"command": "COMMAND"})

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["--config", str(self.home / "config.yaml"), "--auto", *options, "-p"]

    def environment(self, gateway: str) -> Mapping[str, str]:
        model = "claude-sonnet-5" if self.protocol == "anthropic" else "gpt-4o"
        settings = {
            "name": "gateway",
            "provider": self.protocol,
            "model": self.model or model,
            "apiBase": f"{gateway}/v1/",
            "apiKey": self.key,
            "roles": ["chat"],
            "capabilities": ["tool_use"],
        }
        config = {"name": "gateway", "version": "1.0.0", "schema": "v1", "models": [settings]}
        self._write("config.yaml", json.dumps(config))
        return {}


class Cline(Agent):
    """Cline's command line: what ``cline auth`` would write, and the provider used last."""

    name = "cline"
    patient = True
    protocols = ("openai-compatible", "anthropic", "gemini")
    shell = ("run_commands", {"commands": ["COMMAND"]})
    _bases: Mapping[str, tuple[str, str]] = {
        "openai-compatible": ("/v1", "gpt-4o"),
        "anthropic": ("/v1", "claude-sonnet-5"),
        "gemini": ("/v1beta", "gemini-3-flash"),
    }

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["--json", "--retries", "1", *options]

    def environment(self, gateway: str) -> Mapping[str, str]:
        base, model = self._bases[self.protocol]
        settings = {
            "provider": self.protocol,
            "apiKey": self.key,
            "model": self.model or model,
            "baseUrl": gateway + base,
        }
        provider = {
            "settings": settings,
            "updatedAt": "2026-11-01T00:00:00.000Z",
            "tokenSource": "manual",
        }
        known = {"version": 1, "lastUsedProvider": self.protocol, "modes": {}}
        known["providers"] = {self.protocol: provider}
        self._write(".cline/data/settings/providers.json", json.dumps(known))
        # Otherwise it leaves a daemon behind.
        return {"CLINE_SESSION_BACKEND_MODE": "local", "CLINE_NO_AUTO_UPDATE": "1"}


AGENTS: Mapping[str, type[Agent]] = {each.name: each for each in (Pi, QwenCode, ContinueCli, Cline)}
