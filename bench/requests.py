"""The requests that clients send, in the protocols of OpenAI, Anthropic and Gemini."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

_QUESTION = "Why is the sky blue? "
_TOOL_DESCRIPTION = "Read a file of the project, and return its text with line numbers."
_SCHEMA = {
    "type": "object",
    "properties": {"path": {"type": "string", "description": "the path of the file"}},
    "required": ["path"],
}
#: The protocols of clients.
PROTOCOLS: Final = ("openai", "responses", "anthropic", "gemini")


@dataclass(frozen=True)
class RequestSpec:
    """The request that clients send: the client's ``protocol``, and that of the ``upstream``.

    ``stream`` is whether the response is streamed.  ``pieces`` is the number of pieces of text of a
    stream, also of one that the gateway reads for a whole response; they are ``pause`` ms apart.
    ``padding`` is the size of the user's message in bytes, ``image`` that of an image in it, and
    ``turns`` the number of tool calls with results before it.  ``model`` replaces the model's name;
    ``{pieces}`` and ``{pause}`` in it are replaced.  ``headers`` are sent, too.
    """

    protocol: str
    upstream: str
    stream: bool = False
    pieces: int = 64
    pause: int = 0
    padding: int = 1000
    image: int = 0
    turns: int = 0
    stores: bool = False
    model: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def model_name(self) -> str:
        """The name of the model, which tells the fake provider how to respond."""
        name = self.model or f"{self.upstream}-{{pieces}}-{{pause}}"
        return name.format(pieces=self.pieces, pause=self.pause)

    def body(self) -> tuple[str, bytes]:
        """Return the path and the body."""
        path, body = _BODIES[self.protocol](self)
        return path, json.dumps(body).encode()

    def lines(self) -> dict[str, str]:
        """Return the headers, without those of the message."""
        version = {"anthropic-version": "2023-06-01"} if self.protocol == "anthropic" else {}
        common = {"Accept": "*/*", "User-Agent": "bench", "Authorization": "Bearer some-key"}
        return common | version | dict(self.headers)

    def request(self, port: int) -> bytes:
        """Return the bytes of the request."""
        path, body = self.body()
        lines = {"Host": f"127.0.0.1:{port}"} | self.lines()
        lines |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def has_all_pieces(self, marks: int) -> bool:
        """Return whether a response with so many marks is complete.

        A whole response may be the provider's, with one mark.  The end of a stream of OpenAI
        Responses repeats the text, so it may have the marks several times.
        """
        if self.protocol == "responses" and self.stream:
            return marks > 0 and marks % self.pieces == 0
        return marks == self.pieces or (marks == 1 and not self.stream)

    def text(self) -> str:
        """Return the user's message."""
        return (_QUESTION * (self.padding // len(_QUESTION) + 1))[: self.padding]

    def image_data(self) -> str:
        """Return the image in base64, the same at every call; empty without an image."""
        return base64.b64encode(random.Random(self.image).randbytes(self.image)).decode()


def _output(number: int) -> str:
    """Return the result of a tool call."""
    return "\n".join(f"{line:>4}  value_{number} = compute({line})" for line in range(20))


def _chat(spec: RequestSpec) -> tuple[str, object]:
    content: object = spec.text()
    if spec.image:
        url = f"data:image/png;base64,{spec.image_data()}"
        part = {"type": "image_url", "image_url": {"url": url}}
        content = [{"type": "text", "text": spec.text()}, part]
    messages: list[object] = [{"role": "user", "content": content}]
    for number in range(spec.turns):
        arguments = json.dumps({"path": f"src/{number}.py"})
        function = {"name": "read_file", "arguments": arguments}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": "Reading.", "tool_calls": [call]})
        result = {"role": "tool", "tool_call_id": f"call_{number}", "content": _output(number)}
        messages.append(result)
    body = {"model": spec.model_name, "stream": spec.stream, "max_tokens": 1000}
    declaration = {"name": "read_file", "description": _TOOL_DESCRIPTION, "parameters": _SCHEMA}
    tools = {"tools": [{"type": "function", "function": declaration}]} if spec.turns else {}
    return "/v1/chat/completions", body | tools | {"messages": messages}


def _responses(spec: RequestSpec) -> tuple[str, object]:
    content: list[object] = [{"type": "input_text", "text": spec.text()}]
    if spec.image:
        url = f"data:image/png;base64,{spec.image_data()}"
        content.append({"type": "input_image", "image_url": url})
    items: list[object] = [{"type": "message", "role": "user", "content": content}]
    for number in range(spec.turns):
        arguments = json.dumps({"path": f"src/{number}.py"})
        call = {"type": "function_call", "call_id": f"call_{number}", "name": "read_file"}
        items.append(call | {"arguments": arguments})
        result = {"type": "function_call_output", "call_id": f"call_{number}"}
        items.append(result | {"output": _output(number)})
    body = {"model": spec.model_name, "stream": spec.stream, "store": spec.stores, "input": items}
    tool = {"type": "function", "name": "read_file", "description": _TOOL_DESCRIPTION}
    tools = {"tools": [tool | {"parameters": _SCHEMA}]} if spec.turns else {}
    return "/v1/responses", body | tools | {"max_output_tokens": 1000}


def _anthropic(spec: RequestSpec) -> tuple[str, object]:
    content: object = spec.text()
    if spec.image:
        source = {"type": "base64", "media_type": "image/png", "data": spec.image_data()}
        content = [{"type": "text", "text": spec.text()}, {"type": "image", "source": source}]
    messages: list[object] = [{"role": "user", "content": content}]
    for number in range(spec.turns):
        arguments = {"path": f"src/{number}.py"}
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": "read_file", "input": arguments}
        messages.append(
            {"role": "assistant", "content": [{"type": "text", "text": "Reading."}, use]}
        )
        result = {"type": "tool_result", "tool_use_id": f"toolu_{number}"}
        messages.append({"role": "user", "content": [result | {"content": _output(number)}]})
    body = {"model": spec.model_name, "stream": spec.stream, "max_tokens": 1000}
    tool = {"name": "read_file", "description": _TOOL_DESCRIPTION, "input_schema": _SCHEMA}
    tools = {"tools": [tool]} if spec.turns else {}
    return "/v1/messages", body | tools | {"messages": messages}


def _gemini(spec: RequestSpec) -> tuple[str, object]:
    parts: list[object] = [{"text": spec.text()}]
    if spec.image:
        parts.append({"inlineData": {"mimeType": "image/png", "data": spec.image_data()}})
    contents: list[object] = [{"role": "user", "parts": parts}]
    for number in range(spec.turns):
        call = {"name": "read_file", "args": {"path": f"src/{number}.py"}}
        contents.append({"role": "model", "parts": [{"text": "Reading."}, {"functionCall": call}]})
        result = {"name": "read_file", "response": {"output": _output(number)}}
        contents.append({"role": "user", "parts": [{"functionResponse": result}]})
    declaration = {"name": "read_file", "description": _TOOL_DESCRIPTION, "parameters": _SCHEMA}
    tools = {"tools": [{"functionDeclarations": [declaration]}]} if spec.turns else {}
    verb = "streamGenerateContent?alt=sse" if spec.stream else "generateContent"
    return f"/v1beta/models/{spec.model_name}:{verb}", {"contents": contents} | tools


_BODIES: Final[Mapping[str, Callable[[RequestSpec], tuple[str, object]]]] = {
    "openai": _chat,
    "responses": _responses,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
