"""Recordings and speech whose clients leave or do not read, and bodies that break off."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from twisted.internet.task import deferLater

from antigravity.protocols.openai_speech import mp3
from tests.faults.fixtures import ClientConnection, FaultCase, HttpResponse, check_refusal, reactor
from tests.support.conditions import eventually

OPENAI = "openai_chat-to-openai_chat"
GEMINI = "gemini-to-gemini"
#: Every way in which sound comes: passed on, written here, and worked on by a thread.
WAYS = [
    (f"{OPENAI}/gpt-4o-mini-tts", {"response_format": "pcm"}),
    (f"{OPENAI}/gpt-4o-mini-tts", {"stream_format": "sse"}),
    (f"{GEMINI}/gemini-3.8-flash-tts", {"response_format": "pcm"}),
    (f"{GEMINI}/gemini-3.8-flash-tts", {"response_format": "wav", "stream_format": "sse"}),
    (f"{GEMINI}/gemini-3.8-flash-tts", {"response_format": "mp3"}),
    (f"{GEMINI}/gemini-3.8-flash-tts", {"response_format": "mp3", "stream_format": "sse"}),
]
if not mp3.available():
    WAYS = [way for way in WAYS if way[1].get("response_format", "mp3") != "mp3"]
TRANSCRIPTS = "/v1/audio/transcriptions"


def wav(said: str) -> bytes:
    """Return a recording in which directives stand."""
    data = said.encode().ljust(16_000, b"\0")
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16_000, 2, 16)
    body = b"WAVE" + head + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def form(model: str, said: str, **fields: str) -> bytes:
    """Return a form with a recording."""
    named = {"model": model, **fields}
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in named.items()
    ]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    return b"".join([*parts, head, wav(said), b"\r\n--b--\r\n"])


class AudioCase(FaultCase):
    async def setup(self) -> None:
        await self.start(upstream={"apis": ["chat", "audio"]})

    async def speech(self, model: str, text: str, fields: dict[str, str]) -> ClientConnection:
        body = {"model": model, "input": text, "voice": "alloy", **fields}
        return await self.send("/v1/audio/speech", body)

    async def transcript(self, body: bytes) -> ClientConnection:
        """Send a form; its type goes before that of JSON."""
        reading = await self.connect()
        head = (
            f"POST {TRANSCRIPTS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reading.transport.write(head.encode() + body)  # type: ignore[union-attr]
        return reading

    async def left(self) -> None:
        await eventually(lambda: self.simulator.stats.open_streams == 0)


class DisconnectTests(AudioCase):
    async def test_disconnect_before_audio_cancels_upstream(self) -> None:
        await self.setup()
        for model, fields in WAYS:
            before = self.simulator.stats.cancelled_streams
            reading = await self.speech(model, "[[ttft 9]] hello", fields)
            await eventually(lambda: self.simulator.stats.open_streams == 1)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await self.left()
            self.assertEqual(self.simulator.stats.cancelled_streams, before + 1, fields)

    async def test_disconnect_in_audio_cancels_upstream(self) -> None:
        await self.setup()
        for model, fields in WAYS:
            text = "[[chunks 200]] [[delay 0.02]] [[tokens 800]] hello"
            reading = await self.speech(model, text, fields)
            await reading.until(b"\r\n\r\n")
            await eventually(lambda: self.simulator.stats.open_streams == 1)
            reading.transport.loseConnection()  # type: ignore[union-attr]
            await self.left()

    async def test_disconnect_in_transcription_cancels_upstream(self) -> None:
        await self.setup()
        for model in (f"{OPENAI}/gpt-4o-transcribe", f"{GEMINI}/gemini-2.5-flash"):
            for fields in ({}, {"stream": "true"}, {"response_format": "srt"}):
                if "srt" in fields.values() and "transcribe" in model:
                    continue
                reading = await self.transcript(form(model, "[[ttft 9]] [[say hello]]", **fields))
                await eventually(lambda: self.simulator.stats.open_streams == 1)
                reading.transport.abortConnection()  # type: ignore[union-attr]
                await self.left()


class BackPressureTests(AudioCase):
    async def test_paused_client_pauses_upstream(self) -> None:
        await self.setup()
        for model, fields in WAYS:
            # MP3 is small: there has to be a lot of sound before anything is full.
            tokens = 30_000 if fields.get("response_format") == "mp3" else 12_000
            text = f"[[chunks 600]] [[tokens {tokens}]] hello"
            reading = await self.speech(model, text, fields)
            handle = reading.transport.getHandle()  # type: ignore[union-attr]
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
            reading.transport.pauseProducing()  # type: ignore[union-attr]
            await deferLater(reactor, 0.3)
            self.assertEqual(self.simulator.stats.open_streams, 1, fields)
            reading.transport.abortConnection()  # type: ignore[union-attr]
            await self.left()


class BrokenAudioTests(AudioCase):
    async def test_broken_audio_does_not_look_complete(self) -> None:
        await self.setup()
        text = "[[chunks 8]] [[tokens 200]] [[cut 4]] hello"
        for model, fields in WAYS:
            reading = await self.speech(model, text, fields)
            await reading.closed
            answer = HttpResponse(reading.data)
            if fields.get("stream_format") == "sse":
                self.assertTrue(answer.whole, fields)
                self.assertIn("error", answer.events()[-1][1])
            else:
                self.assertFalse(answer.whole, fields)

    async def test_missing_speech_path_locks_no_account(self) -> None:
        """The account is not to blame: it serves chats on."""
        await self.setup()
        reading = await self.speech(f"{OPENAI}/gpt-4.1", "hello", {})
        await reading.closed
        check_refusal("openai_chat", HttpResponse(reading.data), 404)
        way = ("openai_chat", "openai_chat")
        self.assertEqual((await self.ask(way, "[[say on]]", stream=False)).status, 200)

    async def test_invalid_forms_are_rejected(self) -> None:
        await self.setup()
        good = form(f"{GEMINI}/gemini-2.5-flash", "[[say fine]]")
        broken: list[bytes] = [b"", good[:-8], good[: len(good) // 2], b"--b--\r\n", b"x" * 100]
        for body in broken:
            reading = await self.transcript(body)
            await reading.closed
            check_refusal("openai_chat", HttpResponse(reading.data), 400)
        paths = {entry.path for entry in self.simulator.state.log}
        self.assertFalse(any("generate" in path.lower() for path in paths), paths)
        reading = await self.transcript(good)
        await reading.closed
        answer: Any = json.loads(HttpResponse(reading.data).body)
        self.assertEqual(answer["text"], "fine")
