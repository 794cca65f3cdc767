"""A conversation with Claude Code in its JSON format, which approves what the client asks for."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.clients.drivers import Driver
from tests.clients.programs import kill_group

#: A text, or content blocks.
Prompt = str | list[dict[str, Any]]

_FORMAT = ("--input-format", "stream-json", "--output-format", "stream-json", "--verbose")


@dataclass
class Transcript:
    """What the client has written.

    ``approved`` are the names of the tools that it asked to use; ``results`` the text of the last
    message of each turn.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    approved: list[str] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    errors: str = ""

    def blocks(self, kind: str, *, of_agent: bool | None = None) -> list[dict[str, Any]]:
        """Return the content blocks of a type, those of sub-agents, or all but these."""
        return [
            block
            for event in self.events
            if of_agent is None or (event.get("parent_tool_use_id") is not None) is of_agent
            for block in _content(event)
            if block.get("type") == kind
        ]


def _content(event: dict[str, Any]) -> list[dict[str, Any]]:
    content = event.get("message", {}).get("content") if "message" in event else None
    return content if isinstance(content, list) else []


def converse(
    client: Driver, gateway: str, prompts: Sequence[Prompt], *options: str, timeout: float = 90.0
) -> Transcript:
    """Let the client answer prompts, one after the other, and approve every tool.

    :raises AssertionError: if it takes longer.
    """
    transcript, errors = Transcript(), client.home.parent / "stderr"
    with errors.open("wb") as sink:
        process = subprocess.Popen(
            [client.program, "-p", *_FORMAT, "--permission-prompt-tool", "stdio", *options],
            cwd=client.work,
            env=client.surroundings(gateway),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sink,
            start_new_session=True,
        )
        timer = threading.Timer(timeout, process.kill)
        timer.start()
        try:
            _exchange(process, list(prompts), transcript)
            process.wait(timeout)
        finally:
            timer.cancel()
            kill_group(process)
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
    transcript.errors = errors.read_text(errors="replace")
    left = len(prompts) - len(transcript.results)
    assert left <= 0, f"{left} prompts have no answer: {transcript}"
    return transcript


def _exchange(
    process: subprocess.Popen[bytes], prompts: list[Prompt], transcript: Transcript
) -> None:
    assert process.stdin is not None
    assert process.stdout is not None

    def send(message: dict[str, Any]) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps(message).encode() + b"\n")
        process.stdin.flush()

    def say(prompt: Prompt) -> None:
        send({"type": "user", "message": {"role": "user", "content": prompt}})

    say(prompts.pop(0))
    for line in process.stdout:
        event = json.loads(line)
        transcript.events.append(event)
        match event["type"]:
            case "control_request":
                request = event["request"]
                transcript.approved.append(request.get("tool_name", ""))
                allowed = {"behavior": "allow", "updatedInput": request.get("input") or {}}
                response = {
                    "subtype": "success",
                    "request_id": event["request_id"],
                    "response": allowed,
                }
                send({"type": "control_response", "response": response})
            case "result":
                transcript.results.append(str(event.get("result")))
                if prompts:
                    say(prompts.pop(0))
                else:
                    process.stdin.close()
