"""aider with LiteLLM's OpenAI, Anthropic and Gemini providers.

It asks for edits in plain text instead of tools; an edit of a file is its loop.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from aider.coders import Coder
from aider.io import InputOutput
from aider.models import Model

from tests.clients.frameworks.suite import (
    REFUSED,
    WRONG_KEY,
    Suite,
    Upstream,
)

MODELS = {
    "openai": "openai/gpt-5.1",
    "anthropic": "anthropic/claude-sonnet-5",
    "gemini": "gemini/gemini-3-flash-preview",
}
suite = Suite(*MODELS)
BLOCK = "app.py\n```\n<<<<<<< SEARCH\nx = 1\n=======\nx = 42\n>>>>>>> REPLACE\n```"
EDIT = f"[[chunks 4]][[say {BLOCK}]]"


def configure(upstream: Upstream, key: str = "") -> dict[str, str]:
    """Set the variables of LiteLLM's providers, and return them."""
    key = key or upstream.setting.key
    found = {
        "OPENAI_API_BASE": f"{upstream.address}/v1",
        "OPENAI_API_KEY": key,
        "ANTHROPIC_API_BASE": upstream.address,
        "ANTHROPIC_API_KEY": key,
        "GEMINI_API_BASE": f"{upstream.address}/v1beta",
        "GEMINI_API_KEY": key,
    }
    os.environ.update(found)
    return found


class Conversation:
    """aider in a folder with one file."""

    def __init__(self, upstream: Upstream, key: str = "", name: str = "") -> None:
        configure(upstream, key)
        self.folder = Path(tempfile.mkdtemp())
        self.file = self.folder / "app.py"
        self.file.write_text("x = 1\n")
        os.chdir(self.folder)
        self.said: list[str] = []
        self.io = InputOutput(yes=True, pretty=False, fancy_input=False)
        self.io.tool_error = lambda text="", **_: self.said.append(str(text))
        model = Model(name or MODELS[upstream.api])
        if upstream.api == "anthropic":  # whose newest models refuse one, which aider does not know
            model.use_temperature = False
        self.coder = Coder.create(
            main_model=model,
            edit_format="diff",
            io=self.io,
            fnames=[str(self.file)],
            use_git=False,
            stream=True,
            suggest_shell_commands=False,
        )

    def ask(self, text: str) -> str:
        """Return the answer."""
        self.coder.run(with_message=text)
        return str(self.coder.partial_response_content)


@suite.case
def edit_streamed(upstream: Upstream) -> None:
    aider = Conversation(upstream)
    aider.ask(f"Edit: {EDIT}")
    assert aider.file.read_text() == "x = 42\n", aider.said
    last = upstream.setting.requests()[-1]
    assert "stream" in last["path"].lower() or last["body"]["stream"]


@suite.case
def conversation(upstream: Upstream) -> None:
    aider = Conversation(upstream)
    assert "FIRST-1" in aider.ask("[[say FIRST-1]]")
    assert "SECOND-2" in aider.ask("[[say SECOND-2]]")
    assert "FIRST-1" in upstream.setting.last_body()


@suite.case
def rejected(upstream: Upstream) -> None:
    aider = Conversation(upstream)
    aider.ask(REFUSED)
    assert "REFUSED-9" in " ".join(aider.said), aider.said


@suite.case_with("gemini")
def wrong_key(upstream: Upstream) -> None:
    aider = Conversation(upstream, key=WRONG_KEY)
    aider.ask("NEVER-8")
    assert aider.said
    assert not [each for each in upstream.setting.requests() if "NEVER-8" in str(each["body"])]


@suite.case_with("anthropic", apis=("openai",))
async def command_line(upstream: Upstream) -> None:
    environment = {**os.environ, **configure(upstream)}
    folder = Path(tempfile.mkdtemp())
    file = folder / "app.py"
    file.write_text("x = 1\n")
    program = Path(sys.executable).with_name("aider")
    arguments = ("--model", MODELS[upstream.api], "--yes", "--no-git", "--no-check-update")
    arguments += ("--no-show-model-warnings", "--analytics-disable", "--edit-format", "diff")
    done = await asyncio.to_thread(
        subprocess.run,
        [str(program), *arguments, "--message", f"Edit: {EDIT}", str(file)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert file.read_text() == "x = 42\n", done.stdout + done.stderr


if __name__ == "__main__":
    suite.main()
