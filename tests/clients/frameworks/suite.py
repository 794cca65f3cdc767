"""The cases of one client, run in the client's own environment against every upstream.

The setting comes as JSON on standard input, and each result is a JSON line on standard output.
Only the standard library is imported here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

#: A file of each kind as base64: an image of one red pixel.
PNG: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJg"
    "gg=="
)
#: Thinks, calls get_weather, and says ZEBRA-42 after the result.
TOOL_LOOP: Final = (
    '[[tool get_weather {"city": "Zürich"}]][[then]][[chunks 4]][[say The marker is ZEBRA-42.]]'
)
#: What get_weather returns.
WEATHER: Final = "22 degrees in Zürich"
WRONG_KEY: Final = "sk-wrong"
#: A tool of the gateway, and what it returns.
MCP_TOOL: Final = "test_simple_text"
MCP_ANSWER: Final = "This is a simple text response for testing."
#: Sends its text for more than half a minute.
SLOW: Final = "[[chunks 80]][[delay 500ms]][[say " + "word " * 80 + "]]"
REFUSED: Final = "[[error 400 message=REFUSED-9]]"
_ENDS_WITHIN: Final = 15.0


class SkipCase(Exception):  # noqa: N818 - it is no error
    """A case does not apply; the text says why."""


@dataclass(frozen=True)
class Upstream:
    """A gateway before one upstream protocol.

    ``api`` is the API by which a client with several reaches the gateway.
    """

    name: str
    address: str
    setting: Setting = field(hash=False)
    api: str = ""


@dataclass(frozen=True)
class Setting:
    """Addresses and keys."""

    gateways: dict[str, str]
    simulator: str
    mcp: str
    key: str
    exhausted: str  # the name of a model whose only account has no quota left

    def requests(self) -> list[dict[str, Any]]:
        """Return the last requests that reached the upstream."""
        found: list[dict[str, Any]] = _get(f"{self.simulator}/_simulator/requests")["requests"]
        return [each for each in found if each["method"] == "POST" and each["body"]]

    def last_body(self) -> str:
        """Return the JSON text of the last request that reached the upstream."""
        return json.dumps(self.requests()[-1]["body"], ensure_ascii=False)

    @asynccontextmanager
    async def cancels_upstream(self) -> AsyncIterator[None]:
        """Check that the upstream's stream is cancelled by what is done here."""
        before = _get(f"{self.simulator}/_simulator/stats")
        yield
        deadline = time.monotonic() + _ENDS_WITHIN
        while True:
            stats = _get(f"{self.simulator}/_simulator/stats")
            if stats["cancelled_streams"] > before["cancelled_streams"]:
                return
            assert time.monotonic() < deadline, f"the upstream was not cancelled: {stats}"
            await asyncio.sleep(0.02)


def _get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.loads(answer.read())


Case = Callable[[Upstream], Any]


@dataclass(frozen=True)
class _Entry:
    """A case, and what it runs with; nothing is everything."""

    case: Case
    upstreams: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()

    def fits(self, upstream: Upstream) -> bool:
        """Return whether it runs with this one."""
        return (not self.upstreams or upstream.name in self.upstreams) and (
            not self.apis or upstream.api in self.apis
        )


class Suite:
    """Cases, which run once for each of the client's APIs and each upstream."""

    def __init__(self, *apis: str) -> None:
        self._apis = apis or ("",)
        self._entries: list[_Entry] = []

    def case(self, case: Case) -> Case:
        """Add a case.

        One that yields the names of its steps counts as so many.
        """
        self._entries.append(_Entry(case))
        return case

    def case_with(self, *upstreams: str, apis: tuple[str, ...] = ()) -> Callable[[Case], Case]:
        """Add a case that runs with these upstreams and APIs only."""

        def add(case: Case) -> Case:
            self._entries.append(_Entry(case, upstreams, apis))
            return case

        return add

    def main(self) -> None:
        """Run all cases; words in the arguments select those whose label contains them."""
        setting = Setting(**json.load(sys.stdin))
        report = reporter()
        with asyncio.Runner() as runner:
            for upstream in self._upstreams(setting):
                for entry in self._entries:
                    label = f"{upstream.api} {upstream.name} {entry.case.__name__}"
                    if entry.fits(upstream) and all(word in label for word in sys.argv[1:]):
                        for result in self._run(runner, entry.case, upstream):
                            report(result)
        report({"done": True})
        # Threads of a client must not keep the process.
        os._exit(0)

    def _upstreams(self, setting: Setting) -> Iterator[Upstream]:
        for api in self._apis:
            for name, address in setting.gateways.items():
                yield Upstream(name, address, setting, api)

    def _run(
        self, runner: asyncio.Runner, case: Case, upstream: Upstream
    ) -> Iterator[dict[str, Any]]:
        """Run a case and return a result for each of its steps."""
        started = time.monotonic()

        def result(step: str, outcome: str, detail: str = "") -> dict[str, Any]:
            label = " ".join(filter(None, (upstream.api, upstream.name, case.__name__, step)))
            seconds = round(time.monotonic() - started, 2)
            return {
                "api": upstream.api,
                "upstream": upstream.name,
                "case": label,
                "outcome": outcome,
                "detail": detail,
                "seconds": seconds,
            }

        try:
            running = case(upstream)
            if inspect.isasyncgen(running):
                while step := runner.run(_bounded(anext(running, ""))):
                    yield result(step, "passed")
                return
            if inspect.isawaitable(running):
                runner.run(_bounded(running))
        except SkipCase as reason:
            yield result("", "skipped", str(reason))
        except BaseException:  # noqa: BLE001 - clients raise groups, and SystemExit
            yield result("", "failed", traceback.format_exc()[-4000:])
        else:
            yield result("", "passed")


async def _bounded(awaitable: Any) -> Any:
    async with asyncio.timeout(45):
        return await awaitable


def reporter() -> Callable[[dict[str, Any]], None]:
    """Return what writes results; from now on other output goes to standard error."""
    sink = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def report(result: dict[str, Any]) -> None:
        sink.write(json.dumps(result) + "\n")
        sink.flush()

    return report


async def raised(awaitable: Any) -> BaseException:
    """Return the error of something that has to fail."""
    try:
        result = await awaitable
    except Exception as error:  # noqa: BLE001 - whatever the client raises
        return error
    raise AssertionError(f"no error but {result!r}")


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status in an error or what caused it; 0 if there is none."""
    while error is not None:
        places = (error, getattr(error, "response", None), getattr(error, "payload", None))
        for place in places:
            for name in ("status_code", "code", "http_status", "status"):
                status = place.get(name) if isinstance(place, dict) else getattr(place, name, None)
                if isinstance(status, int):
                    return status
        error = error.__cause__ or error.__context__
    return 0
