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
from antigravity.routing.patterns import matches
from antigravity.routing.selection import Fit, UpstreamFacts, select


def test_exact_beats_pattern_and_long_beats_short() -> None:
    mapping = ModelMapping({"*": "z", "gpt-*": "a", "gpt-5*": "b", "gpt-5.1": "c"})
    resolved = [mapping.resolve(name)[0] for name in ("gpt-5.1", "gpt-5", "gpt-4", "o1")]
    assert resolved == ["c", "b", "a", "z"]


def test_hops_name_the_rule() -> None:
    model, steps = ModelMapping({"gpt-*": "gemini-2.5-pro"}).resolve("gpt-4")
    assert model == "gemini-2.5-pro"
    assert [(hop.rule, hop.source, hop.target) for hop in steps] == [
        ("custom_mapping: gpt-*", "gpt-4", "gemini-2.5-pro")
    ]


def test_aliases_are_off_unless_asked_for() -> None:
    assert ModelMapping({}).resolve("gpt-4o") == ("gpt-4o", ())
    assert ModelMapping({}, builtin=True).resolve("gpt-4o")[0] == shipped_aliases()["gpt-4o*"]
    assert ModelMapping({"gpt-4o": "mine"}, builtin=True).resolve("gpt-4o")[0] == "mine"


def test_models_that_stand_in_are_found_as_mappings_are() -> None:
    table = {"claude-*": ["a"], "claude-opus-*": ["b", "c"], "mine": ["d"]}
    assert fallbacks_for(table, "claude-opus-4-6") == ["b", "c"]
    assert fallbacks_for(table, "claude-haiku-4-5") == ["a"]
    assert fallbacks_for(table, "mine", "claude-opus-4-6") == ["d"]
    assert fallbacks_for(table, "yours", "claude-opus-4-6") == ["b", "c"]
    assert fallbacks_for(table, "gpt-5") == ()


def test_patterns_are_no_regular_expressions() -> None:
    assert matches("a.b*", "A.Bc")
    assert not matches("a.b*", "aXbc")


def test_every_shipped_rule_is_used_for_some_model() -> None:
    for rule in shipped_rules():
        for pattern in rule.match:
            assert matches(pattern, pattern.replace("*", "-x-")) or "*" in pattern


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
def test_known_models(model: str, family: str, thinking: str) -> None:
    capabilities = load_table(()).capabilities(model)
    assert (capabilities.family, capabilities.thinking) == (family, thinking)


def test_own_rules_win(tmp_path: Path) -> None:
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
def test_bad_rules_are_named(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        parse_rules(text, "f.toml")


def chosen(offers: list[UpstreamFacts], model: str, family: str) -> list[str]:
    return [j.upstream for j in select(offers, model, family) if j.chosen]


def test_who_lists_the_model_is_chosen_and_the_clients_protocol_preferred() -> None:
    offers = [
        UpstreamFacts("a", models=frozenset({"m"})),
        UpstreamFacts("b", models=frozenset({"m"}), speaks=True),
        UpstreamFacts("c", models=frozenset({"other"})),
        UpstreamFacts("d", models=None),
    ]
    assert chosen(offers, "m", "openai") == ["b", "a"]


def test_patterns_close_an_upstream_to_other_models() -> None:
    offers = [UpstreamFacts("a", ("gpt-*",), frozenset({"claude-x"}), frozenset({"openai"}))]
    assert chosen(offers, "gpt-5", "openai") == ["a"]
    assert chosen(offers, "claude-x", "claude") == []


def test_family_decides_where_lists_do_not() -> None:
    offers = [
        UpstreamFacts("silent"),
        UpstreamFacts(
            "google", models=frozenset({"gemini-2.5-pro"}), families=frozenset({"gemini"})
        ),
    ]
    assert chosen(offers, "gemini-9", "gemini") == ["google"]
    assert chosen(offers, "llama", "other") == ["silent"]
    assert select(offers, "llama", "other")[1].fit is Fit.NONE


def places(offers: list[UpstreamFacts], model: str = "m", family: str = "openai") -> dict[str, Any]:
    return {j.upstream: j.place for j in select(offers, model, family) if j.chosen}


HAS = frozenset({"m"})


def test_a_lower_rank_beats_protocol_and_kind_of_fit() -> None:
    offers = [
        UpstreamFacts("named", ("m",), speaks=True),
        UpstreamFacts("listed", models=HAS, rank=-1),
        UpstreamFacts("late", ("m",), speaks=True, rank=7),
    ]
    assert places(offers) == {"listed": 0, "named": 1, "late": 2}


def test_those_of_one_rank_share_if_one_of_them_does() -> None:
    offers = [
        UpstreamFacts("a", models=HAS, speaks=True),
        UpstreamFacts("b", models=HAS),
        UpstreamFacts("c", models=HAS, rank=1),
        UpstreamFacts("d", models=HAS, rank=1, shares=True),
    ]
    assert places(offers) == {"a": 0, "b": 1, "c": 2, "d": 2}


def test_a_lesser_fit_counts_where_it_ranks_before_the_sure_ones() -> None:
    guess = {"models": frozenset({"x"}), "families": frozenset({"openai"})}
    sure = UpstreamFacts("sure", models=HAS)
    assert places([UpstreamFacts("guess", **guess, rank=-1), sure]) == {"guess": 0, "sure": 1}
    assert places([UpstreamFacts("guess", **guess), sure]) == {"sure": 0}
    assert places([UpstreamFacts("guess", **guess, rank=1), sure]) == {"sure": 0}
    assert places([UpstreamFacts("silent", rank=-1), sure]) == {"sure": 0}


def test_who_stands_in_shuts_nobody_out_that_may_have_the_model() -> None:
    stand_in = UpstreamFacts(
        "z", stand_ins=("m*",), families=frozenset({"glm"}), closed=True, rank=1
    )
    family = UpstreamFacts("family", families=frozenset({"openai"}))
    assert places([stand_in, family]) == {"family": 0, "z": 1}
    assert places([stand_in, UpstreamFacts("listed", models=HAS)]) == {"listed": 0, "z": 1}
    assert places([stand_in, UpstreamFacts("silent")]) == {"z": 0}


def test_a_closed_upstream_serves_its_families_only() -> None:
    offer = UpstreamFacts(
        "z", models=frozenset({"m", "glm-1"}), families=frozenset({"glm"}), closed=True
    )
    assert places([offer]) == {}
    assert places([offer], "glm-1", "glm") == {"z": 0}
    assert places([offer], "glm-2", "glm") == {"z": 0}
    assert select([offer], "m", "openai")[0].reason == "it serves glm models only"


@given(
    st.lists(
        st.builds(
            UpstreamFacts,
            st.uuids().map(str),
            patterns=st.sampled_from([(), (), ("m",), ("x",)]),
            models=st.sampled_from([None, HAS, frozenset({"x"})]),
            families=st.sampled_from([frozenset(), frozenset({"openai"})]),
            stand_ins=st.sampled_from([(), (), ("*",)]),
            speaks=st.booleans(),
            rank=st.integers(-1, 1),
            shares=st.booleans(),
        ),
        max_size=6,
    )
)
def test_whatever_is_offered(offers: list[UpstreamFacts]) -> None:
    judged = select(offers, "m", "openai")
    assert sorted(j.upstream for j in judged) == sorted(o.name for o in offers)
    by_name = {offer.name: offer for offer in offers}
    taken = [j for j in judged if j.chosen]
    assert judged[: len(taken)] == tuple(taken)
    assert bool(taken) == any(j.fit is not Fit.NONE for j in judged)
    assert all(j.fit is not Fit.NONE for j in taken)
    ranks = [by_name[j.upstream].rank for j in taken]
    assert ranks == sorted(ranks)
    for one, next_one in itertools.pairwise(taken):
        rank = by_name[one.upstream].rank
        together = rank == by_name[next_one.upstream].rank and any(
            by_name[j.upstream].shares for j in taken if by_name[j.upstream].rank == rank
        )
        assert (next_one.place == one.place) is together
        assert next_one.place == one.place or next_one.place == (one.place or 0) + 1
    sure = [j for j in judged if j.fit <= Fit.LISTED]
    assert all(j.chosen for j in sure)


class Asked:
    """An upstream that is asked for its models."""

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
        self.upstream = Asked()
        self.catalog = ModelCatalog(self.clock, Credentials(), 300.0)  # type: ignore[arg-type]

    def ask(self) -> Deferred[object]:
        return self.catalog.models(self.upstream)  # type: ignore[arg-type, return-value]

    def test_one_question_serves_all_who_wait(self) -> None:
        waiting = [self.ask() for _ in range(26)]
        self.assertEqual(len(self.upstream.questions), 1)
        waiting[0].cancel()
        self.failureResultOf(waiting[0])
        self.upstream.questions[0].callback([Model("m")])
        self.assertEqual([self.successResultOf(w) for w in waiting[1:]], [[Model("m")]] * 25)
        self.assertEqual(self.successResultOf(self.ask()), [Model("m")])
        self.assertEqual(len(self.upstream.questions), 1)

    def test_a_list_survives_a_failure_and_the_question_is_put_again(self) -> None:
        self.ask()
        self.upstream.questions[0].callback([Model("m")])
        self.clock.advance(301)
        second = self.ask()
        self.upstream.questions[1].errback(UpstreamError("down"))
        self.assertEqual(self.successResultOf(second), [Model("m")])
        self.clock.advance(RETRY_AFTER + 1)
        self.ask()
        self.assertEqual(len(self.upstream.questions), 3)

    def test_who_never_answered_is_unknown(self) -> None:
        first = self.ask()
        self.upstream.questions[0].errback(UpstreamError("down"))
        self.assertIsNone(self.successResultOf(first))
