"""What goes wrong arrives as the exception that each SDK has for it."""

from __future__ import annotations

import urllib.request
from typing import Any

import anthropic
import openai
import pytest
from anthropic_calls import client as anthropic_client
from dialect import Dialect, Mode, Talk
from google.genai import errors as genai_errors
from openai_chat_calls import client as openai_client
from targets import TARGETS, Target, name

try:
    from google.api_core.exceptions import GoogleAPICallError
except ModuleNotFoundError:  # the previous generation is tested without the older Gemini SDK
    OLDER_ERRORS: tuple[type[Exception], ...] = ()
else:
    OLDER_ERRORS = (GoogleAPICallError,)

MODES: tuple[Mode, ...] = ("whole", "stream")
NEWER = ("chat", "responses", "anthropic", "genai")


def status_of(error: Exception) -> int:
    """Return the HTTP status in an SDK's exception."""
    if isinstance(error, openai.APIStatusError | anthropic.APIStatusError):
        return error.status_code
    code: Any = getattr(error, "code", None)
    return int(code)


def failing(talk: Talk, text: str) -> Exception:
    """Return the exception that saying something raises."""
    with pytest.raises(
        (openai.APIError, anthropic.APIError, genai_errors.APIError, *OLDER_ERRORS)
    ) as caught:
        talk.say(text)
    return caught.value


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_an_upstreams_refusal(
    url: str, dialect: Dialect, target: Target, mode: Mode, status: int
) -> None:
    error = failing(Talk(dialect, url, target.model, mode), f"[[error {status} message=Oh no]]")
    expected = {status, 502, 503, 529} if status >= 500 else {status}
    assert status_of(error) in expected
    if status < 500:
        assert "Oh no" in str(error)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_a_rate_limit_says_when_to_come_back(url: str, target: Target) -> None:
    prompt = [{"role": "user", "content": "[[error 429 retry=7s]]"}]
    with pytest.raises(openai.RateLimitError) as one:
        openai_client(url).chat.completions.create(model=target.model, messages=prompt)
    with pytest.raises(anthropic.RateLimitError) as two:
        anthropic_client(url).messages.create(model=target.model, messages=prompt, max_tokens=99)
    for caught in (one, two):
        assert 7 <= float(caught.value.response.headers["retry-after"]) <= 8


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_model(url: str, dialect: Dialect, mode: Mode) -> None:
    error = failing(Talk(dialect, url, "no-such-model", mode), "Hello?")
    assert status_of(error) == 404
    assert "no-such-model" in str(error)


@pytest.mark.dialects(*NEWER)
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_a_model_that_the_upstream_does_not_know(
    url: str, dialect: Dialect, target: Target
) -> None:
    error = failing(Talk(dialect, url, f"{target.upstream}/no-such-model"), "Hello?")
    assert status_of(error) == 404


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("fault", ["cut 2", "garbage 2", "error 500 after=2"])
def test_a_stream_that_breaks_is_never_taken_for_complete(
    url: str, dialect: Dialect, target: Target, fault: str
) -> None:
    long = "this answer is long enough to break in the middle " * 3
    failing(Talk(dialect, url, target.model, "stream"), f"[[say {long}]] [[chunks 6]] [[{fault}]]")


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("fault", ["cut 2", "empty"])
def test_a_whole_answer_that_breaks_is_an_error(
    url: str, dialect: Dialect, target: Target, fault: str
) -> None:
    error = failing(Talk(dialect, url, target.model), f"[[say one two three]] [[{fault}]]")
    assert status_of(error) in (500, 502, 503, 504)


def test_a_wrong_field_is_named(url: str) -> None:
    model: Any = TARGETS[3].model
    with pytest.raises(openai.BadRequestError) as one:
        openai_client(url).chat.completions.create(
            model=model, messages=[{"role": "wizard", "content": "x"}]
        )
    assert "messages[0]" in str(one.value.body)
    with pytest.raises(openai.BadRequestError) as two:
        openai_client(url).responses.create(model=model, input=[{"type": "message", "role": 1}])
    assert "input[0]" in str(two.value.body)
    with pytest.raises(anthropic.BadRequestError) as three:
        anthropic_client(url).messages.create(
            model=model, max_tokens=9, messages=[{"role": "user", "content": [{"type": "text"}]}]
        )
    assert "messages[0]" in str(three.value.body) or "messages.0" in str(three.value.body)


def test_who_leaves_early_leaves_nothing_behind(url: str) -> None:
    """The log of the gateway is looked at when it stops; here it must still serve."""
    prompt = [{"role": "user", "content": "[[tokens 400]] [[chunks 200]] [[delay 20ms]]"}]
    for target in TARGETS:
        stream = openai_client(url).chat.completions.create(
            model=target.model, messages=prompt, stream=True
        )
        next(iter(stream))
        stream.close()
        with anthropic_client(url).messages.stream(
            model=target.model, messages=prompt, max_tokens=500
        ) as events:
            next(iter(events))
    with urllib.request.urlopen(f"{url}/readyz") as ready:
        assert ready.status == 200
