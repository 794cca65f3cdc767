"""The Open Responses suite passes over every upstream protocol: ``make test-conformance``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from tests.conformance import open_responses_suite
from tests.support.npm import UnavailableError
from tests.support.server_process import Server

#: The tests of the pinned suite.  One of them sends nothing: it checks the suite's own schema.
TESTS: Final = """
    basic-response assistant-phase response-output-phase-schema streaming-response
    websocket-response websocket-sequential-responses websocket-continuation
    websocket-reconnect-store-false-recovery websocket-previous-response-not-found
    websocket-failed-continuation-evicts-cache websocket-compact-new-chain
    system-prompt tool-calling image-input multi-turn compact-response compact-missing-model
"""
#: Models of the demo by the protocol that their upstream speaks.
MODELS: Final = {
    "chat completions": "demo-openai-chat/gpt-5.1",
    "responses": "demo-openai-responses/gpt-5.1",
    "responses over websocket": "demo-openai-websocket/gpt-5.1",
    "anthropic": "demo-anthropic/claude-sonnet-4-6",
    "anthropic, older": "demo-anthropic/claude-sonnet-4-5",
    "gemini": "demo-gemini_api/gemini-3-pro-preview",
    "gemini, older": "demo-gemini_api/gemini-2.5-flash",
    "interactions": "demo-interactions/gemini-3-pro-preview",
    "code assist": "demo-codeassist/gemini-3-flash",
    "code assist, claude": "demo-codeassist/claude-sonnet-4-6",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        open_responses_suite.install()
    except UnavailableError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["antigravity", "--demo", "--port", "0", "--home", str(folder / "home")]
    gateway = Server(arguments, folder / "gateway")
    try:
        yield gateway.wait_for(r"listening on (http://[\d.:]+)")[1]
    finally:
        gateway.stop()
    assert "Traceback" not in gateway.log, gateway.log[-5000:]


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_open_responses_suite_passes(url: str, model: str) -> None:
    expected = set(TESTS.split())
    results = open_responses_suite.run(url, model)
    print(f"\n{model}: {len(results.passed)} of {len(expected)} tests passed")
    assert results.complaints == ()
    assert results.skipped == frozenset()
    assert results.passed == expected
