"""Mapping, capabilities and selection."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from antigravity.interfaces.upstreams import Credential
from antigravity.ir.capabilities import Model
from antigravity.ir.errors import UpstreamError
from antigravity.routing.capability_table import load_table, parse_rules, shipped_rules
from antigravity.routing.catalog import RETRY_AFTER, ModelCatalog
from antigravity.routing.fallbacks import fallbacks_for
from antigravity.routing.mapping import ModelMapping, shipped_aliases
from antigravity.routing.patterns import matches, matches_any
from antigravity.routing.selection import Fit, UpstreamFacts, select


def test_mapping_prefers_exact_names_then_longer_patterns() -> None:
    mapping = ModelMapping({"*": "z", "gpt-*": "a", "gpt-5*": "b", "gpt-5.1": "c"})
    resolved = [mapping.resolve(name)[0] for name in ("gpt-5.1", "gpt-5", "gpt-4", "o1")]
    assert resolved == ["c", "b", "a", "z"]


def test_mapping_step_names_the_rule() -> None:
    model, steps = ModelMapping({"gpt-*": "gemini-2.5-pro"}).resolve("gpt-4")
    assert model == "gemini-2.5-pro"
    assert [(hop.rule, hop.source, hop.target) for hop in steps] == [
        ("custom_mapping: gpt-*", "gpt-4", "gemini-2.5-pro")
    ]


def test_aliases_are_disabled_by_default() -> None:
    assert ModelMapping({}).resolve("gpt-4o") == ("gpt-4o", ())
    assert ModelMapping({}, builtin=True).resolve("gpt-4o")[0] == shipped_aliases()["gpt-4o*"]
    assert ModelMapping({"gpt-4o": "mine"}, builtin=True).resolve("gpt-4o")[0] == "mine"


def test_fallbacks_are_matched_like_mappings() -> None:
    table = {"claude-*": ["a"], "claude-opus-*": ["b", "c"], "mine": ["d"]}
    assert fallbacks_for(table, "claude-opus-4-6") == ["b", "c"]
    assert fallbacks_for(table, "claude-haiku-4-5") == ["a"]
    assert fallbacks_for(table, "mine", "claude-opus-4-6") == ["d"]
    assert fallbacks_for(table, "yours", "claude-opus-4-6") == ["b", "c"]
    assert fallbacks_for(table, "gpt-5") == ()


@given(
    st.lists(st.text("aB.*|", max_size=5), min_size=1, max_size=4), st.text("Ab.|-\n", max_size=6)
)
def test_several_patterns_match_what_one_of_them_matches(patterns: list[str], name: str) -> None:
    assert matches_any(patterns, name) == any(matches(pattern, name) for pattern in patterns)


def test_patterns_are_not_regular_expressions() -> None:
    assert matches("a.b*", "A.Bc")
    assert not matches("a.b*", "aXbc")


def test_every_shipped_rule_is_used_for_some_model() -> None:
    for rule in shipped_rules():
        for pattern in rule.match:
            assert matches(pattern, pattern.replace("*", "-x-"))


@pytest.mark.parametrize(
    ("model", "family", "thinking"),
    [
        ("gpt-4o", "openai", "none"),
        ("gpt-5.1", "openai", "level"),
        ("claude-3-5-sonnet-20241022", "claude", "none"),
        ("claude-haiku-4-5", "claude", "budget"),
        ("claude-sonnet-5", "claude", "adaptive"),
        ("gemini-2.5-pro", "gemini", "budget"),
        ("gemini-3-pro-preview", "gemini", "level"),
        ("models-nobody-knows", "other", "none"),
    ],
)
def test_known_models_have_family_and_thinking(model: str, family: str, thinking: str) -> None:
    capabilities = load_table(()).capabilities(model)
    assert (capabilities.family, capabilities.thinking) == (family, thinking)


def test_operator_rules_override_shipped_rules(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[model]]\nmatch = ["gpt-4o"]\nmax_output_tokens = 7\n')
    capabilities = load_table([file]).capabilities("gpt-4o")
    assert (capabilities.max_output_tokens, capabilities.family) == (7, "openai")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[[model]]\nmatch = []", "match"),
        ('[[model]]\nmatch = ["x"]\nthinks = 1', "thinks"),
        ('[[model]]\nmatch = ["x"]\nfamily = "cat"', "rule 1"),
        ("[[model", "f.toml"),
    ],
)
def test_invalid_rules_are_reported(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_rules(text, "f.toml")


def chosen(upstreams: list[UpstreamFacts], model: str, family: str) -> list[str]:
    return [j.upstream for j in select(upstreams, model, family) if j.chosen]


def test_select_chooses_listing_upstreams_and_prefers_client_protocol() -> None:
    upstreams = [
        UpstreamFacts("a", models=frozenset({"m"})),
        UpstreamFacts("b", models=frozenset({"m"}), native=True),
        UpstreamFacts("c", models=frozenset({"other"})),
        UpstreamFacts("d", models=None),
    ]
    assert chosen(upstreams, "m", "openai") == ["b", "a"]


def test_patterns_exclude_other_models() -> None:
    upstreams = [UpstreamFacts("a", ("gpt-*",), frozenset({"claude-x"}), frozenset({"openai"}))]
    assert chosen(upstreams, "gpt-5", "openai") == ["a"]
    assert chosen(upstreams, "claude-x", "claude") == []


def test_family_decides_if_no_upstream_lists_the_model() -> None:
    upstreams = [
        UpstreamFacts("silent"),
        UpstreamFacts(
            "google", models=frozenset({"gemini-2.5-pro"}), families=frozenset({"gemini"})
        ),
    ]
    assert chosen(upstreams, "gemini-9", "gemini") == ["google"]
    assert chosen(upstreams, "llama", "other") == ["silent"]
    assert select(upstreams, "llama", "other")[1].fit is Fit.NONE


def ranks(
    upstreams: list[UpstreamFacts], model: str = "m", family: str = "openai"
) -> dict[str, Any]:
    return {each.upstream: each.rank for each in select(upstreams, model, family) if each.chosen}


HAS = frozenset({"m"})


def test_lower_priority_number_precedes_better_fit() -> None:
    upstreams = [
        UpstreamFacts("named", ("m",), native=True),
        UpstreamFacts("listed", models=HAS, priority=-1),
        UpstreamFacts("late", ("m",), native=True, priority=7),
    ]
    assert ranks(upstreams) == {"listed": 0, "named": 1, "late": 2}


def test_upstreams_share_a_rank_if_one_shares_its_priority() -> None:
    upstreams = [
        UpstreamFacts("a", models=HAS, native=True),
        UpstreamFacts("b", models=HAS),
        UpstreamFacts("c", models=HAS, priority=1),
        UpstreamFacts("d", models=HAS, priority=1, shares_priority=True),
    ]
    assert ranks(upstreams) == {"a": 0, "b": 1, "c": 2, "d": 2}


def test_fit_by_family_counts_at_an_earlier_priority() -> None:
    guess = {"models": frozenset({"x"}), "families": frozenset({"openai"})}
    sure = UpstreamFacts("sure", models=HAS)
    assert ranks([UpstreamFacts("guess", **guess, priority=-1), sure]) == {"guess": 0, "sure": 1}
    assert ranks([UpstreamFacts("guess", **guess), sure]) == {"sure": 0}
    assert ranks([UpstreamFacts("guess", **guess, priority=1), sure]) == {"sure": 0}
    assert ranks([UpstreamFacts("silent", priority=-1), sure]) == {"sure": 0}


def test_replacement_does_not_exclude_other_upstreams() -> None:
    stand_in = UpstreamFacts(
        "z", replaced=("m*",), families=frozenset({"glm"}), restricted=True, priority=1
    )
    family = UpstreamFacts("family", families=frozenset({"openai"}))
    assert ranks([stand_in, family]) == {"family": 0, "z": 1}
    assert ranks([stand_in, UpstreamFacts("listed", models=HAS)]) == {"listed": 0, "z": 1}
    assert ranks([stand_in, UpstreamFacts("silent")]) == {"z": 0}


def test_restricted_upstream_serves_its_families_only() -> None:
    upstream = UpstreamFacts(
        "z", models=frozenset({"m", "glm-1"}), families=frozenset({"glm"}), restricted=True
    )
    assert ranks([upstream]) == {}
    assert ranks([upstream], "glm-1", "glm") == {"z": 0}
    assert ranks([upstream], "glm-2", "glm") == {"z": 0}
    assert select([upstream], "m", "openai")[0].text == "it serves glm models only"


@given(
    st.lists(
        st.builds(
            UpstreamFacts,
            st.uuids().map(str),
            patterns=st.sampled_from([(), (), ("m",), ("x",)]),
            models=st.sampled_from([None, HAS, frozenset({"x"})]),
            families=st.sampled_from([frozenset(), frozenset({"openai"})]),
            replaced=st.sampled_from([(), (), ("*",)]),
            native=st.booleans(),
            priority=st.integers(-1, 1),
            shares_priority=st.booleans(),
        ),
        max_size=6,
    )
)
def test_select_keeps_order_and_ranks(upstreams: list[UpstreamFacts]) -> None:
    reasons = select(upstreams, "m", "openai")
    assert sorted(each.upstream for each in reasons) == sorted(each.name for each in upstreams)
    by_name = {upstream.name: upstream for upstream in upstreams}
    found = [each for each in reasons if each.chosen]
    assert reasons[: len(found)] == tuple(found)
    assert bool(found) == any(each.fit is not Fit.NONE for each in reasons)
    assert all(each.fit is not Fit.NONE for each in found)
    priorities = [by_name[each.upstream].priority for each in found]
    assert priorities == sorted(priorities)
    for one, next_one in itertools.pairwise(found):
        priority = by_name[one.upstream].priority
        together = priority == by_name[next_one.upstream].priority and any(
            by_name[each.upstream].shares_priority
            for each in found
            if by_name[each.upstream].priority == priority
        )
        assert (next_one.rank == one.rank) is together
        assert next_one.rank == one.rank or next_one.rank == (one.rank or 0) + 1
    assert all(each.chosen for each in reasons if each.fit <= Fit.LISTED)


class ListingUpstream:
    """An upstream with a model list."""

    name = "u"

    def __init__(self) -> None:
        self.questions: list[Deferred[list[Model]]] = []

    def models(self, credential: Credential) -> Deferred[list[Model]]:
        self.questions.append(Deferred())
        return self.questions[-1]


class Credentials:
    """One credential for everybody."""

    def next_credential(self, upstream: str, exclude: object) -> Credential:
        return Credential("c", upstream, "secret")


class CatalogTests(SynchronousTestCase):
    """The catalog asks seldom and remembers."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.upstream = ListingUpstream()
        self.catalog = ModelCatalog(self.clock, Credentials(), 300.0)  # type: ignore[arg-type]

    def ask(self) -> Deferred[object]:
        return self.catalog.models(self.upstream)  # type: ignore[arg-type, return-value]

    def test_parallel_requests_share_one_fetch(self) -> None:
        waiting = [self.ask() for _ in range(26)]
        self.assertEqual(len(self.upstream.questions), 1)
        waiting[0].cancel()
        self.failureResultOf(waiting[0])
        self.upstream.questions[0].callback([Model("m")])
        self.assertEqual([self.successResultOf(w) for w in waiting[1:]], [[Model("m")]] * 25)
        self.assertEqual(self.successResultOf(self.ask()), [Model("m")])
        self.assertEqual(len(self.upstream.questions), 1)

    def test_failed_fetch_keeps_the_list_and_is_retried(self) -> None:
        self.ask()
        self.upstream.questions[0].callback([Model("m")])
        self.clock.advance(301)
        second = self.ask()
        self.upstream.questions[1].errback(UpstreamError("down"))
        self.assertEqual(self.successResultOf(second), [Model("m")])
        self.clock.advance(RETRY_AFTER + 1)
        self.ask()
        self.assertEqual(len(self.upstream.questions), 3)

    def test_upstream_without_a_list_is_unknown(self) -> None:
        first = self.ask()
        self.upstream.questions[0].errback(UpstreamError("down"))
        self.assertIsNone(self.successResultOf(first))
