"""Every response satisfies the SDKs' types as it is on the wire, in the strictest mode of pydantic.

The SDKs themselves are lenient, unless a program checks what it gets.
"""

from __future__ import annotations

import base64
import functools
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from typing import Any, Final

import anthropic.types
import anthropic.types.beta
import openai
import openai.types
import openai.types.audio
import openai.types.chat
import openai.types.responses
import pytest
from openai.types.shared import ErrorObject
from pydantic import TypeAdapter

from tests.interop.raw_events import read_events
from tests.interop.samples import PNG
from tests.interop.targets import TARGETS, Target, fresh, name

EVERY = pytest.mark.parametrize("target", TARGETS, ids=name)
HEADERS: Final = {"authorization": "Bearer sk", "content-type": "application/json"}
ANTHROPIC: Final = {
    "x-api-key": "sk",
    "anthropic-version": "2023-06-01",
    "content-type": "application/json",
}
LOOK: Final = {"type": "object", "properties": {"at": {"type": "integer"}}}
FORM: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
PROMPTS: Final = {
    "text": "[[think hm]] [[say Hello]]",
    "calls": '[[think hm]] [[say Wait]] [[tool look {"at": 1}]] [[tool look {"at": 2}]]',
    "citations": "[[cite]]",
    "cut": "[[tokens 30]] [[finish length]]",
    "filtered": "[[say no]] [[finish content_filter]]",
    "image": "[[image]]",
}
RECORDING: Final = b"RIFF\0\0\0\0WAVEfmt " + bytes(4000)
PROMPT = pytest.mark.parametrize("prompt", PROMPTS)


@functools.cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def check(kind: Any, data: bytes) -> Any:
    """Return a value, after checking it as the type ``kind``."""
    return adapter(kind).validate_json(data, strict=True)


def send(
    url: str, path: str, body: dict[str, Any] | bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{url}{path}", data, {key.replace("_", "-"): value for key, value in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def whole(url: str, path: str, body: dict[str, Any] | bytes | None, **headers: str) -> bytes:
    status, data = send(url, path, body, **headers)
    assert status == 200, data
    return data


def events(url: str, path: str, body: dict[str, Any], **headers: str) -> Iterator[bytes]:
    """Yield the data of a stream's events."""
    return read_events(whole(url, path, {**body, "stream": True}, **headers))


def check_both(
    url: str, path: str, body: dict[str, Any], kind: Any, event: Any, **headers: str
) -> None:
    check(kind, whole(url, path, body, **headers))
    assert [check(event, data) for data in events(url, path, body, **headers)]


def openai_headers() -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in HEADERS.items()}


def anthropic_headers() -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in ANTHROPIC.items()}


@PROMPT
@EVERY
def test_responses(url: str, target: Target, prompt: str) -> None:
    tools: list[Any] = [{"type": "function", "name": "look", "parameters": LOOK, "strict": False}]
    if prompt == "citations":
        tools.append({"type": "web_search"})
    body = {"model": target.model, "input": PROMPTS[prompt], "tools": tools}
    types = openai.types.responses
    check_both(
        url, "/v1/responses", body, types.Response, types.ResponseStreamEvent, **openai_headers()
    )


@EVERY
def test_response_with_schema_summary_and_encrypted_reasoning(url: str, target: Target) -> None:
    text = {"format": {"type": "json_schema", "name": "x", "schema": FORM, "strict": True}}
    body = {
        "model": target.model,
        "input": "Hi",
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "high", "summary": "auto"},
        "text": text,
    }
    types = openai.types.responses
    check_both(
        url, "/v1/responses", body, types.Response, types.ResponseStreamEvent, **openai_headers()
    )


@EVERY
def test_stored_responses_and_counts(url: str, target: Target) -> None:
    types, headers = openai.types.responses, openai_headers()
    body = {"model": target.model, "input": "[[say Hello]]"}
    made = check(types.Response, whole(url, "/v1/responses", body, **headers))
    path = f"/v1/responses/{made.id}"
    assert check(types.Response, whole(url, path, None, **headers)).id == made.id
    items = whole(url, f"{path}/input_items", None, **headers)
    assert check(types.ResponseItemList, items).data
    status, data = send(url, f"{path}/cancel", b"", **headers)
    assert status == 400
    check(ErrorObject, json.dumps(json.loads(data)["error"]).encode())
    counted = whole(url, "/v1/responses/input_tokens", body, **headers)
    assert check(types.InputTokenCountResponse, counted).input_tokens > 0


@EVERY
def test_compactions(url: str, target: Target) -> None:
    headers = openai_headers()
    body = {"model": target.model, "input": [{"role": "user", "content": "Remember: slate."}]}
    data = json.loads(whole(url, "/v1/responses/compact", body, **headers))
    *users, summary = data["output"]
    check(openai.types.responses.ResponseCompactionItem, json.dumps(summary).encode())
    # The SDK has no type for a user's message in an output, though it says that they are there.
    for item in users:
        check(openai.types.responses.ResponseInputMessageItem, json.dumps(item).encode())
    rest = json.dumps({**data, "output": [summary]}).encode()
    check(openai.types.responses.CompactedResponse, rest)


@PROMPT
@EVERY
def test_chat_completions(url: str, target: Target, prompt: str) -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": LOOK}}]
    messages = [{"role": "user", "content": PROMPTS[prompt]}]
    body: dict[str, Any] = {"model": target.model, "messages": messages, "tools": tools}
    if prompt == "citations":
        body["web_search_options"] = {}
    types, headers = openai.types.chat, openai_headers()
    check(types.ChatCompletion, whole(url, "/v1/chat/completions", body, **headers))
    body["stream_options"] = {"include_usage": True}
    chunks = [
        check(types.ChatCompletionChunk, data)
        for data in events(url, "/v1/chat/completions", body, **headers)
    ]
    assert chunks[-1].usage is not None


@EVERY
def test_several_chat_completions_with_logprobs(url: str, target: Target) -> None:
    messages = [{"role": "user", "content": "[[say Hello]]"}]
    body = {"model": target.model, "messages": messages, "n": 2, "logprobs": True}
    types = openai.types.chat
    check_both(
        url,
        "/v1/chat/completions",
        body,
        types.ChatCompletion,
        types.ChatCompletionChunk,
        **openai_headers(),
    )


@EVERY
def test_completions(url: str, target: Target) -> None:
    body: dict[str, Any] = {"model": target.model, "prompt": ["[[say Hi]]", "two"], "n": 2}
    types, headers = openai.types, openai_headers()
    check(types.Completion, whole(url, "/v1/completions", body, **headers))
    body["stream_options"] = {"include_usage": True}
    for data in events(url, "/v1/completions", body, **headers):
        chunk = json.loads(data)
        for choice in chunk["choices"]:  # null until the end; the SDK's type is that of the whole
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        check(types.Completion, json.dumps(chunk).encode())


@PROMPT
@EVERY
def test_messages(url: str, target: Target, prompt: str) -> None:
    tools: list[Any] = [{"name": "look", "input_schema": LOOK}]
    if prompt == "citations":
        tools.append({"type": "web_search_20250305", "name": "web_search"})
    messages = [{"role": "user", "content": PROMPTS[prompt]}]
    body = {"model": target.model, "messages": messages, "tools": tools, "max_tokens": 9000}
    types, beta, headers = anthropic.types, anthropic.types.beta, anthropic_headers()
    check_both(url, "/v1/messages", body, types.Message, types.RawMessageStreamEvent, **headers)
    check_both(
        url,
        "/v1/messages?beta=true",
        body,
        beta.BetaMessage,
        beta.BetaRawMessageStreamEvent,
        **headers,
    )


@EVERY
def test_token_counts(url: str, target: Target) -> None:
    body = {"model": target.model, "messages": [{"role": "user", "content": "Hi"}]}
    data = whole(url, "/v1/messages/count_tokens", body, **anthropic_headers())
    assert check(anthropic.types.MessageTokensCount, data).input_tokens > 0
    data = whole(url, "/v1/messages/count_tokens?beta=true", body, **anthropic_headers())
    check(anthropic.types.beta.BetaMessageTokensCount, data)


# Not 401 and 403: these are errors of the account that all tests share.
@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 503, 529])
@EVERY
def test_errors(url: str, target: Target, status: int) -> None:
    messages = [{"role": "user", "content": f"[[error {status}]]"}]
    for stream in (False, True):
        more = {"model": fresh(target), "stream": stream}
        for path, body in (
            ("/v1/responses", {"input": messages}),
            ("/v1/chat/completions", {"messages": messages}),
            ("/v1/completions", {"prompt": f"[[error {status}]]"}),
        ):
            got, data = send(url, path, {**more, **body}, **openai_headers())
            assert got >= 400, data
            check(ErrorObject, json.dumps(json.loads(data)["error"]).encode())
        body = {**more, "messages": messages, "max_tokens": 99}
        got, data = send(url, "/v1/messages", body, **anthropic_headers())
        assert got >= 400, data
        if got == 413:  # the SDK has no type for the documented one
            assert json.loads(data)["error"]["type"] == "request_too_large"
        else:
            check(anthropic.types.ErrorResponse, data)


@EVERY
def test_errors_inside_of_streams(url: str, target: Target) -> None:
    prompt = "[[say Hello my good old friend]] [[error 500 after=1]]"
    messages = [{"role": "user", "content": prompt}]
    body: dict[str, Any] = {"model": fresh(target), "input": messages}
    for data in events(url, "/v1/responses", body, **openai_headers()):
        last = check(openai.types.responses.ResponseStreamEvent, data)
    assert last.type in ("error", "response.failed")
    body = {"model": fresh(target), "messages": messages, "max_tokens": 9000}
    *before, data = events(url, "/v1/messages", body, **anthropic_headers())
    for each in before:
        check(anthropic.types.RawMessageStreamEvent, each)
    check(anthropic.types.ErrorResponse, data)
    body = {"model": fresh(target), "messages": messages}
    *before, data = events(url, "/v1/chat/completions", body, **openai_headers())
    for each in before:
        check(openai.types.chat.ChatCompletionChunk, each)
    check(ErrorObject, json.dumps(json.loads(data)["error"]).encode())


def test_models(url: str) -> None:
    listed = json.loads(whole(url, "/v1/models", None, **openai_headers()))
    assert set(listed) >= {"object", "data"}
    for each in listed["data"]:
        check(openai.types.Model, json.dumps(each).encode())
    path = f"/v1/models/{listed['data'][0]['id']}"
    check(openai.types.Model, whole(url, path, None, **openai_headers()))
    check(anthropic.types.ModelInfo, whole(url, path, None, **anthropic_headers()))
    page = json.loads(whole(url, "/v1/models", None, **anthropic_headers()))
    assert set(page) >= {"data", "first_id", "has_more", "last_id"}
    for each in page["data"]:
        check(anthropic.types.ModelInfo, json.dumps(each).encode())
    for headers, kind in ((openai_headers(), "openai"), (anthropic_headers(), "anthropic")):
        status, data = send(url, "/v1/models/no-such-model", None, **headers)
        assert status == 404
        if kind == "openai":
            check(ErrorObject, json.dumps(json.loads(data)["error"]).encode())
        else:
            check(anthropic.types.ErrorResponse, data)


@pytest.mark.parametrize(
    "model",
    ["demo-openai/text-embedding-3-small", "demo-gemini_api/gemini-embedding-001"],
)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(url: str, model: str, encoding: str) -> None:
    body = {"model": model, "input": ["a", "b"], "encoding_format": encoding}
    data = json.loads(whole(url, "/v1/embeddings", body, **openai_headers()))
    for each in data["data"]:
        if encoding == "base64":  # the SDK decodes it before it makes the object
            assert isinstance(each.pop("embedding"), str)
            each["embedding"] = [0.5]
    check(openai.types.CreateEmbeddingResponse, json.dumps(data).encode())


@pytest.mark.parametrize(
    "model",
    [
        "demo-openai/gpt-image-1",
        "demo-gemini_api/gemini-3.1-flash-image",
        "demo-codeassist/gemini-3.1-flash-image",
    ],
)
def test_images(url: str, model: str) -> None:
    body = {"model": model, "prompt": "a cat", "n": 2}
    types, headers = openai.types, openai_headers()
    check(types.ImagesResponse, whole(url, "/v1/images/generations", body, **headers))
    body = {"model": model, "prompt": "a cat", "partial_images": 1}
    for data in events(url, "/v1/images/generations", body, **headers):
        check(types.ImageGenStreamEvent, data)
    fields = {"model": model, "prompt": "a dog"}
    form, kind = multipart(fields, "image", "a.png", "image/png", base64.b64decode(PNG.data))
    headers["content_type"] = kind
    check(types.ImagesResponse, whole(url, "/v1/images/edits", form, **headers))
    fields["stream"] = "true"
    form, kind = multipart(fields, "image", "a.png", "image/png", base64.b64decode(PNG.data))
    headers["content_type"] = kind
    for data in read_events(whole(url, "/v1/images/edits", form, **headers)):
        check(types.ImageEditStreamEvent, data)


@pytest.mark.parametrize(
    "model",
    ["demo-openai/whisper-1", "demo-gemini_api/gemini-3-flash", "demo-openai-chat/gpt-audio"],
)
@pytest.mark.parametrize("form", ["json", "verbose_json"])
def test_transcripts(url: str, model: str, form: str) -> None:
    types = openai.types.audio
    for path, kinds in (
        ("/v1/audio/transcriptions", (types.Transcription, types.TranscriptionVerbose)),
        ("/v1/audio/translations", (types.Translation, types.TranslationVerbose)),
    ):
        fields = {"model": model, "response_format": form}
        body, kind = multipart(fields, "file", "a.wav", "audio/wav", RECORDING)
        headers = {**openai_headers(), "content_type": kind}
        check(kinds[form == "verbose_json"], whole(url, path, body, **headers))


@pytest.mark.parametrize(
    "model", ["demo-openai/gpt-4o-transcribe", "demo-codeassist/gemini-3-flash"]
)
def test_streamed_transcripts(url: str, model: str) -> None:
    fields = {"model": model, "stream": "true"}
    body, kind = multipart(fields, "file", "a.wav", "audio/wav", RECORDING)
    headers = {**openai_headers(), "content_type": kind}
    found = [
        check(openai.types.audio.TranscriptionStreamEvent, data)
        for data in read_events(whole(url, "/v1/audio/transcriptions", body, **headers))
    ]
    assert found[-1].type == "transcript.text.done"


@EVERY
def test_events_over_websocket(url: str, target: Target) -> None:
    connecting = pytest.importorskip("websockets.sync.client")
    if int(openai.__version__.partition(".")[0]) < 3:
        pytest.skip("the types of this generation know no error with a status")
    kind = openai.types.responses.ResponsesServerEvent
    address = f"{url.replace('http', 'ws', 1)}/v1/responses"
    asked = [{"input": prompt} for prompt in PROMPTS.values()]
    asked += [{"input": "Hi", "generate": False}, {"input": "[[error 429]]"}]
    asked += [{"input": "Hi", "previous_response_id": "resp_none"}]
    with connecting.connect(
        address, additional_headers={"authorization": "Bearer sk"}
    ) as connection:
        for each in asked:
            body = {"type": "response.create", "model": fresh(target), "store": False, **each}
            connection.send(json.dumps(body))
            while True:
                event = check(kind, connection.recv(timeout=60).encode())
                if event.type in (
                    "error",
                    "response.completed",
                    "response.incomplete",
                    "response.failed",
                ):
                    break


def multipart(
    fields: dict[str, str], name: str, filename: str, kind: str, data: bytes
) -> tuple[bytes, str]:
    """Return a form with one file, and its content type."""
    mark = uuid.uuid4().hex
    parts = [
        f'--{mark}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
        for key, value in fields.items()
    ]
    head = f'--{mark}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    head += f"Content-Type: {kind}\r\n\r\n"
    body = "".join(parts).encode() + head.encode() + data + f"\r\n--{mark}--\r\n".encode()
    return body, f"multipart/form-data; boundary={mark}"
