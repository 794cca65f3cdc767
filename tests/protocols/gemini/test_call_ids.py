"""Ids of calls in histories that omit them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from antigravity.protocols.gemini.call_ids import CallIds


class _SimpleCallIds:
    """The same by a search through all open calls, which takes long for long histories."""

    def __init__(self, given: list[str]) -> None:
        self._made = CallIds(given)._make
        self._turns: list[list[tuple[str, str]]] = [[]]

    def begin_turn(self) -> None:
        self._turns.append([])

    def add_call(self, name: str, given: str) -> str:
        identity = given or self._made(name)
        self._turns[-1].append((name, identity))
        return identity

    def match_response(self, name: str, given: str) -> str:
        for place, wanted in ((1, given), (0, name)):
            for turn in reversed(self._turns):
                for call in turn:
                    if call[place] == wanted and (place == 0 or given):
                        turn.remove(call)
                        return call[1]
        return given or self._made(name)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("turn", "call", "call", "response", "response")),
        st.sampled_from(("f", "g")),
        st.sampled_from(("", "", "a", "b", "call_f_1")),
    ),
    max_size=30,
)


@given(_STEPS)
def test_responses_match_calls_of_the_latest_turn_first(steps: list[tuple[str, str, str]]) -> None:
    given_ids = [identity for step, _, identity in steps if step == "call" and identity]
    ids, simple = CallIds(given_ids), _SimpleCallIds(given_ids)
    for step, name, identity in steps:
        if step == "turn":
            ids.begin_turn()
            simple.begin_turn()
        elif step == "call":
            assert ids.add_call(name, identity) == simple.add_call(name, identity)
        else:
            assert ids.match_response(name, identity) == simple.match_response(name, identity)


def test_long_histories_take_time_in_proportion() -> None:
    """With a search through all calls this would take minutes."""
    ids = CallIds(())
    for _ in range(20_000):
        ids.begin_turn()
        ids.add_call("f", "")
    assert [ids.match_response("g", "unknown") for _ in range(20_000)] == ["unknown"] * 20_000
    assert ids.match_response("f", "") == "call_f_20000"
