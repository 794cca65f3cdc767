"""What goes wrong arrives as the exception that each SDK has for it."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors

from tests.interop.anthropic_driver import client as anthropic_client
from tests.interop.openai_chat_driver import client as openai_client
from tests.interop.sdk_drivers import BrokenOffError, Conversation, Mode, SdkDriver
from tests.interop.targets import CODE_ASSIST, GEMINI, TARGETS, Target, fresh, name, native

try:
    from google.api_core.exceptions import GoogleAPICallError
except ModuleNotFoundError:  # the previous generation is tested without the older Gemini SDK
    OLDER_ERRORS: tuple[type[Exception], ...] = ()
else:
    OLDER_ERRORS = (GoogleAPICallError,)

try:
    from tests.interop.interactions_driver import APIError, APIStatusError
except ImportError:  # the previous generation has no errors of its own for interactions
    INTERACTION_ERRORS: tuple[type[Exception], ...] = ()
    WITH_STATUS: tuple[type[Exception], ...] = ()
else:
    INTERACTION_ERRORS = (APIError,)
    WITH_STATUS = (APIStatusError,)

FAILURES = (
    openai.APIError,
    anthropic.APIError,
    genai_errors.APIError,
    *INTERACTION_ERRORS,
    BrokenOffError,
    *OLDER_ERRORS,
)
MODES: tuple[Mode, ...] = ("whole", "stream")
NEWER = ("chat", "responses", "anthropic", "genai", "interactions")


_WITH_STATUS: Any = (
    openai.APIStatusError,
    anthropic.APIStatusError,
    *WITH_STATUS,
)


def status_of(error: Exception) -> int:
    """Return the HTTP status in an SDK's exception."""
    if isinstance(error, _WITH_STATUS):
        return int(error.status_code)
    code: Any = getattr(error, "code", None)
    return int(code)


def failing(conversation: Conversation, text: str) -> Exception:
    """Return the exception that saying something raises."""
    with pytest.raises(FAILURES) as caught:
        conversation.send(text)
    return caught.value


def fail_at_once(url: str, sdk: SdkDriver, modes: Sequence[Mode], text: str) -> list[Exception]:
    """Return the exceptions over all upstreams.

    The gateway asks a failing server again, with pauses; so all are asked at the same time.
    """
    talks = [Conversation(sdk, url, fresh(target), mode) for target in TARGETS for mode in modes]
    with ThreadPoolExecutor(len(talks)) as threads:
        return list(threads.map(failing, talks, [text] * len(talks)))


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("mode", MODES)
def test_upstream_rejection_is_sdk_exception(
    url: str, sdk: SdkDriver, target: Target, mode: Mode
) -> None:
    conversation = Conversation(sdk, url, fresh(target), mode)
    error = failing(conversation, "[[error 400 message=Oh no]]")
    assert status_of(error) == 400
    assert "Oh no" in str(error)


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_rate_limit_is_429(url: str, sdk: SdkDriver, target: Target) -> None:
    # The gateway waits for an account that will soon be of use; this one will not.
    prompt = "[[error 429 retry=300s message=Slow down]]"
    error = failing(Conversation(sdk, url, fresh(target)), prompt)
    assert status_of(error) == 429
    speaks_gemini = native(sdk, GEMINI) and sdk.name != "interactions"
    passes = native(sdk, target) or (target is CODE_ASSIST and speaks_gemini)
    assert ("Slow down" if passes else "rate limit") in str(error)


def test_upstream_failure_is_server_error(url: str, sdk: SdkDriver) -> None:
    for error in fail_at_once(url, sdk, MODES, "[[error 503 message=Oh no]]"):
        assert status_of(error) == 503


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_rate_limit_has_retry_after(url: str, target: Target) -> None:
    prompt = [{"role": "user", "content": "[[error 429 retry=70s]]"}]
    with pytest.raises(openai.RateLimitError) as one:
        openai_client(url).chat.completions.create(model=fresh(target), messages=prompt)
    with pytest.raises(anthropic.RateLimitError) as two:
        anthropic_client(url).messages.create(model=fresh(target), messages=prompt, max_tokens=99)
    for caught in (one, two):
        assert 69 <= float(caught.value.response.headers["retry-after"]) <= 71


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("mode", MODES)
def test_unknown_model_is_404(url: str, sdk: SdkDriver, mode: Mode) -> None:
    error = failing(Conversation(sdk, url, "no-such-model", mode), "Hello?")
    assert status_of(error) == 404
    assert "no-such-model" in str(error)


@pytest.mark.sdks(*NEWER)
@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_model_unknown_to_upstream_is_404(url: str, sdk: SdkDriver, target: Target) -> None:
    error = failing(Conversation(sdk, url, f"{target.upstream}/no-such-model"), "Hello?")
    assert status_of(error) == 404


@pytest.mark.parametrize("target", TARGETS, ids=name)
@pytest.mark.parametrize("fault", ["cut 2", "garbage 2", "error 500 after=2"])
def test_broken_stream_is_never_complete(
    url: str, sdk: SdkDriver, target: Target, fault: str
) -> None:
    if sdk.name == "generativeai" and "error" in fault and target.name in ("gemini", "codeassist"):
        pytest.skip("the upstream's own event is passed on, and this SDK looks at none")
    long = "this answer is long enough to break in the middle " * 3
    failing(
        Conversation(sdk, url, fresh(target), "stream"), f"[[say {long}]] [[chunks 6]] [[{fault}]]"
    )


@pytest.mark.parametrize("fault", ["cut 2", "empty"])
def test_broken_response_is_an_error(url: str, sdk: SdkDriver, fault: str) -> None:
    for error in fail_at_once(url, sdk, ["whole"], f"[[say one two three]] [[{fault}]]"):
        assert status_of(error) == 502


def test_invalid_field_is_named(url: str) -> None:
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
    assert "messages.0.content.0.text: Field required" in str(three.value.body)


def test_disconnected_stream_leaves_gateway_serving(url: str) -> None:
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
