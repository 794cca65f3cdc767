"""Whatever is compressed: pairs stay pairs, the order stays, the last words stay."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from antigravity.context.compression import CompressionRules, Limits, decide, with_fork
from antigravity.context.estimate import estimate_tokens
from antigravity.context.history import clean_cuts, digest, head_length, last_user, rounds
from antigravity.context.layers import NO_COMPRESSION, CompressionPlan, apply
from antigravity.ir.parts import CacheControl, Part, Text, Thinking, ToolCall, ToolResult
from antigravity.ir.request import Message, Request
from antigravity.ir.signature import Signature
from antigravity.lowering.pairing import pair_tools
from tests.context.histories import answers, histories, prose, round_of, says


def request_of(messages: Sequence[Message]) -> Request:
    return Request("m", tuple(messages), "test", system=(Text("Be good."),))


def measure(messages: Sequence[Message]) -> int:
    return estimate_tokens(request_of(messages))


def terms(fit: int, **more: int) -> CompressionRules:
    return CompressionRules(Limits(fit, fit, fit, fit), **more)  # type: ignore[arg-type]


def traces(messages: Sequence[Message]) -> list[object]:
    """Return what can be recognised of each part, in order."""
    found: list[object] = []
    for message in messages:
        for part in message.parts:
            match part:
                case ToolCall():
                    found.append(part)
                case ToolResult():
                    found.append(("result", part.call_id))
                case Text():
                    found.append(part.text)
    return found


def is_within(short: list[object], whole: list[object]) -> bool:
    """Return whether one sequence is left of the other when some of it is taken out."""
    rest = iter(whole)
    return all(any(each == other for other in rest) for each in short)


def compressed(
    messages: tuple[Message, ...], fit: int, rounds_kept: int = 5
) -> tuple[CompressionPlan, tuple[Message, ...]]:
    """Return the plan for a limit, and the history after it."""
    decision = decide(messages, NO_COMPRESSION, terms(fit, keep_rounds=rounds_kept), measure)
    plan = decision.plan
    if decision.fork:
        plan = with_fork(plan, decision.fork, "they talked")
    return plan, apply(messages, plan, keep_signatures=False).messages


@settings(max_examples=50)
@given(histories(), st.integers(50, 40_000), st.integers(0, 6))
def test_invariants_of_compression(messages: tuple[Message, ...], fit: int, kept: int) -> None:
    plan, after = compressed(messages, fit, kept)
    before = request_of(messages)
    if not pair_tools(before)[1]:
        assert pair_tools(request_of(after))[1] == (), "no orphan of either kind"
    head, end = head_length(messages), last_user(messages)
    assert after[:head] == messages[:head]
    assert after[len(after) - (len(messages) - end) :] == messages[end:]
    assert after[0].role == "user"
    added = len(after[head].parts) if plan.fork else 0
    assert is_within(traces([*after[:head], *after[head + bool(added) :]]), traces(messages))
    if plan == NO_COMPRESSION:
        assert after == messages
    else:
        assert measure(after) < measure(messages)


@given(histories(), st.integers(50, 40_000))
def test_fitting_history_is_unchanged(messages: tuple[Message, ...], spare: int) -> None:
    decision = decide(messages, NO_COMPRESSION, terms(measure(messages) + spare), measure)
    assert decision.plan == NO_COMPRESSION
    assert decision.fork == 0
    applied = apply(messages, decision.plan, keep_signatures=False)
    assert (applied.messages, applied.layers) == (messages, ())


@settings(max_examples=50)
@given(histories(), st.integers(50, 40_000), st.booleans())
def test_repeated_decision_changes_nothing(
    messages: tuple[Message, ...], fit: int, signed: bool
) -> None:
    plan, after = compressed(messages, fit)
    assert compressed(messages, fit) == (plan, after)
    if not plan.fork:
        applied = apply(messages, plan, keep_signatures=signed)
        if len(applied.messages) == len(messages):
            again = apply(applied.messages, plan, keep_signatures=signed)
            assert (again.messages, again.layers) == (applied.messages, ())


@settings(max_examples=50)
@given(histories(), histories(), st.integers(50, 40_000))
def test_longer_history_keeps_the_compressed_prefix(
    messages: tuple[Message, ...], more: tuple[Message, ...], fit: int
) -> None:
    plan, after = compressed(messages, fit)
    longer = (*messages, answers(Text("I see.")), *more)
    assert apply(longer, plan, keep_signatures=False).messages[: len(after)] == after


@given(histories())
def test_cut_does_not_separate_call_and_result(messages: tuple[Message, ...]) -> None:
    for place in clean_cuts(messages):
        assert head_length(messages) <= place <= last_user(messages)
        called = [p.id for m in messages[place:] for p in m.parts if isinstance(p, ToolCall)]
        answered = [
            p.call_id for m in messages[place:] for p in m.parts if isinstance(p, ToolResult)
        ]
        assert set(called) == set(answered)


def session(count: int, size: int, thinking: int = 0) -> tuple[Message, ...]:
    messages = [says("Mend it.")]
    for number in range(count):
        messages += round_of(number, size, thinking=thinking)
    return tuple(messages)


def test_last_rounds_stay_and_older_results_become_notes() -> None:
    messages = session(20, 4_000)
    plan, after = compressed(messages, 15_000)
    assert plan == CompressionPlan(rounds=rounds(messages)[-5])
    texts = [str(p.parts) for m in after for p in m.parts if isinstance(p, ToolResult)]
    assert ["left out to save room" in text for text in texts] == [True] * 15 + [False] * 5
    assert [p for m in after for p in m.parts if isinstance(p, ToolCall)] == [
        p for m in messages for p in m.parts if isinstance(p, ToolCall)
    ]


def test_thinking_of_last_four_messages_stays() -> None:
    messages = session(10, 10, thinking=6_000)
    plan, after = compressed(messages, 12_000)
    assert plan == CompressionPlan(thinking=len(messages) - 4)
    thinking = [any(isinstance(p, Thinking) for p in m.parts) for m in after]
    assert [i for i, thinks in enumerate(thinking) if thinks] == [17, 19]


def test_required_signatures_stay() -> None:
    def left(part: Part) -> tuple[Part, ...]:
        messages = (says("a"), answers(part, Text("b")), says("c"))
        applied = apply(messages, CompressionPlan(thinking=2), keep_signatures=True)
        return applied.messages[1].parts[:-1]

    gemini, claude = Signature("g", "gemini"), Signature("c", "claude")
    assert left(Thinking("long", gemini)) == (Thinking("", gemini),)
    assert left(Thinking("", gemini)) == (Thinking("", gemini),)
    assert left(Thinking("long", claude)) == (Thinking("long", claude),)
    assert left(Thinking("long")) == ()


def test_thinking_of_a_split_response_stays_together() -> None:
    thought = answers(Thinking("hm " * 400, Signature("s", "claude")))
    calls = [answers(ToolCall(f"c{n}", "Read")) for n in range(4)]
    results = Message("user", tuple(ToolResult(f"c{n}", (Text("x"),)) for n in range(4)))
    messages = (says("a"), *session(3, 10, 6_000)[1:], thought, *calls, results)
    plan, after = compressed(messages, 2_000)
    assert plan.thinking == 7
    assert thought in after


def test_fork_is_at_the_first_sufficient_cut() -> None:
    messages = [says("Build it.")]
    for number in range(40):
        messages += [answers(Text(prose(2_000))), says(f"Next, {number}.")]
    decision = decide(messages, NO_COMPRESSION, terms(20_000), measure)
    assert decision.fork in clean_cuts(messages)
    plan = with_fork(decision.plan, decision.fork, "They built 20.")
    after = apply(messages, plan, keep_signatures=False)
    assert after.layers == ("l3",)
    assert 0.2 * 20_000 < measure(after.messages) <= 0.5 * 20_000
    assert "They built 20." in str(after.messages[1])
    trimmed = apply(messages, with_fork(plan, plan.fork, ""), keep_signatures=False)
    assert trimmed.layers == ("trim",)
    assert "left out" in str(trimmed.messages[1])


def test_history_that_cannot_fit_is_not_forked() -> None:
    messages = (*session(10, 500), answers(Text("Done.")), says(prose(90_000)))
    decision = decide(messages, NO_COMPRESSION, terms(10_000), measure)
    assert decision.fork == 0
    assert terms(10_000).limits.cannot_fit(decision.tokens)


def test_each_layer_applies_at_its_own_limit() -> None:
    messages = session(20, 4_000, thinking=2_000)
    size = measure(messages)
    early = CompressionRules(Limits(size * 4, size // 2, size * 2, size * 3))
    decision = decide(messages, NO_COMPRESSION, early, measure)
    assert (decision.plan.rounds > 0, decision.plan.thinking, decision.fork) == (True, 0, 0)
    late = CompressionRules(Limits(size * 4, size * 2, size // 2, size * 3))
    decision = decide(messages, NO_COMPRESSION, late, measure)
    assert (decision.plan.rounds, decision.plan.thinking > 0, decision.fork) == (0, True, 0)


def test_small_gain_does_not_change_history() -> None:
    messages = (says(prose(30_000)), *session(8, 1_000)[1:])
    size = measure(messages)
    early = CompressionRules(Limits(size * 2, size - 100, size * 2, size * 2))
    assert decide(messages, NO_COMPRESSION, early, measure).plan == NO_COMPRESSION


def test_cache_breakpoints_do_not_change_a_digest() -> None:
    messages = session(3, 100)

    def marked(message: Message) -> Message:
        parts = []
        for part in message.parts:
            if isinstance(part, ToolResult):
                inner = tuple(Text(p.text, cache=CacheControl("1h")) for p in part.parts)  # type: ignore[union-attr]
                part = ToolResult(part.call_id, inner, cache=CacheControl())
            parts.append(part)
        return Message(message.role, tuple(parts))

    assert digest(map(marked, messages)) == digest(messages)
    assert digest(messages[:-1]) != digest(messages)
