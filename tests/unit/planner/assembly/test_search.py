"""The search against brute force: a plan is found whenever one exists, and none is cheaper."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.assembly.landmarks import find_landmarks
from planner.assembly.rows import Bits, Row, distances, undominated
from tests.support.laws import examples
from tests.support.options import Option, find_best, forward, layers

FACETS = "abcdefg"
SOME = st.frozensets(st.sampled_from(FACETS), max_size=3)


@st.composite
def registries(draw: st.DrawFn) -> list[Option]:
    shapes = draw(st.lists(st.tuples(SOME, SOME, st.integers(0, 9)), max_size=8))
    return [Option(f"c{i}", needs, makes, cost) for i, (needs, makes, cost) in enumerate(shapes)]


def solves(chosen: tuple[Option, ...], given_facets: frozenset[str], targets: frozenset[str]) -> bool:
    had, running = forward(chosen, given_facets)
    return targets <= had and len(running) == len(chosen)


def brute_force(options: list[Option], given_facets: frozenset[str], targets: frozenset[str]) -> int | None:
    """Return the cost of the cheapest set of options that can all run and make the targets."""
    subsets = chain.from_iterable(combinations(options, size) for size in range(len(options) + 1))
    costs = [sum(o.cost for o in chosen) for chosen in subsets if solves(chosen, given_facets, targets)]
    return min(costs, default=None)


@settings(max_examples=examples(300))
@given(registries(), SOME, SOME)
def test_the_cheapest_solution_is_found_whenever_there_is_one(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str]
) -> None:
    # When
    found = find_best(options, given_facets, targets)
    # Then
    assert (None if found is None else found.cost) == brute_force(options, given_facets, targets)
    if found is not None:
        assert found.exact
        assert solves(found.chosen, given_facets, targets)
        assert layers(found.chosen, given_facets) == found.chosen


@given(registries(), SOME, SOME, st.integers(0, 3))
def test_cut_short_the_search_still_finds_a_solution_and_says_that_it_is_not_proved(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str], states: int
) -> None:
    # When
    found = find_best(options, given_facets, targets, max_states=states)
    # Then
    assert (found is None) == (brute_force(options, given_facets, targets) is None)
    if found is not None:
        assert solves(found.chosen, given_facets, targets)
        assert found.exact or found.states == states


@given(registries(), SOME, SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_registry_does_not_matter(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str], random: object
) -> None:
    # Given
    first = find_best(options, given_facets, targets)
    shuffled = list(options)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    # When
    again = find_best(shuffled, given_facets, targets)
    # Then
    assert {o.name for o in first.chosen} == {o.name for o in again.chosen} if first and again else first is again


@given(registries(), SOME, SOME)
def test_a_pinned_option_is_chosen_or_nothing_is(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str]
) -> None:
    for pin in options[:2]:
        # When
        found = find_best(options, given_facets, targets, [pin.name])
        # Then
        had, running = forward(options, given_facets)
        assert (found is not None) == (targets <= had and pin.name in running)
        assert found is None or pin in found.chosen


def test_options_that_another_one_replaces_are_left_out() -> None:
    # Given rows that make less, need more, or cost more than the first
    bits = Bits()

    def row(name: str, needs: str, makes: str, cost: int) -> Row:
        return Row(cost, name, bits.of(needs), bits.of(makes))

    best = row("best", "a", "bc", 2)
    worse = [row("less", "a", "b", 2), row("more", "ad", "bc", 2), row("dear", "a", "bc", 3), row("twin", "a", "bc", 2)]
    idle, cheap = row("idle", "", "z", 0), row("cheap", "a", "b", 1)
    # When
    left = undominated([*worse, idle, cheap, best], bits.of("bc"), frozenset(["dear"]))
    # Then only those remain that are better at something, and what has to stay
    assert [found.name for found in left] == ["cheap", "best", "dear"]


@given(registries(), SOME, SOME)
def test_landmarks_never_promise_more_than_the_cheapest_solution_costs(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str]
) -> None:
    # Given
    bits, best = Bits(), brute_force(options, given_facets, targets)
    rows = [Row(o.cost, o.name, bits.of(o.needs), bits.of(o.makes)) for o in options]
    if best is None:
        return
    # When
    cuts = find_landmarks(rows, bits.of(given_facets), bits.of(targets))
    # Then
    assert cuts is not None
    found = cuts.marks
    assert sum(mark.price for mark in found) <= best
    spent = {o.name: sum(mark.price for mark in found if o.name in mark.names) for o in options}
    assert all(spent[o.name] <= o.cost for o in options)


@given(registries(), SOME, SOME, st.integers(0, 12))
def test_within_a_limit_the_landmarks_leave_every_option_of_a_solution_that_keeps_it(
    options: list[Option], given_facets: frozenset[str], targets: frozenset[str], limit: int
) -> None:
    # Given
    bits, best = Bits(), find_best(options, given_facets, targets)
    rows = [Row(o.cost, o.name, bits.of(o.needs), bits.of(o.makes)) for o in options]
    # When
    cuts = find_landmarks(rows, bits.of(given_facets), bits.of(targets), limit)
    # Then
    if best is None or best.cost > limit:
        return
    assert cuts is not None
    assert cuts.bound <= best.cost
    assert {o.name for o in best.chosen} <= {row.name for row in cuts.left}
    assert all(cuts.bound + cuts.over[o.name] <= best.cost for o in best.chosen)


@settings(max_examples=examples(200))
@given(
    st.lists(st.tuples(SOME, SOME, st.integers(90, 110)), max_size=9),
    SOME,
    st.frozensets(st.sampled_from(FACETS), min_size=1, max_size=3),
    st.sets(st.integers(0, 8), max_size=2),
)
def test_where_all_cost_nearly_the_same_and_some_are_pinned_nothing_cheaper_is_overlooked(
    shapes: list[tuple[frozenset[str], frozenset[str], int]],
    given_facets: frozenset[str],
    targets: frozenset[str],
    pinned: set[int],
) -> None:
    # Given prices of which few go together, and pins
    options = [Option(f"c{i}", needs, makes, cost) for i, (needs, makes, cost) in enumerate(shapes)]
    pins = {options[i].name for i in pinned if i < len(options)}
    subsets = chain.from_iterable(combinations(options, size) for size in range(len(options) + 1))
    able = [s for s in subsets if pins <= {o.name for o in s} and solves(s, given_facets, targets)]
    # When
    found = find_best(options, given_facets, targets, sorted(pins))
    # Then
    assert (None if found is None else found.cost) == min((sum(o.cost for o in s) for s in able), default=None)


def test_a_ring_of_options_that_feed_each_other_is_no_solution() -> None:
    ring = [Option("x", frozenset("a"), frozenset("b")), Option("y", frozenset("b"), frozenset("a"))]
    assert find_best(ring, [], ["a"]) is None
    opened = [*ring, Option("z", frozenset(), frozenset("b"), 7)]
    found = find_best(opened, [], ["a"])
    assert found is not None
    assert [o.name for o in found.chosen] == ["z", "y"]


def test_a_shared_maker_is_paid_once() -> None:
    # Given one dear option that makes both targets' needs, and two cheaper ones that make one each
    options = [
        Option("both", frozenset(), frozenset("ab"), 5),
        Option("a", frozenset(), frozenset("a"), 3),
        Option("b", frozenset(), frozenset("b"), 3),
    ]
    found = find_best(options, [], ["a", "b"])
    assert found is not None
    assert (found.cost, [o.name for o in found.chosen]) == (5, ["both"])


def test_equal_costs_go_to_fewer_options_and_then_to_the_earlier_name() -> None:
    options = [
        Option("z", frozenset(), frozenset("a"), 2),
        Option("m", frozenset("b"), frozenset("a"), 1),
        Option("n", frozenset(), frozenset("b"), 1),
        Option("y", frozenset(), frozenset("a"), 2),
    ]
    found = find_best(options, [], ["a"])
    assert found is not None
    assert [o.name for o in found.chosen] == ["y"]


def test_the_lower_bound_is_the_dearest_chain() -> None:
    bits = Bits()
    rows = [Row(2, "p", 0, bits.of("a")), Row(3, "q", bits.of("a"), bits.of("b"))]
    # When
    found = distances(rows, bits.of("c"))
    # Then
    assert {name: found.costs[bits.of(name)] for name in "cab"} == {"c": 0, "a": 2, "b": 5}
    assert found.starts == {"p": 0, "q": 2}
