"""The simulator's Responses API over WebSocket: the SDK's client, and what it refuses."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.simulator.fixtures import SimulatorTestCase

pytest.importorskip("twisted.web.websocket", reason="this Twisted has no WebSocket")

pytestmark = pytest.mark.filterwarnings("ignore")  # what the SDK is warned of

MODEL = "gpt-5.1"
KEY = {"Authorization": "Bearer k"}
#: Waits before its second chunk until delays are skipped.
SLOW = "[[chunks 2]] [[delay 1h]] [[say aa bb]]"
ENDS = ("response.completed", "response.incomplete", "response.failed", "error")


def create(socket: Any, **members: Any) -> None:
    """Request a response."""
    message = {"type": "response.create", "model": MODEL, "input": "hi", "store": False}
    socket.send(json.dumps({**message, **members}))


def steer(socket: Any, response_id: str, given: Any) -> None:
    """Send input for a running response."""
    message = {"type": "response.steer", "previous_response_id": response_id, "input": given}
    socket.send(json.dumps(message))


def finish(socket: Any) -> Any:
    """Return the next message that ends a response."""
    while True:
        message = json.loads(socket.recv(timeout=20))
        if message["type"] in ENDS:
            return message


def text_of(message: Any) -> str:
    """Return the text of a response."""
    (item,) = message["response"]["output"]
    text: str = item["content"][0]["text"]
    return text


class ResponsesSocketTests(SimulatorTestCase):
    def in_thread(self, work: Callable[[str], None]) -> Deferred[None]:
        """Return a Deferred that fires when ``work`` is done in a thread of its own."""
        done: Deferred[None] = Deferred()
        address = self.base.replace("http", "ws") + "/v1/responses"

        def run() -> None:
            try:
                work(address)
            except BaseException as error:  # noqa: BLE001 - handed to the test
                reactor.callFromThread(done.errback, error)
            else:
                reactor.callFromThread(done.callback, None)

        threading.Thread(target=run).start()
        return done

    def with_socket(self, work: Callable[[Any], None]) -> Deferred[None]:
        """Run ``work`` with a connection."""

        def run(address: str) -> None:
            with connect(address, additional_headers=KEY, proxy=None) as socket:
                work(socket)

        return self.in_thread(run)

    def test_client_of_the_sdk(self) -> Deferred[None]:
        def work(_: str) -> None:
            import openai

            with (
                openai.OpenAI(base_url=f"{self.base}/v1", api_key="k", max_retries=0) as client,
                client.responses.connect() as connection,
            ):
                connection.response.create(model=MODEL, input="[[say one]]", store=False)
                first = self.sdk_response(connection)
                assert first.output_text == "one"
                connection.response.create(
                    model=MODEL, input="[[say two]]", store=False, previous_response_id=first.id
                )
                second = self.sdk_response(connection)
                assert second.output_text == "two"
                assert second.previous_response_id == first.id

        return self.in_thread(work)

    def sdk_response(self, connection: Any) -> Any:
        """Return the response at the end of the events of the SDK."""
        for event in connection:
            assert event.type not in ("error", "response.failed"), event
            if event.type == "response.completed":
                return event.response
        raise AssertionError("the connection was closed")

    def test_only_the_last_response_of_a_lane_is_remembered(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            create(socket, input="[[say A]]")
            first = finish(socket)["response"]["id"]
            create(socket, previous_response_id=first)
            second = finish(socket)["response"]["id"]
            create(socket, previous_response_id=first)
            error = finish(socket)
            assert error["status"] == 400
            assert error["error"]["code"] == "previous_response_not_found"
            create(socket, previous_response_id=second, stream_id="fork")
            assert finish(socket)["type"] == "response.completed"
            create(socket, input="[[error 500]]", previous_response_id=second)
            assert finish(socket)["status"] == 500
            create(socket, previous_response_id=second)
            assert finish(socket)["error"]["code"] == "previous_response_not_found"

        return self.with_socket(work)

    def test_other_connections_do_not_remember_it(self) -> Deferred[None]:
        def work(address: str) -> None:
            found = []
            for store in (False, True):
                with connect(address, additional_headers=KEY, proxy=None) as socket:
                    create(socket, store=store)
                    found.append(finish(socket)["response"]["id"])
            with connect(address, additional_headers=KEY, proxy=None) as socket:
                create(socket, previous_response_id=found[0])
                assert finish(socket)["error"]["code"] == "previous_response_not_found"
                create(socket, previous_response_id=found[1])
                assert finish(socket)["type"] == "response.completed"

        return self.in_thread(work)

    def test_request_without_output(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            create(socket, input="[[say A]]", generate=False)
            response = finish(socket)["response"]
            assert (response["status"], response["output"]) == ("completed", [])
            assert response["usage"]["output_tokens"] == 0
            assert response["usage"]["input_tokens"] > 0
            create(socket, input=[], previous_response_id=response["id"])
            assert text_of(finish(socket)) == "A"

        return self.with_socket(work)

    def test_lanes_run_beside_each_other(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            create(socket, input="[[stall 1]] [[say a b c]]", stream_id="slow")
            create(socket, input="[[say after]]", stream_id="slow")
            for name in ("x", "y"):
                create(socket, input=f"[[say {name}]]", stream_id=name)
                message = finish(socket)
                assert (message["stream_id"], text_of(message)) == (name, name)
            for number in range(14):
                create(socket, stream_id="slow", input=f"[[say {number}]]")
            create(socket, stream_id="z")
            assert finish(socket)["error"]["code"] == "websocket_stream_limit_reached"

        return self.with_socket(work)

    def test_what_only_http_has_is_refused(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            for name, value in (
                ("stream", True),
                ("stream_options", {}),
                ("background", False),
                ("generate", 1),
                ("stream_id", 7),
                ("nonsense", 1),
            ):
                create(socket, **{name: value})
                error = finish(socket)
                assert (error["status"], error["error"]["param"]) == (400, name)
            for text in ("nonsense", "[]", '{"type": "session.update"}', '{"type": []}'):
                socket.send(text)
                assert finish(socket)["status"] == 400
            socket.send('{"type": "response.processed", "response_id": "r"}')
            socket.send('{"type": "response.steer", "previous_response_id": "r", "input": "x"}')
            assert json.loads(socket.recv(timeout=20))["type"] == "response.steer.failed"
            create(socket, input="[[error 429 retry=3s]]")
            error = finish(socket)
            assert (error["status"], error["headers"]["retry-after"]) == (429, "3")
            create(socket, input="[[say A]]")
            assert text_of(finish(socket)) == "A"

        return self.with_socket(work)

    def test_handshake_is_refused(self) -> Deferred[None]:
        def status(address: str, headers: dict[str, str]) -> int:
            with pytest.raises(InvalidStatus) as refused:
                connect(address, additional_headers=headers, proxy=None)
            return int(refused.value.response.status_code)

        def work(address: str) -> None:
            assert status(address, {}) == 401
            assert status(address, {"Authorization": "Bearer bad-1"}) == 401
            self.simulator.state.socket_rules.refuse_with = 426
            assert status(address, KEY) == 426

        return self.in_thread(work)

    def test_old_connection_takes_no_requests(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            create(socket)
            assert finish(socket)["type"] == "response.completed"
            self.simulator.state.socket_rules.max_age = 0.0
            create(socket)
            assert finish(socket)["error"]["code"] == "websocket_connection_limit_reached"

        return self.with_socket(work)

    def test_lanes_can_be_unknown(self) -> Deferred[None]:
        self.simulator.state.socket_rules.lanes = False

        def work(socket: Any) -> None:
            create(socket, stream_id="a")
            error = finish(socket)
            assert "stream_id" not in error
            assert error["error"]["param"] == "stream_id"

        return self.with_socket(work)

    def test_running_response_is_steered(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            create(socket, input=SLOW)
            first = json.loads(socket.recv(timeout=20))["response"]["id"]
            steer(socket, first, "[[say MORE]]")
            steer(socket, first, [])
            kinds: list[str] = []
            while not kinds or kinds[-1] != "response.completed":
                kinds.append(json.loads(socket.recv(timeout=20))["type"])
                if kinds[-1] == "response.steer.failed":
                    reactor.callFromThread(self.simulator.skip_delays)
            assert kinds.count("response.steer.accepted") == 1
            assert kinds.count("response.steer.failed") == 1
            second = finish(socket)["response"]
            assert second["previous_response_id"] == first
            assert second["output"][0]["content"][0]["text"] == "MORE"
            steer(socket, second["id"], "late")
            failed = json.loads(socket.recv(timeout=20))
            assert failed["error"]["code"] == "response_not_found"
            assert failed["steer"]["input"] == "late"

        return self.with_socket(work)

    def test_steering_waits_for_outputs_of_tools(self) -> Deferred[None]:
        def work(socket: Any) -> None:
            tools = [{"type": "function", "name": "f", "parameters": {}, "strict": False}]
            create(socket, input=f"{SLOW} [[tool f {{}}]]", tools=tools, stream_id="a")
            first = json.loads(socket.recv(timeout=20))["response"]["id"]
            steer(socket, first, [{"role": "user", "content": "[[say MORE]]"}])
            while json.loads(socket.recv(timeout=20))["type"] != "response.steer.accepted":
                pass
            reactor.callFromThread(self.simulator.skip_delays)
            (call,) = [
                item
                for item in finish(socket)["response"]["output"]
                if item["type"] == "function_call"
            ]
            pending = json.loads(socket.recv(timeout=20))
            assert pending["type"] == "response.steer.pending"
            assert pending["stream_id"] == "a"
            (stub,) = pending["required_input"]
            assert stub["call_id"] == call["call_id"]
            create(
                socket,
                input=[{**stub, "output": "1"}],
                tools=tools,
                previous_response_id=first,
                stream_id="a",
            )
            assert finish(socket)["type"] == "response.completed"

        return self.with_socket(work)
