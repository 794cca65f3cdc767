"""An MCP server on standard input and output: ``fake_stdio_server.py FOLDER [HOW…]``.

In FOLDER it writes ``started-N`` with its id and environment, and what it was told of
cancelled calls.  HOW is any of ``modern`` (the stateless revision alone), ``both``, ``fragile``
(it dies of methods that it does not know), ``deaf`` (it ignores SIGTERM and the end of its
input), ``silent`` (it never answers), ``noisy`` (it prints what is no message).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

FOLDER, HOW = Path(sys.argv[1]), sys.argv[2:]
META = "io.modelcontextprotocol/"
TEXT = {"type": "string"}
TOOLS: list[dict[str, Any]] = [
    {
        "name": name,
        "description": f"The tool {name}.",
        "inputSchema": {"type": "object", "properties": {"text": TEXT}},
    }
    for name in ("echo", "meta", "fail", "refuse", "steps", "wait", "die", "grow", "ask", "env")
]
TOOLS[0] |= {
    "title": "Echo",
    "annotations": {"readOnlyHint": True},
    "outputSchema": {"type": "object", "properties": {"said": TEXT}},
    "icons": [{"src": "https://x/icon.png"}],
    "_meta": {"x": 1},
}
PROMPTS = [{"name": "greet", "arguments": [{"name": "who", "required": True}]}]
RESOURCES = [{"uri": "stand-in://a", "name": "a", "mimeType": "text/plain"}]
TEMPLATES = [
    {"uriTemplate": "stand-in://item/{id}", "name": "item"},
    {"uriTemplate": "stand-in://{?odd}", "name": "odd"},
]
CAPABILITIES = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True},
    "completions": {},
}
lock = threading.Lock()
listening: list[Any] = []
answers: dict[Any, Any] = {}


def send(**message: Any) -> None:
    with lock:
        print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def note(name: str, content: object) -> None:
    temporary = FOLDER / f"{name}.tmp"
    temporary.write_text(json.dumps(content))
    temporary.replace(FOLDER / name)


def said(text: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], **more}


def ask_user(params: dict[str, Any]) -> dict[str, Any]:
    """Ask for a name: with an answer that asks, or by a request."""
    if META + "protocolVersion" in params.get("_meta", {}):
        given = params.get("inputResponses", {}).get("who")
        if given is not None:
            assert params["requestState"] == "state-1"
            return said(f"You are {given['content']['name']}.")
        schema = {"type": "object", "properties": {"name": TEXT}}
        asked = {"mode": "form", "message": "Who?", "requestedSchema": schema}
        return {
            "resultType": "input_required",
            "inputRequests": {"who": {"method": "elicitation/create", "params": asked}},
            "requestState": "state-1",
        }
    send(id="q1", method="elicitation/create", params={"message": "Who?"})
    while "q1" not in answers:
        time.sleep(0.01)
    return said(json.dumps(answers.pop("q1")))


def call(asked: Any, params: dict[str, Any]) -> dict[str, Any] | None:
    name, arguments = params["name"], params.get("arguments", {})
    text = arguments.get("text", "")
    match name:
        case "echo":
            return said(text, structuredContent={"said": text}, _meta={"y": 2})
        case "meta":
            return said(json.dumps(params.get("_meta", {})))
        case "fail":
            return said("It went wrong.", isError=True)
        case "refuse":
            send(id=asked, error={"code": -32000, "message": "I will not."})
            return None
        case "env":
            sys.stderr.write(f"my token is {os.environ.get('TOKEN')}\n")
            sys.stderr.flush()
            return said(json.dumps(sorted(os.environ)))
        case "steps":
            token = params["_meta"]["progressToken"]
            for step in (1, 2, 3):
                told = {"progressToken": token, "progress": step, "total": 3, "message": f"s{step}"}
                send(method="notifications/progress", params=told)
            return said("Done.")
        case "wait":
            note("waiting", params)
            return None
        case "die":
            os._exit(3)
        case "grow":
            TOOLS.append({"name": f"new{len(TOOLS)}", "inputSchema": {"type": "object"}})
            told = {"_meta": {f"{META}subscriptionId": listening[0]}} if listening else {}
            send(method="notifications/tools/list_changed", params=told)
            return said("Grown.")
        case "ask":
            return ask_user(params)
    send(id=asked, error={"code": -32602, "message": f"Unknown tool: {name}"})
    return None


def result_of(asked: Any, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    match method:
        case "server/discover" if "modern" in HOW or "both" in HOW:
            return {"supportedVersions": ["2026-07-28"], "capabilities": CAPABILITIES}
        case "initialize" if "modern" not in HOW:
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": CAPABILITIES,
                "serverInfo": {"name": "stand-in", "version": "1"},
            }
        case "subscriptions/listen":
            listening.append(asked)
            return None
        case "tools/list":  # in two pages
            if "cursor" not in params:
                return {"tools": TOOLS[:4], "nextCursor": "more"}
            return {"tools": TOOLS[4:]}
        case "tools/call":
            return call(asked, params)
        case "prompts/list":
            return {"prompts": PROMPTS}
        case "prompts/get":
            text = {"type": "text", "text": f"Greet {params['arguments']['who']}."}
            return {"messages": [{"role": "user", "content": text}], "description": "d"}
        case "resources/list":
            return {"resources": RESOURCES}
        case "resources/templates/list":
            return {"resourceTemplates": TEMPLATES}
        case "resources/read":
            return {"contents": [{"uri": params["uri"], "text": f"This is {params['uri']}."}]}
        case "completion/complete":
            value = params["argument"]["value"]
            return {"completion": {"values": [value + "da", value + "lan"], "total": 7}}
    if "fragile" in HOW:
        os._exit(1)
    send(id=asked, error={"code": -32601, "message": "Method not found"})
    return None


def serve(message: dict[str, Any]) -> None:
    method, asked = message.get("method"), message.get("id")
    if method is None:
        answers[asked] = message.get("error") or message.get("result")
    elif method == "notifications/cancelled":
        note(f"cancelled-{message['params']['requestId']}", message["params"])
    elif asked is not None and "silent" not in HOW:
        result = result_of(asked, method, message.get("params", {}))
        if result is not None:
            send(id=asked, result=result)


def main() -> None:
    if "deaf" in HOW:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    number = len(list(FOLDER.glob("started-*")))
    note(f"started-{number}", {"pid": os.getpid(), "environ": dict(os.environ), "cwd": os.getcwd()})
    if "noisy" in HOW:
        print("Welcome to the stand-in!\n\n[1, 2", flush=True)
    for line in sys.stdin:
        threading.Thread(target=serve, args=(json.loads(line),), daemon=True).start()
    while "deaf" in HOW:
        time.sleep(1)


main()
