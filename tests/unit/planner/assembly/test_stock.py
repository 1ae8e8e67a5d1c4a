"""The short cuts over large registries against the long way: every capability scored with all its parts."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planner.assembly.index import RegistryIndex, index_of
from planner.assembly.request import read_request, refusal_of
from planner.assembly.scoring import Measured, Scorer, Wish, points, ranked, score
from planner.assembly.stock import Appraisal, Stock
from planner.contracts.capabilities import Capability, RegistrySnapshot
from tests.support.planning import capability, envelope, facet_contract, text_facets

CATALOGUE = text_facets(("a", "b", "c"))
NAMES = [f"n{i}" for i in range(8)]
SOME_NAMES = st.frozensets(st.sampled_from(NAMES), max_size=2)
TRAITS: list[dict[str, Any] | None] = [
    None,
    {"formats": ["linkedin_post"], "languages": ["nl"]},
    {"strengths": ["short_hooks"]},
]


@st.composite
def registries(draw: st.DrawFn) -> RegistrySnapshot:
    """Draw capabilities of few shapes and few prices, so that many are alike."""
    return RegistrySnapshot(
        tuple(
            capability(
                name,
                draw(st.sampled_from([[], ["a"]])),
                draw(st.sampled_from([["b"], ["b", "c"]])),
                input_traits=draw(st.sampled_from(TRAITS)),
                cost=draw(st.sampled_from([None, {"estimatedTokens": 1003}, {"estimatedTokens": 5000}])),
                builtin=draw(st.booleans()),
                status=draw(st.sampled_from(["active", "active", "inactive"])),
            )
            for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=8))
        )
    )


@st.composite
def wishes(draw: st.DrawFn) -> Wish:
    return Wish(
        facets=draw(st.frozensets(st.sampled_from("abc"))),
        channel=draw(st.sampled_from([None, "linkedin", "blog"])),
        language=draw(st.sampled_from([None, "nl-BE"])),
        words=draw(st.sampled_from([frozenset(), frozenset({"hook"})])),
        prefer=draw(SOME_NAMES),
        avoid=draw(SOME_NAMES),
        objective=draw(st.sampled_from([None, "speed", "quality", "diversity", "token_efficiency"])),
        minimum=draw(st.sampled_from([0.0, 0.5, 0.55])),
        measured=draw(st.dictionaries(st.sampled_from(NAMES), st.just(Measured(9, 5, 60.0)), max_size=2)),
    )


def stock_of(registry: RegistrySnapshot, **selection: Any) -> Stock:
    raw = {"objective": "Make it", "outputContract": facet_contract("b"), "policies": {"planner": selection}}
    return Stock(index_of(registry), read_request(envelope(raw, CATALOGUE), CATALOGUE))


@given(registries(), wishes())
def test_the_cheapest_of_a_shape_and_those_singled_out_hold_the_cheapest_of_all(
    registry: RegistrySnapshot, wish: Wish
) -> None:
    # Given
    stock = stock_of(registry)
    appraisal = Appraisal(stock, Scorer(wish), stock.index.codes.copy(), ())
    least = 0 if wish.objective == "token_efficiency" else wish.minimum
    for shape in stock.shapes:
        scores = {e.name: score(e.capability, wish) for e in shape.entries}
        prices = {e.name: points(e.capability, scores[e.name], wish) for e in shape.entries}
        good = [(prices[n], n) for n in scores if scores[n].total >= least]
        bad = [(prices[n], n) for n in scores if scores[n].total < least]
        # When
        found = appraisal.cheapest(shape)
        singles = {e.name for e in appraisal.singles(shape)}
        # Then
        offered = {(p.price, p.name) for p in found if p is not None} | {(prices[n], n) for n in singles}
        assert offered <= {*good, *bad}
        assert min(good, default=None) in {*offered, None}
        assert good or min(bad) in offered
        # And the short form of shapes with one entry says the same
        for _, units in appraisal.units_of(filter(appraisal.is_plain, [shape])):
            assert [units] == [round(found.total * 10_000) for found in scores.values()]


@given(registries(), wishes(), st.integers(1, 9))
def test_the_best_are_those_of_the_best_scores_in_their_order(
    registry: RegistrySnapshot, wish: Wish, count: int
) -> None:
    stock = stock_of(registry)
    appraisal = Appraisal(stock, Scorer(wish), stock.index.codes.copy(), ())
    # When
    found = appraisal.best(stock.making(["b"]), count)
    # Then
    long_way = ranked(score(e.capability, wish) for e in stock.index.entries if "b" in e.capability.output_facets)
    assert [(r.name, -r.below) for r in found] == [(s.capability_id, round(s.total * 10_000)) for s in long_way][:count]


@given(registries(), SOME_NAMES, st.sampled_from([[], ["execution"]]))
def test_what_policies_forbid_is_not_in_stock(
    registry: RegistrySnapshot, forbidden: frozenset[str], kinds: list[str]
) -> None:
    # Given
    stock = stock_of(registry, selection={"forbid": sorted(forbidden)}, topology={"forbiddenKinds": kinds})
    request = read_request(
        envelope(
            {
                "objective": "Make it",
                "outputContract": facet_contract("b"),
                "policies": {
                    "planner": {"selection": {"forbid": sorted(forbidden)}, "topology": {"forbiddenKinds": kinds}}
                },
            },
            CATALOGUE,
        ),
        CATALOGUE,
    )
    # Then
    allowed = {c.capability_id for c in registry.capabilities if refusal_of(c, request) is None}
    assert {e.name for shape in stock.shapes for e in shape.entries} == allowed
    assert {name for name in NAMES if stock.allows(name)} == allowed
    refused = {c.capability_id for c in registry.capabilities} - allowed
    assert {name for name, _ in stock.refused(["b"], request, 99)} == refused
    assert stock.refused(["b"], request, 1) == stock.refused(["b"], request, 99)[:1]


def test_snapshots_that_plan_alike_share_an_index() -> None:
    # Given two snapshots that differ in the order of their members, and one that differs in what one of them promises
    one, other = capability("n1", [], ["a"]), capability("n2", ["a"], ["b"])
    first, turned = RegistrySnapshot((one, other)), RegistrySnapshot((other, one))
    changed = RegistrySnapshot((one, capability("n2", ["a"], ["b"], output_schema={"type": "object"})))
    # When
    index: RegistryIndex = index_of(first)
    # Then
    assert index_of(turned) is index
    assert index_of(changed) is not index


def test_who_is_registered_is_found_by_name() -> None:
    found: Capability = capability("n1", [], ["a"])
    index = RegistryIndex(RegistrySnapshot((found, capability("n2", [], ["a"], status="inactive"))))
    assert index.place("n1") == 0
    assert (index.place("n2"), index.place("n3")) == (-1, -1)
