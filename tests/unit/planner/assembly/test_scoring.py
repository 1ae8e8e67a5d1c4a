"""Each part of a score alone, and what it does to the price."""

from __future__ import annotations

from typing import Any

import pytest

from planner.assembly.scoring import WEIGHTS, Wish, points, price, ranked, score, tokens
from planner.contracts.capabilities import Capability
from tests.support.planning import capability

WISH = Wish(frozenset({"a"}), channel="linkedin", language="en-GB", prefer=frozenset({"p"}), avoid=frozenset({"q"}))


def part(name: str, /, **members: Any) -> float:
    made = members.pop("makes", ["a"])
    return score(capability(members.pop("name", "c"), [], made, **members), WISH).parts[name]


@pytest.mark.parametrize(
    ("name", "members", "value"),
    [
        ("preference", {"name": "p"}, 1.0),
        ("preference", {"name": "q"}, 0.0),
        ("preference", {}, 0.5),
        ("alignment", {"makes": ["a"]}, 1.0),
        ("alignment", {"makes": ["a", "b"]}, 0.5),
        ("alignment", {"makes": ["b"]}, 0.0),
        ("channel", {"input_traits": {"formats": ["linkedin_post"]}}, 1.0),
        ("channel", {"input_traits": {"formats": ["blog_post"]}}, 0.0),
        ("channel", {}, 0.5),
        ("language", {"input_traits": {"languages": ["EN"]}}, 1.0),
        ("language", {"input_traits": {"languages": ["nl"]}}, 0.0),
        ("language", {}, 0.5),
        ("cost", {}, 0.5),
        ("cost", {"cost": {"estimatedTokens": 0}}, 1.0),
        ("cost", {"cost": {"estimatedTokens": 3000}}, 0.25),
        ("health", {"builtin": True}, 1.0),
        ("health", {"heartbeat": {"intervalSeconds": 60}}, 1.0),
        ("health", {}, 0.5),
        ("health", {"status": "inactive"}, 0.0),
    ],
)
def test_a_part_says_one_thing(name: str, members: dict[str, Any], value: float) -> None:
    assert part(name, **members) == value


def test_who_asks_for_nothing_gets_neutral_parts() -> None:
    traits = {"formats": ["linkedin_post"], "languages": ["en"]}
    parts = score(capability("c", [], ["a"], input_traits=traits), Wish()).parts
    assert (parts["channel"], parts["language"]) == (0.5, 0.5)


def test_a_channel_of_no_table_row_is_served_by_its_own_name() -> None:
    assert Wish(channel="Radio ").formats == {"radio", "radio_post"}


def test_the_total_is_the_weighed_mean() -> None:
    found = score(capability("p", [], ["a"]), WISH)
    assert found.total == round(sum(WEIGHTS[n] * v for n, v in found.parts.items()) / sum(WEIGHTS.values()), 4)
    assert found.as_json() == {"total": found.total, "parts": dict(found.parts)}


def test_a_better_score_is_a_lower_price() -> None:
    good, bad = capability("p", [], ["a"]), capability("q", [], ["a"])
    assert points(good, score(good, WISH), WISH) < points(bad, score(bad, WISH), WISH)


@pytest.mark.parametrize(("cost", "expected"), [({"estimatedTokens": 70}, 70), (None, 1000)])
def test_under_token_efficiency_the_price_is_the_tokens(cost: dict[str, Any] | None, expected: int) -> None:
    thrifty = Wish(objective="token_efficiency")
    found = capability("c", [], ["a"], cost=cost)
    assert points(found, score(found, thrifty), thrifty) == expected == tokens(found)


def test_the_price_in_money_is_tokens_times_their_price() -> None:
    found = capability("c", [], ["a"], cost={"estimatedTokens": 2000, "pricePer1kTokens": 0.02})
    assert price(found) == pytest.approx(0.04)


def test_scores_are_ranked_and_a_loser_knows_what_on() -> None:
    # Given
    def scored(name: str, **members: Any) -> Any:
        found: Capability = capability(name, [], ["a"], **members)
        return score(found, WISH)

    best = scored("p", input_traits={"formats": ["linkedin_post"]})
    twin = scored("b")
    other = scored("a")
    # Then
    assert [s.capability_id for s in ranked([twin, other, best])] == ["p", "a", "b"]
    assert other.lost_on(best) == ["preference", "channel"]
    assert best.lost_on(other) == []
