"""Credentials are recognised by their shapes and names, in linear time."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antigravity.redaction.shapes import redact_shapes, secret_arguments

_NAMES = [
    *("authorization", "Authorization", "authorization_token", "x-api-key", "OPENAI_API_KEY"),
    *("access_token", "refresh-token", "client_secret", "Cookie", "password", "apiKey"),
]
_TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


@given(st.sampled_from(_NAMES), _TEXT, _TEXT)
def test_member_with_the_name_of_a_credential_loses_its_text(
    name: str, secret: str, other: str
) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"a": 1, name: secret, "end": 2}, ensure_ascii=ascii_only)
        assert json.loads(redact_shapes(text)) == {"a": 1, name: "[redacted]", "end": 2}


@pytest.mark.parametrize("secret", ["plain-secret", 'with"quotes"inside', "with/slash+é"])
def test_member_of_json_within_a_string_loses_its_text(secret: str) -> None:
    inner = json.dumps({"api_key": secret, "end": 2})
    redacted = json.loads(redact_shapes(json.dumps({"arguments": inner})))
    assert json.loads(redacted["arguments"]) == {"api_key": "[redacted]", "end": 2}


@pytest.mark.parametrize(
    "text",
    [
        '{"token": "Hello", "max_tokens": 5, "key": "ctrl", "signature": "abc"}',
        '{"properties": {"password": {"type": "string"}}}',
        '{"prompt_cache_key": "a-conversation", "authorization": null}',
        "a word-sk-0123456789abcdefghijklmnop and risk-free",
        "https://example.org/a:b@c?monkeys",
        "",
    ],
)
def test_harmless_text_stays_the_same_object(text: str) -> None:
    assert redact_shapes(text) is text


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "sk-ant-api03-" + "aB3" * 10,
            "AIza" + "x" * 35,
            "ya29.a0" + "b" * 30,
            "ghp_" + "a1" * 18,
        ),
        *("github_pat_" + "a" * 40, "1//0" + "g" * 40, "GOCSPX-" + "k" * 28, "AKIA" + "A1" * 8),
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fw",
    ],
)
def test_key_of_a_known_issuer_is_removed_from_prose(secret: str) -> None:
    assert redact_shapes(f'use "{secret}" here') == 'use "[redacted]" here'
    assert redact_shapes(f"KEY={secret}\n") == "KEY=[redacted]\n"


def test_password_of_an_address_is_removed() -> None:
    text = '"https://user:pass%20word@example.org/x"'
    assert redact_shapes(text) == '"https://user:[redacted]@example.org/x"'


def test_arguments_after_and_in_secret_options_are_secret() -> None:
    arguments = [
        "--token",
        "a",
        "-v",
        "b",
        "--api-key=c",
        "--port=1",
        "--auth",
        "--x",
        "sk-" + "a" * 30,
    ]
    assert secret_arguments(arguments) == [
        *(False, True, False, False, True, False, False, False, True)
    ]


@pytest.mark.parametrize(
    "piece",
    [
        *('"', "\\", "://a:", '"authorization":"', "?key", "eyJ", " sk-", '"authorization" '),
        *("a", '\\\\"cookie\\\\":\\\\"', "session_", "Bearer ", "AKIA", "&a-"),
        *("bearer+", 'key"', 'api_key" : ', '"token\\', "sk-a", "basic%20aaaaaaaa"),
    ],
)
def test_time_is_linear_in_hostile_text(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece)) + '"token=@'
        began = time.thread_time()
        redact_shapes(text)
        return time.thread_time() - began

    seconds(1000)
    small = min(seconds(20_000) for _ in range(3))
    assert seconds(200_000) < 60 * small + 0.05
