"""How each client is set up, told of the gateway, and asked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.clients.programs import Finished, run_client
from tests.support.npm import find_client, search_path

KEY = "sk-client"


def isolated_environment(home: Path) -> dict[str, str]:
    """Return the variables of a client that lives in this folder and reaches only loopback."""
    # The proxy is a port where nobody listens: what is not loopback fails at once.
    nowhere = "http://127.0.0.1:9"
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), nowhere)
    local = dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost")
    return {
        **proxies,
        **local,
        "PATH": search_path(),
        "HOME": str(home),
        "TMPDIR": os.environ.get("TMPDIR", "/tmp"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "CI": "1",
        "DO_NOT_TRACK": "1",
    }


class Driver:
    """A client with a home of its own; nothing but loopback can be reached from there."""

    name = ""
    #: What it sends to the gateway.
    key = KEY
    #: Whether the prompt is the last argument; else it comes by standard input.
    prompt_as_argument = False

    def __init__(self, folder: Path) -> None:
        self.program = find_client(self.name)
        self.home = folder / "home"
        self.work = folder / "work"
        self.home.mkdir()
        self.work.mkdir()

    def ask(
        self, gateway: str, prompt: str, *options: str, timeout: float = 90.0, **extra: str
    ) -> Finished:
        """Let the client answer one prompt, with the gateway at this address."""
        return self.run(gateway, self.arguments(options), prompt, timeout, **extra)

    def resume(self, gateway: str, prompt: str, *options: str, timeout: float = 90.0) -> Finished:
        """Let the client answer one more prompt in the session of its last answer."""
        return self.run(gateway, self.arguments_to_resume(options), prompt, timeout)

    def run(
        self, gateway: str, arguments: Sequence[str], prompt: str, timeout: float, **extra: str
    ) -> Finished:
        """Run the client with these arguments."""
        last = [prompt] if self.prompt_as_argument else []
        return run_client(
            [self.program, *arguments, *last],
            {**self.surroundings(gateway), **extra},
            self.work,
            prompt="" if last else prompt,
            timeout=timeout,
        )

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        """Return the command line without the prompt."""
        raise NotImplementedError

    def arguments_to_resume(self, options: Sequence[str]) -> Sequence[str]:
        """Return the command line that continues the last session."""
        raise NotImplementedError

    def environment(self, gateway: str) -> Mapping[str, str]:
        """Write the client's files and return the variables that it needs."""
        raise NotImplementedError

    def surroundings(self, gateway: str) -> dict[str, str]:
        """Write the client's files and return all of its environment."""
        return {**isolated_environment(self.home), **self.environment(gateway)}

    def _write(self, path: str, text: str) -> None:
        file = self.home / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


class ClaudeCode(Driver):
    """Anthropic Messages."""

    name = "claude"

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["-p", "--dangerously-skip-permissions", *options]

    def arguments_to_resume(self, options: Sequence[str]) -> Sequence[str]:
        return ["--continue", *self.arguments(options)]

    def environment(self, gateway: str) -> Mapping[str, str]:
        return {
            "ANTHROPIC_BASE_URL": gateway,
            "ANTHROPIC_API_KEY": self.key,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "2",
            "DISABLE_AUTOUPDATER": "1",
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "IS_SANDBOX": "1",  # it refuses to skip permissions for root without it
        }


class Codex(Driver):
    """OpenAI Responses, by a provider of our own or by the built-in one.

    The built-in one always tries WebSocket first, another one if it says so.  One with the
    ``provider_name`` "OpenAI" lets the provider compact conversations.  With a ``key_command`` it
    asks the provider for its models; a ``catalog`` is a file with them.
    """

    name = "codex"
    _FREE = ("--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox")

    def __init__(
        self,
        folder: Path,
        model: str = "gpt-5.5",
        *,
        builtin: bool = False,
        websocket: bool = False,
        provider_name: str = "local",
        key_command: bool = False,
        catalog: Path | None = None,
    ) -> None:
        super().__init__(folder)
        self._model = model
        self._builtin = builtin
        self._websocket = websocket
        self._provider_name = provider_name
        self._key_command = key_command
        self._catalog = catalog

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["exec", *self._FREE, *options, "-"]

    def arguments_to_resume(self, options: Sequence[str]) -> Sequence[str]:
        return ["exec", "resume", "--last", *self._FREE, *options, "-"]

    def environment(self, gateway: str) -> Mapping[str, str]:
        provider = f'openai_base_url = "{gateway}/v1"\n'
        if not self._builtin:
            provider = 'model_provider = "local"\n'
        if self._catalog is not None:
            provider += f"model_catalog_json = {json.dumps(str(self._catalog))}\n"
        key = 'env_key = "LOCAL_API_KEY"\n'
        if self._key_command:
            key = '[model_providers.local.auth]\ncommand = "printenv"\nargs = ["LOCAL_API_KEY"]\n'
        self._write(
            ".codex/config.toml",
            f'model = "{self._model}"\n{provider}'
            "check_for_update_on_startup = false\n"
            "[analytics]\nenabled = false\n"
            f'[model_providers.local]\nname = "{self._provider_name}"\nwire_api = "responses"\n'
            f'base_url = "{gateway}/v1"\n'
            f"supports_websockets = {str(self._websocket).lower()}\n"
            # Else it asks thirty times, with pauses, before it gives up.
            f"request_max_retries = 1\nstream_max_retries = 1\n{key}",
        )
        if self._builtin:
            self._write(".codex/auth.json", json.dumps({"OPENAI_API_KEY": self.key}))
        return {"LOCAL_API_KEY": self.key}


def patch_of(file: str, text: str) -> str:
    """Return a patch that adds a file."""
    return f"*** Begin Patch\n*** Add File: {file}\n+{text}\n*** End Patch\n"


class GeminiCli(Driver):
    """Gemini."""

    name = "gemini"

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["--yolo", *options]

    def environment(self, gateway: str) -> Mapping[str, str]:
        settings: dict[str, Any] = {
            "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
            "privacy": {"usageStatisticsEnabled": False},
            "telemetry": {"enabled": False},
            "security": {
                "auth": {"selectedType": "gemini-api-key"},
                "folderTrust": {"enabled": False},
            },
        }
        self._write(".gemini/settings.json", json.dumps(settings))
        return {"GOOGLE_GEMINI_BASE_URL": gateway, "GEMINI_API_KEY": self.key}


class OpenCode(Driver):
    """Chat completions, Responses, Messages or Gemini: one provider for each."""

    name = "opencode"

    def arguments(self, options: Sequence[str]) -> Sequence[str]:
        return ["run", *options]

    def environment(self, gateway: str) -> Mapping[str, str]:
        def provider(base: str, model: str, **more: str) -> dict[str, Any]:
            options = {"baseURL": gateway + base, "apiKey": self.key}
            known: dict[str, Any] = {"name": model}
            if "npm" in more:  # opencode knows nothing of such a model, and wants 32,000 tokens
                known["limit"] = {"context": 128_000, "output": 16_384}
            return {**more, "options": options, "models": {model: known}}

        settings = {
            "share": "disabled",
            "autoupdate": False,
            "permission": "allow",
            "provider": {
                "anthropic": provider("/v1", "claude-sonnet-5"),
                "openai": provider("/v1", "gpt-5"),
                "google": provider("/v1beta", "gemini-3-flash"),
                "local": provider("/v1", "gpt-4o", npm="@ai-sdk/openai-compatible", name="local"),
            },
        }
        self._write(".config/opencode/opencode.json", json.dumps(settings))
        return {
            "OPENCODE_DISABLE_AUTOUPDATE": "1",
            "OPENCODE_DISABLE_MODELS_FETCH": "1",
            "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        }
