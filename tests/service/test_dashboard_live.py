"""Live pages: events of new requests, and the rows that they lead to."""

from __future__ import annotations

from typing import Any

import treq
from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from antigravity.config.secret import Secret
from antigravity.dashboard import live, site
from antigravity.dashboard.live import LiveStream
from tests.service.dashboard_fixture import DashboardCase


class Collector:
    """Collects what a stream sends, and waits for parts of it."""

    def __init__(self, response: Any) -> None:
        self.data = b""
        self.ended: Deferred[None] = Deferred()
        self._waiting: list[tuple[bytes, Deferred[None]]] = []
        treq.collect(response, self._add).addBoth(lambda _: self.ended.callback(None))

    def _add(self, data: bytes) -> None:
        self.data += data
        for entry in [each for each in self._waiting if each[0] in self.data]:
            self._waiting.remove(entry)
            entry[1].callback(None)

    def wait_for(self, part: bytes) -> Deferred[None]:
        found: Deferred[None] = Deferred()
        self._waiting.append((part, found))
        self._add(b"")
        return found


class LiveTests(DashboardCase):
    async def stream(self) -> Collector:
        response = await treq.get(
            f"{self.address}/dashboard/live", headers={"Cookie": self.cookie}, persistent=False
        )
        self.assertEqual(response.code, 200)
        self.assertEqual(
            response.headers.getRawHeaders("content-type"), ["text/event-stream; charset=utf-8"]
        )
        return Collector(response)

    async def test_event_leads_to_rows_of_new_requests(self) -> None:
        await self.open()
        await self.ask("before", model="old-model")
        page = await self.page("/dashboard/requests")
        newest = page.partition('data-newest="')[2].partition('"')[0]
        events = await self.stream()
        await self.ask("after", model="new-model")
        await events.wait_for(b"event: requests\ndata: 1\n\n")
        response = await self.fetch(f"/dashboard/requests/new?after={newest}")
        self.assertIn("new-model", response.text)
        self.assertNotIn("old-model", response.text)
        self.assertGreater(int(response.header("x-newest")), int(newest))
        again = await self.fetch(f"/dashboard/requests/new?after={response.header('x-newest')}")
        self.assertNotIn("<tr", again.text)
        other = await self.fetch(f"/dashboard/requests/new?model=x&after={newest}")
        self.assertNotIn("<tr", other.text)

    async def test_streams_end_when_gateway_stops(self) -> None:
        await self.open()
        events = await self.stream()
        await self.stop()
        await events.ended

    async def test_streams_end_with_their_session(self) -> None:
        self.patch(live, "_KEEP_ALIVE", 3600.0)  # not only at the next check
        await self.open()
        events = await self.stream()
        own = self.cookie
        await self.sign_in()
        other = await self.stream()
        self.cookie = own
        await self.fetch("/dashboard/sign-out", "POST", {"csrf": await self.csrf()})
        await events.ended
        self.assertFalse(other.ended.called)

    async def test_streams_end_when_admin_key_changes_but_not_with_other_reloads(self) -> None:
        self.patch(live, "_KEEP_ALIVE", 3600.0)
        await self.open()
        events = await self.stream()
        assert self.gateway is not None
        await self.gateway.reload()
        await self.ask("hi")
        await events.wait_for(b"event: requests\ndata: 1\n\n")
        proxy = replace(self.settings.proxy, admin_key=Secret("sk-another-admin-key"))
        self.settings = replace(self.settings, proxy=proxy)
        await self.gateway.reload()
        await events.ended

    async def test_number_of_streams_is_bounded(self) -> None:
        await self.open()
        self.patch(site, "MAX_STREAMS", 1)
        await self.stream()
        refused = await self.fetch("/dashboard/live")
        self.assertEqual(refused.code, 503)


class FakeRequest:
    """A request that notes what is written."""

    channel: Any = object()

    def __init__(self) -> None:
        self.written = b""
        self.responseHeaders = self

    def setRawHeaders(self, name: str, values: list[str]) -> None:
        pass

    def write(self, data: bytes) -> None:
        self.written += data


def test_stream_reports_together_stays_alive_and_ends_with_session() -> None:
    clock, request, listeners, closed = Clock(), FakeRequest(), [], []
    permitted = [True]

    def listen(listener: Any) -> Any:
        listeners.append(listener)
        return lambda: listeners.remove(listener)

    stream = LiveStream(clock, request, listen, lambda: permitted[0], closed.append)
    done = stream.start()
    for number in (1, 2, 3):
        listeners[0](number)
    clock.advance(1)
    assert request.written.endswith(b"event: requests\ndata: 6\n\n")
    clock.advance(15)
    assert request.written.endswith(b":\n\n")
    permitted[0] = False
    clock.advance(15)
    assert done.called
    assert closed == [stream]
    assert listeners == []
    assert clock.getDelayedCalls() == []


def test_cancelled_stream_leaves_nothing_behind() -> None:
    clock, closed = Clock(), []
    stream = LiveStream(
        clock, FakeRequest(), lambda listener: lambda: None, lambda: True, closed.append
    )
    done = stream.start()
    done.cancel()
    assert closed == [stream]
    assert clock.getDelayedCalls() == []
    stream.end()
