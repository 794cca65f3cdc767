"""Every response carries the request's id where each SDK looks for it."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any

import anthropic
import pytest

from tests.interop.anthropic_driver import client as anthropic_client
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.targets import ANTHROPIC, CHAT, TARGETS, Target, name

MESSAGES: list[Any] = [{"role": "user", "content": "Hello?"}]
FAILING: list[Any] = [{"role": "user", "content": "[[error 400]]"}]


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_anthropic_message_has_request_id(url: str, target: Target) -> None:
    client = anthropic_client(url)
    message = client.messages.create(model=target.model, max_tokens=99, messages=MESSAGES)
    assert message._request_id


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_anthropic_stream_has_request_id(url: str, target: Target) -> None:
    client = anthropic_client(url)
    with client.messages.stream(model=target.model, max_tokens=99, messages=MESSAGES) as stream:
        assert stream.request_id
        stream.until_done()


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_anthropic_error_has_request_id_in_header(url: str, target: Target) -> None:

    with pytest.raises(anthropic.APIStatusError) as caught:
        anthropic_client(url).messages.create(model=target.model, max_tokens=9, messages=FAILING)
    assert caught.value.response.headers["request-id"]


@pytest.mark.parametrize("path", ["/v1/models", "/healthz", "/nothing", "/v1/messages"])
def test_every_path_has_both_headers(url: str, path: str) -> None:
    try:
        with urllib.request.urlopen(url + path) as response:
            headers = response.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
        error.close()
    assert headers["request-id"] == headers["x-request-id"]
    assert headers["request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("target", [ANTHROPIC, CHAT], ids=name)
def test_upstream_request_id_is_kept_in_its_own_header(
    url: str, target: Target, stream: bool
) -> None:
    anthropic_raw = anthropic_client(url).messages.with_raw_response.create(
        model=target.model, max_tokens=99, messages=MESSAGES, stream=stream
    )
    openai_raw = openai_client(url).chat.completions.with_raw_response.create(
        model=target.model, messages=MESSAGES, stream=stream
    )
    for raw in (anthropic_raw, openai_raw):
        raw.http_response.read()
        assert raw.headers["x-upstream-request-id"].startswith("req_")
        assert raw.headers["x-request-id"] != raw.headers["x-upstream-request-id"]
    # Anthropic's clients report its own id.
    passes = target is ANTHROPIC
    is_same = anthropic_raw.headers["request-id"] == anthropic_raw.headers["x-upstream-request-id"]
    assert is_same == passes
    assert openai_raw.headers["request-id"] != openai_raw.headers["x-upstream-request-id"]


def test_upstream_request_id_of_passed_error_is_kept(url: str) -> None:

    with pytest.raises(anthropic.APIStatusError) as caught:
        anthropic_client(url).messages.create(model=ANTHROPIC.model, max_tokens=9, messages=FAILING)
    assert caught.value.response.headers["x-upstream-request-id"]
