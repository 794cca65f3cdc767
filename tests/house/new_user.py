"""A new user of the documentation: types its commands in a terminal and a network of their own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import docutils.core
from docutils import nodes

from tests.support.gateway_process import Running, clean_environment, running

#: Where the simulator stands in for a provider.
UPSTREAMS = {"GEMINI_API": "", "ANTHROPIC": "", "OPENAI": "/v1"}
COMMAND = (sys.executable, "-m", "antigravity")


class User:
    """A new user with a home, a terminal and a simulated network."""

    def __init__(self, folder: Path, simulator: str, stack: ExitStack) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.stack = stack
        self.gateway: Running | None = None
        self.run_commands: list[str] = []
        programs = folder / "bin"
        programs.mkdir()
        (programs / "antigravity").write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
        (programs / "claude").write_text("#!/bin/sh\necho started for $ANTHROPIC_BASE_URL\n")
        for program in programs.iterdir():
            program.chmod(0o755)
        self.environment = {
            **clean_environment(self.home),
            "HOME": str(folder),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "ANTIGRAVITY_PROXY__PORT": "0",
            "ANTIGRAVITY_PROXY__ZAI__BASE_URL": simulator,
        }
        for name, path in UPSTREAMS.items():
            prefix = f"ANTIGRAVITY_UPSTREAMS__{name}"
            self.environment[f"{prefix}__KIND"] = name.lower()
            self.environment[f"{prefix}__BASE_URL"] = simulator + path

    def configure(self, text: str) -> None:
        """Add settings to the configuration file, to its table if that is there."""
        self.home.mkdir(mode=0o700, exist_ok=True)
        file = self.home / "antigravity.toml"
        before = file.read_text() if file.exists() else ""
        header, _, settings = text.partition("\n")
        if f"\n{header}\n" in before:
            content = before.replace(f"\n{header}\n", f"\n{header}\n{settings}\n", 1)
        else:
            content = f"{before}\n{text}\n"
        file.write_text(content)
        file.chmod(0o600)
        if self.gateway is not None:  # which notices it within a second, and people type slowly
            self.type("antigravity reload")

    def type(self, line: str) -> str:
        """Type a command, and return what it prints.

        What asks for a key gets one, and what asks whether to go on is told so.
        """
        self.run_commands.append(line)
        if line == "antigravity serve":
            self.gateway = self.stack.enter_context(
                running((*COMMAND, "serve"), self.home, self.folder, self.environment)
            )
            self.gateway.address()
            return ""
        if line.startswith("antigravity connect") and line != "antigravity connect":
            line += " --yes"
        if self.gateway is not None:
            line = line.replace("http://127.0.0.1:8045", self.gateway.address())
        if line.startswith("curl "):
            line = line.replace("curl ", "curl --silent --fail --noproxy '*' ", 1)
        done = subprocess.run(
            line,
            shell=True,
            cwd=self.folder,
            env=self.environment,
            input=f"sk-{len(self.run_commands)}-of-the-user\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout


def steps(page: Path) -> Iterator[tuple[str, str]]:
    """Yield the settings and commands of a page in their order."""
    document = docutils.core.publish_doctree(page.read_text("utf-8"))
    for block in document.findall(nodes.literal_block):
        language = next(name for name in block["classes"] if name != "code")
        text = block.astext()
        if language != "console":
            yield language, text
            continue
        for line in text.replace("\\\n", " ").splitlines():
            assert line.startswith("$ "), (page.name, line)
            yield language, re.sub(r"\s+# .*", "", line.removeprefix("$ ")).strip()
