"""A request means the same behind the gateway as before it, or a loss says what does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from antigravity.ir.capabilities import Loss
from antigravity.ir.events import TextDelta, ToolCallDelta, ToolCallEnd, ToolCallStart
from antigravity.ir.request import Request, ThinkingConfig
from antigravity.lowering.pipeline import EventPipeline, lower
from tests.pairs.client_requests import (
    FORM,
    PNG,
    WRITERS,
    Called,
    ClientRequest,
    Shown,
    Turn,
    UserText,
    asks,
)
from tests.support.protocols import (
    CLIENTS,
    SERVERS,
    TARGETS,
    conversation,
    decode,
    lost,
    target,
    tools,
)

EVERY = [(source, *goal) for source in SERVERS for goal in TARGETS]
CHATTING = [each for each in EVERY if each[0] != "openai_completions"]
ANSWER_TOOL = "structured_response"


class RoundTrip:
    """One request on its way to an upstream, and what arrives there."""

    def __init__(self, source: str, goal: str, model: str, ask: ClientRequest) -> None:
        client = CLIENTS[goal]
        self.goal = target(model)
        self.sent: Request = decode(source, WRITERS[source](ask))
        lowered = lower(replace(self.sent, model=model), client.traits, self.goal)
        encoded = client.encode(lowered.request, self.goal)
        self.body: dict[str, Any] = json.loads(encoded.body)
        self.pipeline: EventPipeline = lowered.pipeline
        self.losses: tuple[Loss, ...] = (*lowered.losses, *encoded.warnings)
        self.got: Request = decode(goal, encoded.body)
        self.names = self._names(goal)

    def _names(self, goal: str) -> dict[str, str]:
        """Return the names that tools go by on the wire, by their own names."""
        wire = [tool.name for tool in self.got.tools]  # type: ignore[union-attr]
        names: dict[str, str] = {}
        for name in wire:
            restored = self.restored(name)
            names[restored] = name
        return names

    def restored(self, name: str) -> str:
        """Return the name that the client gets for a call under a wire name."""
        events = [ToolCallStart(0, "c", name), ToolCallDelta(0, "{}"), ToolCallEnd(0)]
        for event in EventPipeline(
            [p for p in self.pipeline._passes if type(p).__name__ == "ToolRestorer"]
        ).feed(events):
            if isinstance(event, ToolCallStart):
                return event.name
        raise AssertionError("the call was lost")


def own_words(trip: RoundTrip, found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return a conversation with the client's own names of tools."""
    return [
        ("call", trip.restored(item[1]), item[2]) if item[0] == "call" else item for item in found
    ]


def flat(found: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Return a conversation with texts that follow each other as one, whatever is between them."""
    joined: list[tuple[Any, ...]] = []
    for item in found:
        if item[0] == "text":
            item = (*item[:2], item[2].replace("\n\n", ""))
            if joined and joined[-1][:2] == item[:2]:
                item = (*item[:2], joined.pop()[2] + item[2])
        joined.append(item)
    return joined


def results(found: list[tuple[Any, ...]]) -> list[tuple[Any, str]]:
    """Return the results of tools: whose they are, and how they begin."""
    return [(item[1], item[2][0]) for item in found if item[0] == "result"]


def check_conversation(trip: RoundTrip) -> None:
    sent = conversation(trip.sent)
    got = own_words(trip, conversation(trip.got))
    if sent == got or flat(sent) == flat(got):
        return
    # Pictures in results may have moved, with a loss that says so; nothing else may differ.
    assert lost(trip.losses, "messages")
    assert [item for item in sent if item[0] == "call"] == [
        item for item in got if item[0] == "call"
    ]
    for mine, theirs in zip(results(sent), results(got), strict=True):
        assert mine[0] == theirs[0]
        assert theirs[1].startswith(mine[1])
    for role in ("user", "assistant"):
        said = "".join(item[2] for item in flat(got) if item[:2] == ("text", role))
        place = 0
        for item in flat(sent):
            if item[:2] == ("text", role):
                place = said.index(item[2], place) + len(item[2])
    everything = json.dumps(trip.body)
    pictures = sum(PNG in str(item) for item in sent)
    assert everything.count(PNG) + everything.count("left out:") >= pictures


def check_limits(trip: RoundTrip) -> None:
    sent, got, losses = trip.sent, trip.got, trip.losses
    for name in ("temperature", "top_p", "top_k"):
        same = getattr(got.sampling, name) == getattr(sent.sampling, name)
        assert same or lost(losses, f"sampling.{name}", "sampling")
    assert got.max_output_tokens == sent.max_output_tokens or lost(losses, "max_output_tokens")
    if got.stop != sent.stop:
        assert got.stop == sent.stop[: len(got.stop)]
        assert stops(trip), "the gateway has to stop itself"


def stops(trip: RoundTrip) -> bool:
    """Return whether the passes end the answer at the last stop sequence."""
    before = f"before {trip.sent.stop[-1]} behind"
    only = EventPipeline([p for p in trip.pipeline._passes if type(p).__name__ == "StopSequences"])
    out = [e for e in only.feed([TextDelta(before)]) if isinstance(e, TextDelta)]
    return "".join(e.text for e in out) == "before " and only.done


def check_tools(trip: RoundTrip) -> None:
    sent, got = trip.sent, trip.got
    emulated = ANSWER_TOOL in trip.names
    schemas = {(trip.names.get(n, n), d, s) for n, d, s in tools(sent)}
    arrived = {tool for tool in tools(got) if tool[0] != ANSWER_TOOL}
    forbidden = sent.tool_choice is not None and sent.tool_choice.mode == "none"
    if arrived != schemas and not (emulated and forbidden):
        assert {t[0] for t in arrived} == {t[0] for t in schemas} or lost(trip.losses, "tools")
        assert lost(trip.losses, "tools")
    check_choice(trip, emulated=emulated)


def check_choice(trip: RoundTrip, *, emulated: bool) -> None:
    sent, got = trip.sent.tool_choice, trip.got.tool_choice
    if not trip.sent.tools:
        return
    if emulated:
        assert got is not None
        assert got.mode == "required"
        return
    wanted = "auto" if sent is None else sent.mode
    arrived = "auto" if got is None else got.mode
    assert wanted == arrived or lost(trip.losses, "tool_choice")
    names = () if sent is None else tuple(trip.names.get(n, n) for n in sent.names)
    assert names == (() if got is None else got.names) or lost(trip.losses, "tool_choice")


def check_parallel(trip: RoundTrip) -> None:
    if trip.sent.parallel_tool_calls is not False or not trip.sent.tools:
        return
    if trip.got.parallel_tool_calls is False or not trip.got.tools:
        return
    if trip.got.tool_choice is not None and trip.got.tool_choice.mode == "none":
        return
    starts = [ToolCallStart(0, "a", "f"), ToolCallEnd(0), ToolCallStart(1, "b", "f")]
    only = EventPipeline([p for p in trip.pipeline._passes if type(p).__name__ == "SingleToolCall"])
    assert len(only.feed(starts)) == 2, "the gateway has to drop the second call"


def check_thinking(trip: RoundTrip) -> None:
    sent, got = trip.sent.thinking, trip.got.thinking
    if amount(sent) is None:
        assert amount(got) is None
    else:
        assert amount(got) is not None or lost(trip.losses, "thinking")


def amount(thinking: ThinkingConfig) -> int | None:
    """Return about how much is to be thought: a rank."""
    if thinking.mode in ("off", "default") and thinking.effort in (None, "none"):
        return None
    if thinking.budget is not None:
        return 1 + sum(thinking.budget > most for most in (1024, 8192, 16384))
    return ("minimal", "low", "medium", "high", "xhigh", "max").index(thinking.effort or "medium")


def check_form(trip: RoundTrip) -> None:
    if trip.sent.response_format.kind != "schema":
        return
    assert trip.sent.response_format.schema == FORM
    got = trip.got.response_format
    if got.kind == "schema":
        assert got.schema == FORM or lost(trip.losses, "response_format")
    elif ANSWER_TOOL in trip.names:
        wire = {tool.name: tool.parameters for tool in trip.got.tools}  # type: ignore[union-attr]
        assert wire[ANSWER_TOOL] == FORM or lost(trip.losses, "tools")
    else:
        assert lost(trip.losses, "response_format")


def instructions(request: Request) -> str:
    """Return the system prompt, whether its parts are joined or not."""
    return "".join(text.text for text in request.system).replace("\n\n", "")


def check(trip: RoundTrip) -> None:
    check_conversation(trip)
    assert instructions(trip.got) == instructions(trip.sent)
    check_limits(trip)
    check_tools(trip)
    check_parallel(trip)
    check_thinking(trip)
    check_form(trip)
    assert trip.got.stream


@pytest.mark.parametrize(("source", "goal", "model"), EVERY)
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(ask=asks())
def test_generated_requests_are_translated(
    source: str, goal: str, model: str, ask: ClientRequest
) -> None:
    check(RoundTrip(source, goal, model, ask))


EQUAL = Called("get_weather", {"city": "Bern"}, "sun", picture=True)
LOOP = ClientRequest(
    turns=(
        Turn((UserText("Weather?"), Shown(), Shown("document"))),
        Turn((UserText("Twice."),), "Sure.", (EQUAL, EQUAL)),
    ),
    system="Be brief.",
    tools=("get_weather", "a.b"),
    choice="=a.b",
    parallel=False,
    stop=("END", "STOP", "HALT", "A", "B", "C"),
    effort="high",
    form=True,
)


@pytest.mark.parametrize(("source", "goal", "model"), EVERY)
def test_tool_loop_is_translated(source: str, goal: str, model: str) -> None:
    check(RoundTrip(source, goal, model, LOOP))


@pytest.mark.parametrize(("source", "goal", "model"), CHATTING)
def test_forced_tool_stays_forced_beside_response_schema(
    source: str, goal: str, model: str
) -> None:
    trip = RoundTrip(source, goal, model, LOOP)
    assert trip.got.tool_choice is not None
    assert trip.got.tool_choice.mode == "required"
    assert [trip.restored(name) for name in trip.got.tool_choice.names] == ["a.b"]


@pytest.mark.parametrize(("goal", "model"), TARGETS)
def test_choice_among_some_tools_is_translated_or_reported_lost(goal: str, model: str) -> None:
    body = WRITERS["openai_chat"](
        ClientRequest((Turn((UserText("Hi"),)),), tools=("one", "two", "three"))
    )
    named = [{"type": "function", "function": {"name": name}} for name in ("one", "two")]
    body["tool_choice"] = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": named},
    }
    client, goal_target = CLIENTS[goal], target(model)
    lowered = lower(decode("openai_chat", body), client.traits, goal_target)
    encoded = client.encode(lowered.request, goal_target)
    got = decode(goal, encoded.body).tool_choice
    kept = got is not None and got.names == ("one", "two") and got.mode == "auto"
    declared = {name for name, _, _ in tools(decode(goal, encoded.body))}
    left_out = declared == {"one", "two"} and lost(encoded.warnings, "tool_choice")
    assert kept or left_out


def test_choice_among_all_tools_loses_nothing() -> None:
    body = WRITERS["openai_chat"](ClientRequest((Turn((UserText("Hi"),)),), tools=("one", "two")))
    named = [{"type": "function", "function": {"name": name}} for name in ("one", "two")]
    body["tool_choice"] = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": named},
    }
    client, goal_target = CLIENTS["anthropic"], target("claude-opus-4-7")
    lowered = lower(decode("openai_chat", body), client.traits, goal_target)
    assert client.encode(lowered.request, goal_target).warnings == ()


@pytest.mark.parametrize(("source", "goal", "model"), CHATTING)
def test_higher_effort_never_lowers_thinking(source: str, goal: str, model: str) -> None:
    ranks = []
    for effort in (None, "low", "medium", "high"):
        ask = ClientRequest((Turn((UserText("Hi"),)),), effort=effort, max_tokens=30_000)  # type: ignore[arg-type]
        ranks.append(amount(RoundTrip(source, goal, model, ask).got.thinking) or 0)
    assert ranks == sorted(ranks)
