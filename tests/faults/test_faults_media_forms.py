"""Images, transcripts, legacy completions and vectors in another form; compressed responses."""

from __future__ import annotations

import base64
import gzip
import io
import json
import wave
import zlib
from typing import Any

from tests.faults.fixtures import HttpResponse, check_refusal
from tests.faults.scripted_upstream import (
    CLIENTS,
    UPSTREAMS,
    ScriptedCase,
    ScriptedResponse,
    dumps,
    sse,
    stream_reply,
    text_of,
    whole_reply,
)

PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"
).decode()
IMAGES = {
    "created": 1,
    "data": [{"b64_json": PNG}],
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
IMAGE_EVENT = {"type": "image_generation.completed", "b64_json": PNG, "created_at": 1}


def recording() -> bytes:
    """Return a moment of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return file.getvalue()


class Media(ScriptedCase):
    async def ask_image(self, reply: ScriptedResponse, *, stream: bool) -> Any:
        await self.start()
        self.script(reply)
        body = {"model": "media/gpt-image-1", "prompt": "a cat", "stream": stream}
        answer = await self.ask_body("/v1/images/generations", body)
        self.assertEqual(self.calls, 1)
        return answer

    async def test_json_images_become_stream(self) -> None:
        answer = await self.ask_image(ScriptedResponse(dumps(IMAGES)), stream=True)
        self.assertEqual(answer.status, 200, answer.body)
        name, last = answer.events()[-1]
        self.assertEqual((name, last["b64_json"]), ("image_generation.completed", PNG))

    async def test_image_stream_is_collected(self) -> None:
        answer = await self.ask_image(
            ScriptedResponse(sse(IMAGE_EVENT), "text/event-stream"), stream=False
        )
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual([each["b64_json"] for each in answer.json()["data"]], [PNG])

    async def test_image_errors_with_status_200_are_errors(self) -> None:
        for stream in (True, False):
            reply = ScriptedResponse(dumps({"code": 400, "message": "No cats."}))
            answer = await self.ask_image(reply, stream=stream)
            error = check_refusal("openai_images", answer, 400)
            self.assertIn("No cats", error["message"])

    async def test_transcripts_are_converted_between_stream_and_json(self) -> None:
        await self.start()
        done = {"type": "transcript.text.done", "text": "hello"}
        delta = {"type": "transcript.text.delta", "delta": "hello"}
        for stream in (True, False):
            for reply in (
                ScriptedResponse(dumps({"text": "hello"})),
                ScriptedResponse(sse(delta, done), "text/event-stream"),
            ):
                self.script(reply)
                answer = await self.transcribe(stream=stream)
                self.assertEqual((answer.status, self.calls), (200, 1), answer.body)
                if stream:
                    last = answer.events()[-1][1]
                    self.assertEqual((last["type"], last["text"]), (done["type"], "hello"))
                else:
                    self.assertEqual(answer.json()["text"], "hello")

    async def transcribe(self, *, stream: bool) -> Any:
        fields = {"model": "media/whisper-1", "stream": str(stream).lower()}
        parts = "".join(
            f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ).encode()
        head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        sound = head + b"Content-Type: audio/wav\r\n\r\n" + recording() + b"\r\n--b--\r\n"
        reading = await self.connect()
        body = parts + sound
        lines = [
            "POST /v1/audio/transcriptions HTTP/1.1",
            "Host: localhost",
            "Content-Type: multipart/form-data; boundary=b",
            f"Content-Length: {len(body)}",
            "Connection: close",
        ]
        reading.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        await reading.closed
        return HttpResponse(reading.data)

    async def test_web_page_in_place_of_audio_or_transcript_is_an_error(self) -> None:
        await self.start()
        page = ScriptedResponse(b"<html></html>", "text/html")
        self.script(page)
        speech = {"model": "media/tts-1", "input": "x", "voice": "alloy"}
        answer = await self.ask_body("/v1/audio/speech", speech)
        self.assertIn("base_url", check_refusal("openai_speech", answer, 502)["message"])
        self.assertEqual(self.calls, 1)
        self.script(page)
        answer = await self.transcribe(stream=False)
        self.assertIn("base_url", check_refusal("openai_chat", answer, 502)["message"])
        self.assertEqual(self.calls, 1)

    async def test_completions_are_converted_between_stream_and_json(self) -> None:
        await self.start()
        choice = {"index": 0, "text": "hello", "logprobs": None, "finish_reason": "stop"}
        head = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        whole = {**head, "choices": [choice], "usage": usage}
        for stream in (True, False):
            for reply in (
                ScriptedResponse(dumps(whole)),
                ScriptedResponse(sse(whole, done=True), "text/event-stream"),
            ):
                self.script(reply)
                answer = await self.ask_model("openai_completions", "legacy", stream=stream)
                self.assertEqual(text_of("openai_completions", answer, stream=stream), "hello")
                self.assertEqual(self.calls, 1)

    async def test_embeddings_with_error_or_web_page_fail(self) -> None:
        await self.start()
        body = {"model": "chat/text-embedding-3-small", "input": "x"}
        for reply, status, words in (
            (ScriptedResponse(dumps({"code": 400, "message": "No vectors."})), 400, "No vectors"),
            (ScriptedResponse(b"<html></html>", "text/html"), 502, "base_url"),
        ):
            self.script(reply)
            answer = await self.ask_body("/v1/embeddings", body)
            error = check_refusal("openai_embeddings", answer, status)
            self.assertIn(words, error["message"])
            self.assertEqual(self.calls, 1)


class Compressed(ScriptedCase):
    async def test_compressed_responses_are_decoded_in_all_pairs(self) -> None:
        await self.start()
        for client in CLIENTS:
            for upstream in UPSTREAMS:
                for stream in (True, False):
                    make = stream_reply if stream else whole_reply
                    kind = "text/event-stream" if stream else "application/json"
                    for name, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
                        headers = {"Content-Encoding": name}
                        self.script(ScriptedResponse(pack(make(upstream)), kind, headers=headers))
                        answer = await self.ask_model(client, upstream, stream=stream)
                        self.assertEqual(text_of(client, answer, stream=stream), "hello")
                        self.assertNotIn("content-encoding", answer.headers)
                        self.assertEqual(self.calls, 1)

    async def test_compressed_errors_are_decoded(self) -> None:
        await self.start()
        body = gzip.compress(dumps({"error": {"message": "No good.", "type": "x"}}))
        for client in CLIENTS:
            headers = {"Content-Encoding": "gzip"}
            self.script(ScriptedResponse(body, status=400, headers=headers))
            answer = await self.ask_model(client, "chat", stream=False)
            self.assertEqual(answer.status, 400)
            self.assertIn("No good", answer.json()["error"]["message"])

    async def test_decompression_bomb_is_502_after_one_request(self) -> None:
        await self.start()
        bomb = gzip.compress(b'{"a":"' + bytes(50_000_000))
        for stream in (True, False):
            headers = {"Content-Encoding": "gzip"}
            self.script(ScriptedResponse(bomb, headers=headers))
            answer = await self.ask_model("anthropic", "chat", stream=stream)
            error = check_refusal("anthropic", answer, 502)
            self.assertIn("times its size", error["message"])
            self.assertEqual(self.calls, 1)

    async def test_unknown_content_coding_is_reported_once(self) -> None:
        await self.start()
        self.script(ScriptedResponse(b"x", headers={"Content-Encoding": "compress"}))
        answer = await self.ask_model("openai_chat", "chat", stream=False)
        error = check_refusal("openai_chat", answer, 502)
        self.assertIn("compress", error["message"])
        self.assertEqual(self.calls, 1)
        self.assertIn("none was requested", json.dumps(error))
