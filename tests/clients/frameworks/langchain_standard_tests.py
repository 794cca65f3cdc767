"""LangChain's standard integration tests of chat models: each integration with every upstream.

The program runs pytest on itself; a module of the repository's own tests this is not.
"""

from __future__ import annotations

import base64
import json
import os
import struct
import sys
from typing import Any
from unittest import mock

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from tests.clients.frameworks.suite import PNG, Setting, reporter

VARIABLE = "STANDARD_TESTS_SETTING"

#: The files that the tests download, by ending.
FILES = {
    "png": base64.b64decode(PNG),
    "pdf": b"%PDF-1.4\n%%EOF\n",
    "wav": b"RIFF" + struct.pack("<I", 40) + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data" + struct.pack("<I", 4)
    + bytes(4),
}  # fmt: skip

#: Tests that cannot pass, by class; with the reason.
EXCEPTIONS = {
    "test_anthropic_inputs anthropic anthropic": (
        "the simulator only accepts signatures that it has made, and the test brings another"
    ),
}


def download(url: str, **_: Any) -> httpx.Response:
    """Return one of the files instead of a download."""
    return httpx.Response(200, content=FILES[url.rpartition(".")[2]])


class Standard(ChatModelIntegrationTests):
    """What the classes here have in common."""

    setting: Setting
    upstream: str
    model_name: str
    override = ""
    key_name = "api_key"
    path = ""
    more: dict[str, Any] = {}

    @property
    def chat_model_params(self) -> dict[str, Any]:
        url = self.setting.gateways[self.upstream] + self.path
        return {
            "model": self.model_name,
            "base_url": url,
            self.key_name: self.setting.key,
            **self.more,
        }

    @property
    def model_override_value(self) -> str:
        return self.override

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True


class OpenAIChat(Standard):
    """langchain-openai with chat completions."""

    chat_model_class = ChatOpenAI
    model_name = "gpt-4o"
    override = "gpt-5"
    path = "/v1"
    more = {"stream_usage": True}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True


class OpenAIResponses(OpenAIChat):
    """langchain-openai with responses."""

    more = {"use_responses_api": True}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        params = super().standard_chat_model_params
        return {name: value for name, value in params.items() if name != "stop"}

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True


class Anthropic(Standard):
    """langchain-anthropic."""

    chat_model_class = ChatAnthropic
    model_name = "claude-haiku-4-5"
    override = "claude-sonnet-5"

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True


class Google(Standard):
    """langchain-google-genai."""

    chat_model_class = ChatGoogleGenerativeAI
    model_name = "gemini-2.5-flash"

    @property
    def supports_model_override(self) -> bool:
        return False

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return self.upstream in ("chat", "gemini", "codeassist")


APIS = {"chat": OpenAIChat, "responses": OpenAIResponses, "anthropic": Anthropic, "google": Google}


def classes(setting: Setting) -> dict[str, type]:
    """Return a class for each integration and upstream."""
    found = {}
    for api, base in APIS.items():
        for upstream in setting.gateways:
            name = f"Test_{api}_{upstream}"
            found[name] = type(name, (base,), {"setting": setting, "upstream": upstream})
    return found


def label(nodeid: str) -> tuple[str, str, str]:
    """Return the API, the upstream and the case of a test."""
    _, owner, test = nodeid.split("::")
    _, api, upstream = owner.split("_")
    return api, upstream, f"{test} {api} {upstream}"


class Reporter:
    """Reports results, and marks the tests that cannot pass."""

    def __init__(self, words: list[str]) -> None:
        self._report = reporter()
        self._words = words
        self._failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if all(word in item.nodeid for word in self._words)]
        for item in items:
            if reason := EXCEPTIONS.get(label(item.nodeid)[2]):
                item.add_marker(pytest.mark.skip(reason))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        api, upstream, case = label(report.nodeid)
        detail = report.longreprtext
        if report.skipped and isinstance(report.longrepr, tuple):
            detail = report.longrepr[2]
        self._report(
            {
                "api": api,
                "upstream": upstream,
                "case": case,
                "outcome": report.outcome,
                "detail": detail[-4000:],
                "seconds": round(report.duration, 2),
            }
        )

    def pytest_sessionfinish(self) -> None:
        self._report({"done": True})


if __name__ == "__main__":
    os.environ[VARIABLE] = sys.stdin.read()
    options = ["--noconftest", "-c", os.devnull, "--rootdir", ".", "-p", "no:cacheprovider"]
    options += ["-o", "asyncio_default_test_loop_scope=session"]
    options += ["-q", "-o", "asyncio_mode=auto", "-o", "python_classes=Test_*", __file__]
    pytest.main(options, plugins=[Reporter(sys.argv[1:])])
    os._exit(0)

if VARIABLE in os.environ:
    globals().update(classes(Setting(**json.loads(os.environ[VARIABLE]))))
    mock.patch("httpx.get", download).start()
