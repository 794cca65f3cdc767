"""Look for leaks under a long, mixed load: ``python -m bench.soak --minutes 30``.

The load has requests of all sizes and protocols, streams, clients that disconnect, and a reload
every minute.  Once a minute it prints the gateway's memory, descriptors, timers, sockets, threads,
and objects of the garbage collector.  The last line is printed some time after the load.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

from bench.programs import Program, gateway, upstream

_SOURCE = Path(__file__).resolve().parent.parent
_TEXT = "Why is the sky blue? "
_TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
#: Seconds between the end of the load and the last line, in which short-lived state expires.
_SETTLING_TIME = 15.0


def _claude(model: str, size: int, *, stream: bool) -> tuple[str, object]:
    messages: list[object] = [{"role": "user", "content": _TEXT * (size // len(_TEXT) + 1)}]
    for number in range(random.randrange(5)):
        name = f"toolu_{random.randrange(10**9)}"
        call = {"type": "tool_use", "id": name, "name": "f", "input": {"n": number}}
        result = {"type": "tool_result", "tool_use_id": name, "content": "ok"}
        messages += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
    body = {"model": model, "max_tokens": 1000, "stream": stream, "messages": messages}
    return "/v1/messages", body | {"tools": [_TOOL]}


def _chat(model: str, size: int, *, stream: bool) -> tuple[str, object]:
    text = f"{random.random()} " + _TEXT * (size // len(_TEXT) + 1)
    messages = [{"role": "user", "content": text}]
    return "/v1/chat/completions", {"model": model, "stream": stream, "messages": messages}


def _responses(model: str, size: int, *, stream: bool) -> tuple[str, object]:
    text = f"{random.random()} " + _TEXT * (size // len(_TEXT) + 1)
    return "/v1/responses", {"model": model, "stream": stream, "input": text}


def _gemini(model: str, size: int, *, stream: bool) -> tuple[str, object]:
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    text = _TEXT * (size // len(_TEXT) + 1)
    contents = [{"role": "user", "parts": [{"text": text}]}]
    return f"/v1beta/models/{model}:{verb}", {"contents": contents}


_PROTOCOLS = (_claude, _chat, _responses, _gemini)
_UPSTREAMS = ("openai", "anthropic", "gemini")


class _Load:
    """Clients that send random requests one after the other, and often disconnect."""

    def __init__(self, port: int, until: float, pause: float) -> None:
        self._port = port
        self._until = until
        self._pause = pause
        self.outcomes: Counter[str] = Counter()

    async def run(self, clients: int) -> None:
        """Run so many clients until the end of the load."""
        await asyncio.gather(*(self._client() for _ in range(clients)))

    async def _client(self) -> None:
        while time.monotonic() < self._until:
            try:
                await self._send_one()
            except OSError as error:
                self.outcomes[type(error).__name__] += 1
            await asyncio.sleep(self._pause * random.random() * 2)

    async def _send_one(self) -> None:
        stream = random.random() < 0.6
        size = random.choices((200, 20_000, 1_000_000), (80, 17, 3))[0]
        events, pause = random.choice(((64, 0), (20, 50), (600, 0)))
        model = f"{random.choice(_UPSTREAMS)}-{events if stream else 1}-{pause if stream else 0}"
        path, body = random.choice(_PROTOCOLS)(model, size, stream=stream)
        data = json.dumps(body).encode()
        disconnects = random.random() < 0.2
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{self._port}", "Connection: close"]
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}", "", ""]
            if disconnects and random.random() < 0.3:
                data = data[: len(data) // 2]  # disconnects in the middle of its request
            writer.write("\r\n".join(lines).encode() + data)
            first = b"" if len(data) < int(lines[-3].split()[-1]) else await reader.read(200)
            if not disconnects:
                while await reader.read(65536):
                    pass
            self.outcomes["disconnected" if disconnects else first[9:12].decode() or "closed"] += 1
        finally:
            writer.transport.abort() if disconnects else writer.close()
            with suppress(OSError):
                await writer.wait_closed()


def _usage(program: Program, counts: Path) -> str:
    """Return the current resource usage of the gateway as text."""
    descriptors = len(os.listdir(f"/proc/{program.pid}/fd"))
    counted = json.loads(counts.read_text()) if counts.exists() else {}
    cells = " ".join(f"{count:>7} {name}" for name, count in counted.items())
    return f"{program.memory():>7.1f} MiB {descriptors:>5} descriptors {cells}"


async def _soak(program: Program, counts: Path, load: _Load, clients: int) -> None:
    started = time.monotonic()
    running = asyncio.ensure_future(load.run(clients))

    def print_line() -> None:
        outcomes = " ".join(f"{status}:{count}" for status, count in sorted(load.outcomes.items()))
        minutes = (time.monotonic() - started) / 60
        print(f"{minutes:>5.1f} min {_usage(program, counts)}  {outcomes}", flush=True)

    while not running.done():
        print_line()
        await asyncio.wait([running], timeout=60)
        program.reload()
    await running
    print_line()
    await asyncio.sleep(_SETTLING_TIME)
    print_line()


def main() -> None:
    """Run the load, and print a line every minute."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--pause", type=float, default=0.2, help="mean seconds between requests")
    parser.add_argument("--source", default=str(_SOURCE), help="the folder of another checkout")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(upstream(folder)).port
        source, counts = Path(arguments.source).resolve(), folder / "counts.json"
        program = stack.enter_context(gateway("gateway", source, folder, port, counts))
        until = time.monotonic() + 60 * arguments.minutes
        load = _Load(program.port, until, arguments.pause)
        asyncio.run(_soak(program, counts, load, arguments.clients))


if __name__ == "__main__":
    main()
