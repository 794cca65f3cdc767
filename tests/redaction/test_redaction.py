"""What takes credentials out of errors, and out of nothing else."""

from __future__ import annotations

import json
from base64 import b64encode
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.config.credentials import find_credentials
from antigravity.config.mcp_settings import McpServerSettings, McpSettings
from antigravity.config.secret import Secret
from antigravity.config.settings import ProxySettings, Settings, UpstreamSettings
from antigravity.redaction.credentials import Credentials
from antigravity.redaction.errors import may_describe_error, redact_errors
from antigravity.redaction.events import EventRedactor, redact_events

KEY = 'sk-a/b+c=d&"e\\f<g>'
OWNER = object()
#: What Go's encoder escapes besides.
GO = str.maketrans({each: f"\\u{ord(each):04x}" for each in "&<>"})


def holding(*values: str) -> Credentials:
    credentials = Credentials()
    credentials.hold(OWNER, values)
    return credentials


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        json.dumps(KEY)[1:-1],
        json.dumps(KEY)[1:-1].replace("/", "\\/"),
        json.dumps(KEY)[1:-1].translate(GO),
        quote(KEY),
        quote(KEY, safe=""),
        quote(KEY, safe="").replace("%2F", "%2f").replace("%2B", "%2b").lower(),
        quote_plus(KEY),
        b64encode(KEY.encode()).decode(),
        b64encode(f"{KEY}:".encode()).decode(),
    ],
)
def test_each_form_of_a_credential_is_redacted(form: str) -> None:
    credentials = holding(KEY.lower() if form == form.lower() else KEY)
    text = credentials.redact(f"Authorization: Bearer {form}.")
    assert text.startswith("Authorization: Bearer [redacted]")
    assert form not in text


def test_unneeded_json_escapes_are_decoded() -> None:
    key = "sk-plain-key"
    escaped = "".join(f"\\u{ord(each):04x}" for each in key)
    body = b'{ "error" : {"message":"no %b"},  "x":1.0}' % escaped.encode()
    assert holding(key).redact_bytes(body) == (
        b'{ "error" : {"message":"no [redacted]"},  "x":1.0}'
    )
    nested = json.dumps({"raw": json.dumps({"message": f"no {key}", "é": escaped})}).encode()
    assert key not in holding(key).redact_bytes(nested).decode()
    assert escaped.encode() not in holding(key).redact_bytes(nested)


@pytest.mark.parametrize("short", ["none", "", "sk-demo"])
def test_short_values_are_not_redacted(short: str) -> None:
    text = f"the key {short} is refused"
    assert holding(short).redact(text) is text


@given(st.text(min_size=8), st.text(), st.text())
def test_any_credential_is_found_anywhere(key: str, before: str, after: str) -> None:
    text = holding(key).redact(before + key + after)
    assert key not in text.replace("[redacted]", "") or key in before + after


@given(st.text(min_size=8), st.binary(), st.binary())
def test_any_credential_is_found_in_bytes(key: str, before: bytes, after: bytes) -> None:
    data = key.encode("utf-8", "surrogatepass")
    assert b"[redacted]" in holding(key).redact_bytes(before + data + after)


@given(st.binary())
def test_text_without_credential_is_the_same_object(data: bytes) -> None:
    assert holding("sk-quite-another-one").redact_bytes(data) is data


def test_credentials_with_a_common_prefix_are_redacted() -> None:
    credentials = holding("sk-12345678", "sk-1234567890")
    assert credentials.redact("sk-1234567890 sk-12345678") == "[redacted] [redacted]"


def test_sent_token_is_known_until_limit() -> None:
    credentials = Credentials()
    credentials.sent("Bearer ya29.first-token")
    assert credentials.redact("ya29.first-token!") == "[redacted]!"
    for number in range(5000):
        credentials.sent(f"Bearer ya29.token-{number:06}")
    assert len(credentials._sent) <= 4096
    assert credentials.redact("ya29.token-004999") == "[redacted]"


def test_released_credentials_are_not_redacted() -> None:
    credentials = holding("sk-12345678")
    credentials.hold(object, ["sk-other-one"])
    credentials.release(OWNER)
    assert credentials.redact("sk-12345678, sk-other-one") == "sk-12345678, [redacted]"


def test_credentials_of_a_configuration() -> None:
    settings = Settings(
        proxy=ProxySettings(api_key=Secret("sk-of-clients"), custom_mapping={"my-key": "a-model"}),
        upstreams={
            "one": UpstreamSettings(
                "openai",
                base_url="https://host.example/v1?api_key=in-the-query",
                api_keys=[Secret("sk-first-key")],
                http_proxy="http://user:p%40ssw0rd!@proxy.example:3128",
                headers={"Authorization": "Basic dXNlcjpwYXNz", "X-Title": "a long title"},
            )
        },
        mcp=McpSettings(
            servers={
                "s": McpServerSettings(
                    headers={"X-Where": Secret("header-value")},
                    args=[
                        "--api-key",
                        "argument-one",
                        "--token=argument-two",
                        "--header",
                        "Authorization: Bearer argument-three",
                        "--verbose",
                        "harmless-one",
                    ],
                    env={"API_TOKEN": Secret("env-token"), "HOME": Secret("/home/somebody")},
                )
            }
        ),
    )
    found = set(find_credentials(settings))
    assert {
        "sk-of-clients",
        "sk-first-key",
        "in-the-query",
        "p@ssw0rd!",
        "p%40ssw0rd!",
        b64encode(b"user:p@ssw0rd!").decode(),
        "dXNlcjpwYXNz",
        "header-value",
        "env-token",
        "argument-one",
        "argument-two",
        "argument-three",
    } <= found
    assert not {"a-model", "a long title", "/home/somebody", "harmless-one"} & found


CONTENT = [
    b'{"choices":[{"index":0,"delta":{"content":"sk-12345678 error"}}]}',
    b'{"type":"content_block_delta","delta":{"text":"\\"error\\": sk-12345678"}}',
    b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":"sk-12345678"}}}]}}]}',
    b'{"type":"response.output_text.delta","delta":"sk-12345678"}',
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"sk-12345678"}],"isError":false}}',
    b'{"response":{"error":null,"output":[{"content":[{"text":"sk-12345678"}]}]}}',
    b'{"choices":[{"delta":{"content":"sk-12345678"},"finish_reason":"error"}]}',
]


@pytest.mark.parametrize("event", CONTENT)
def test_content_is_never_changed(event: bytes) -> None:
    credentials = holding("sk-12345678")
    assert redact_errors(event, credentials=credentials) == event
    stream = b"event: x\ndata: " + event + b"\n\n"
    assert redact_events(stream, credentials) == stream


def test_stream_data_without_errors_is_not_searched() -> None:
    for event in (
        b'{"choices":[{"delta":{"content":"an error"}}]}',
        b'{"type":"response.created","response":{"error":null,"incomplete_details":null}}',
        b'{"usage":{"prompt_tokens_details":{}},"choices":[]}',
    ):
        assert not may_describe_error(event)


ERRORS = [
    b'{"error":{"message":"no sk-12345678","x": 1.50}}',
    b'{"type":"error","error":{"type":"e","message":"no sk-12345678"},"request_id":"r"}',
    b'{"type":"error","code":null,"message":"no sk-12345678","param":null}',
    b'{"object":"error","message":"no sk-12345678","content":null}',
    b'{"detail":"no sk-12345678"}',
    b'[{"error":{"code":400,"message":"no sk-12345678","status":"INVALID_ARGUMENT"}}]',
    b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no sk-12345678"}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"text":"no sk-12345678"}], "isError": true}}',
    b"the proxy said: no sk-12345678",
]


@pytest.mark.parametrize("event", ERRORS)
def test_only_the_credential_of_an_error_is_changed(event: bytes) -> None:
    redacted = redact_errors(event, credentials=holding("sk-12345678"))
    assert redacted == event.replace(b"sk-12345678", b"[redacted]")


def test_values_of_json_keep_their_form() -> None:
    credentials = holding("sk-12345678")
    value = {"a": [1, None, True, {"b": "Bearer sk-12345678"}]}
    assert credentials.redact_json(value) == {"a": [1, None, True, {"b": "Bearer [redacted]"}]}
    clean = {"a": "b"}
    assert credentials.redact_json(clean) is clean
    for plain in (None, 7, 1.5, False):
        assert credentials.redact_json(plain) is plain


def test_error_beside_content_is_redacted_and_content_is_unchanged() -> None:
    event = {
        "choices": [{"delta": {"content": "sk-12345678"}, "error": {"message": "sk-12345678"}}],
        "error": {"message": "sk-12345678"},
    }
    redacted = redact_errors(json.dumps(event).encode(), credentials=holding("sk-12345678"))
    assert json.loads(redacted) == {
        "choices": [{"delta": {"content": "sk-12345678"}, "error": {"message": "[redacted]"}}],
        "error": {"message": "[redacted]"},
    }
    incomplete = {
        "response": {"incomplete_details": {"reason": "sk-12345678"}, "output": ["sk-12345678"]}
    }
    redacted = redact_errors(json.dumps(incomplete).encode(), credentials=holding("sk-12345678"))
    assert json.loads(redacted)["response"] == {
        "incomplete_details": {"reason": "[redacted]"},
        "output": ["sk-12345678"],
    }
    failed = {
        "type": "response.failed",
        "response": {
            "error": {"message": "sk-12345678"},
            "output": [{"content": [{"text": "sk-12345678"}]}],
        },
    }
    redacted = redact_errors(json.dumps(failed).encode(), credentials=holding("sk-12345678"))
    assert json.loads(redacted)["response"]["error"] == {"message": "[redacted]"}
    assert json.loads(redacted)["response"]["output"] == failed["response"]["output"]  # type: ignore[index]


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_keep_their_bytes(line_end: bytes) -> None:
    stream = (
        b'data: {"choices":[{"delta":{"content":"sk-12345678"}}]}||: Bearer sk-12345678||'
        b'id: 7|event: error|data:{"message":"sk-12345678"}||'
    ).replace(b"|", line_end)
    head, rest = stream.split(b":", 1)
    content, rest = rest.split(line_end, 1)
    expected = head + b":" + content + line_end + rest.replace(b"sk-12345678", b"[redacted]")
    assert redact_events(stream, holding("sk-12345678")) == expected


@pytest.mark.parametrize(
    "block",
    [
        'data: {"error":{"message":"no KEY"}}',
        'event: error\ndata: {"message":"no KEY"}',
        'event: error\r\ndata: {"message":"no KEY"}',
        'event:error\ndata: {"message":"no KEY"}',
        "event: error\ndata: no KEY",
        'data: {"error":{"message":\ndata: "no KEY"}}',
        'id: 7\ndata: {"error":{"message":"no KEY"}}',
        'data: {"error":{"message":"no KEY"}}\n: KEY',
        'event: error\n: KEY\ndata: {"message":"no KEY"}',
        'data:{"error":{"message":"no KEY"}}',
        ": KEY",
        "retry: KEY",
        "KEY",
    ],
)
def test_error_is_redacted_in_every_form_of_an_event(block: str) -> None:
    content = b'data: {"choices":[{"delta":{"content":"sk-12345678"}}]}\n\n'
    event = block.replace("KEY", "sk-12345678").encode() + b"\n\n"
    redacted = redact_events(content + event + content, holding("sk-12345678"))
    assert redacted.startswith(content)
    assert redacted.endswith(content)
    middle = redacted[len(content) : -len(content)]
    assert middle.replace(b"[redacted]", b"sk-12345678") == event
    assert b"sk-12345678" not in middle


@given(st.data())
def test_error_event_is_redacted_for_any_chunks(data: st.DataObject) -> None:
    from antigravity.redaction.credentials import CREDENTIALS

    stream = b'data: {"choices":[]}\n\nevent: error\ndata: {"error":"sk-held-for-a-test"}\n\n'
    cut = data.draw(st.integers(0, len(stream)))
    CREDENTIALS.hold(OWNER, ["sk-held-for-a-test"])
    try:
        redactor = EventRedactor()
        out = redactor.feed(stream[:cut]) + redactor.feed(stream[cut:]) + redactor.rest()
    finally:
        CREDENTIALS.release(OWNER)
    assert out == stream.replace(b"sk-held-for-a-test", b"[redacted]")
