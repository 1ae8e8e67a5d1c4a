"""Say how well a capability fits an envelope: parts from 0 to 1, their weighed mean, and its price for the search.

Parts are reckoned in ten-thousandths and weights in tenths, so that sums are exact and two scores are equal or are not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from planner.contracts.capabilities import Capability

NEUTRAL = 0.5
"""The value of a part about which the capability, or the envelope, says nothing."""
TYPICAL_TOKENS = 1000
TYPICAL_PRICE = 0.015
"""Tokens of a call, and their price per thousand, where a registration names none."""
TYPICAL_SECONDS = 30.0
"""How long a call may mostly take to count half for speed."""
STEP_POINTS = 100
"""What any step costs the search, so that of two plans of equal merit the shorter wins."""
MERIT_POINTS = 1000
"""What a capability of score 0 costs the search beyond that."""
MINIMUM_SCORE = 0.35
"""Below this score a capability is not chosen unless a person says so; see `Wish.minimum`."""

WEIGHTS: Mapping[str, float] = {
    "preference": 4.0,
    "alignment": 3.0,
    "channel": 3.0,
    "content": 2.0,
    "language": 2.0,
    "strengths": 1.0,
    "cost": 1.0,
    "health": 1.0,
    "success": 1.0,
    "speed": 0.5,
}
"""What each part counts. A caller's preference outweighs any single other part."""

OBJECTIVE_WEIGHTS: Mapping[str, Mapping[str, float]] = {
    "speed": {"speed": 5.0, "cost": 2.0},
    "quality": {"success": 4.0, "strengths": 3.0, "health": 2.0, "cost": 0.2},
    "diversity": {"strengths": 4.0, "alignment": 1.0, "success": 0.5},
    "token_efficiency": {},
}
"""What `policies.planner.optimisation.objective` changes about the weights. Under `token_efficiency` the price is the
tokens, whatever the score."""

CHANNEL_FORMATS: Mapping[str, tuple[str, ...]] = {
    "linkedin": ("linkedin_post",),
    "blog": ("blog_post", "article"),
    "website": ("blog_post", "article"),
    "x": ("x_thread", "x_post"),
    "twitter": ("x_thread", "x_post"),
    "instagram": ("instagram_post",),
    "facebook": ("facebook_post",),
    "email": ("email", "newsletter"),
    "newsletter": ("newsletter", "email"),
}
"""The formats (`inputTraits.formats`) that serve a channel; others are served by `<channel>` and `<channel>_post`."""

UNIT = 10_000
"""A score of 1."""
_HALF = round(NEUTRAL * UNIT)
_WORD = re.compile(r"[a-z]{4,}")


@dataclass(frozen=True, slots=True)
class Measured:
    """What has been measured of a capability's calls: how many, how many failed, how many seconds they mostly take."""

    calls: int = 0
    failures: int = 0
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """What an envelope asks of capabilities beyond facets. `minimum` is the score below which a person is asked."""

    facets: frozenset[str] = frozenset()
    channel: str | None = None
    language: str | None = None
    content: str | None = None
    words: frozenset[str] = frozenset()
    prefer: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    objective: str | None = None
    minimum: float = MINIMUM_SCORE
    measured: Mapping[str, Measured] = field(default_factory=dict)

    @property
    def formats(self) -> frozenset[str]:
        if self.channel is None:
            return frozenset()
        channel = self.channel.strip().lower()
        return frozenset(CHANNEL_FORMATS.get(channel, (channel, f"{channel}_post")))

    @property
    def weights(self) -> dict[str, float]:
        return {**WEIGHTS, **OBJECTIVE_WEIGHTS.get(self.objective or "", {})}


class Traits(NamedTuple):
    """What a registration says of itself in words."""

    formats: frozenset[str]
    languages: frozenset[str]
    contents: frozenset[str]
    strengths: frozenset[str]

    @classmethod
    def of(cls, capability: Capability) -> Traits:
        return cls(
            _words_of(capability.input_traits, "formats"),
            frozenset(_primary(tag) for tag in _words_of(capability.input_traits, "languages")),
            _words_of(capability.metadata, "contentTypes"),
            _words_of(capability.input_traits, "strengths"),
        )


class Steady(NamedTuple):
    """The parts, in ten-thousandths, that are the same for every envelope."""

    cost: int
    health: int

    @classmethod
    def of(cls, capability: Capability) -> Steady:
        traits, wish = Traits.of(capability), Wish()
        return cls(round(_cost(capability, traits, wish) * UNIT), round(_health(capability, traits, wish) * UNIT))


@dataclass(frozen=True, slots=True)
class Score:
    """A capability's merit: `total` is the weighed mean of `parts`, all from 0 to 1."""

    capability_id: str
    total: float
    parts: Mapping[str, float]
    weights: Mapping[str, float] = field(default_factory=lambda: WEIGHTS)

    def as_json(self) -> dict[str, Any]:
        return {"total": self.total, "parts": dict(self.parts)}

    def lost_on(self, winner: Score) -> list[str]:
        """Return the parts in which this score is below the winner's, the widest gap first."""
        gaps = {name: self.weights[name] * (winner.parts[name] - self.parts[name]) for name in self.parts}
        return sorted((name for name, gap in gaps.items() if gap > 0), key=lambda name: (-gaps[name], name))


def score(capability: Capability, wish: Wish) -> Score:
    """Return the score of one capability for one wish."""
    return Scorer(wish).score(capability)


def points(capability: Capability, merit: Score, wish: Wish) -> int:
    """Return the price of choosing the capability: whole points, so that sums are exact.

    Under `token_efficiency` it is the estimated tokens and nothing else.
    """
    return _points(capability, round(merit.total * UNIT), wish)


def tokens(capability: Capability) -> int:
    return int((capability.cost or {}).get("estimatedTokens", TYPICAL_TOKENS))


def price(capability: Capability) -> float:
    """Return what the estimated tokens cost, in the currency of the registration."""
    return tokens(capability) * float((capability.cost or {}).get("pricePer1kTokens", TYPICAL_PRICE)) / 1000


def ranked(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Return the scores best first; equals by capability id."""
    return tuple(sorted(scores, key=lambda s: (-s.total, s.capability_id)))


class Scorer:
    """Scores for one wish. What depends on traits alone is reckoned once for all capabilities that share them.

    `base`, `aligned` and `mean` put the same total together as `score` does, from what is known already, because a
    large registry asks for it ten thousand times. Both are held against each other by a test. `whole` is the sum of the
    weights, `cost_weight` that of the cost, in tenths.
    """

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.weights = wish.weights
        self._tenths = {name: round(weight * 10) for name, weight in self.weights.items()}
        self.whole = sum(self._tenths.values())
        self.cost_weight = self._tenths["cost"]
        self._unseen = (self._tenths["success"] + self._tenths["speed"]) * _HALF
        self._plain = self._unseen + self._tenths["preference"] * _HALF
        self._by_traits: dict[tuple[str, frozenset[str]], int] = {}
        self._scores: dict[str, Score] = {}

    def score(self, capability: Capability) -> Score:
        """Return the score with all its parts."""
        if (known := self._scores.get(capability.capability_id)) is not None:
            return known
        traits = Traits.of(capability)
        units = {name: self._part(name, capability, traits) for name in _PARTS}
        total = self._mean(sum(self._tenths[name] * value for name, value in units.items()))
        parts = {name: value / UNIT for name, value in units.items()}
        made = Score(capability.capability_id, total / UNIT, parts, self.weights)
        self._scores[capability.capability_id] = made
        return made

    def units(self, capability: Capability, traits: Traits, steady: Steady, wanted: int) -> int:
        """Return the total of the score in ten-thousandths, without its parts.

        `wanted` is how many of the capability's facets the plan wants.
        """
        tenths, name = self._tenths, capability.capability_id
        preferred = 0 if name in self.wish.avoid else UNIT if name in self.wish.prefer else _HALF
        seen = self._unseen
        if name in self.wish.measured:
            seen = tenths["success"] * self._part("success", capability, traits)
            seen += tenths["speed"] * self._part("speed", capability, traits)
        weighed = self.base(traits, steady.health) + self.aligned(wanted, len(capability.output_facets))
        further = seen - self._unseen + tenths["preference"] * (preferred - _HALF)
        return self.mean(weighed + further, steady.cost)

    def base(self, traits: Traits, health: int) -> int:
        """Return what everybody of those traits and health has, weighed, without preference and measured calls."""
        shared = sum(self._of_traits(name, words, traits) for name, words in zip(_OF_TRAITS, traits, strict=True))
        return shared + self._plain + self._tenths["health"] * health

    def aligned(self, wanted: int, made: int) -> int:
        """Return what it counts, weighed, that so many of the facets that a capability makes are wanted."""
        return self._tenths["alignment"] * (round(wanted / made * UNIT) if made else 0)

    def mean(self, weighed: int, cost: int) -> int:
        """Return the score in ten-thousandths: all that is weighed already, and the part for the cost."""
        return self._mean(weighed + self.cost_weight * cost)

    def points(self, capability: Capability, units: int) -> int:
        """Return the price of choosing a capability of that score; see `points`."""
        return _points(capability, units, self.wish)

    def merit_points(self, units: int) -> int:
        """Return the price of a score where the objective goes by scores."""
        return STEP_POINTS + (UNIT - units) * MERIT_POINTS // UNIT

    def _of_traits(self, name: str, words: frozenset[str], traits: Traits) -> int:
        """Return a part that follows from one of the traits, weighed; most registrations share a few of each."""
        known = self._by_traits.get((name, words))
        if known is None:
            known = self._tenths[name] * round(_TRAIT_PARTS[name](traits, self.wish) * UNIT)
            self._by_traits[name, words] = known
        return known

    def _part(self, name: str, capability: Capability, traits: Traits) -> int:
        return round(_PARTS[name](capability, traits, self.wish) * UNIT)

    def _mean(self, weighed: int) -> int:
        return (2 * weighed + self.whole) // (2 * self.whole)


def _points(capability: Capability, units: int, wish: Wish) -> int:
    if wish.objective == "token_efficiency":
        return tokens(capability)
    return STEP_POINTS + (UNIT - units) * MERIT_POINTS // UNIT


def _preference(capability: Capability, _traits: Traits, wish: Wish) -> float:
    if capability.capability_id in wish.avoid:
        return 0.0
    return 1.0 if capability.capability_id in wish.prefer else NEUTRAL


def _alignment(capability: Capability, _traits: Traits, wish: Wish) -> float:
    made = capability.output_facets
    return sum(facet in wish.facets for facet in made) / len(made) if made else 0.0


def _channel(traits: Traits, wish: Wish) -> float:
    return _named(wish.formats, traits.formats)


def _content(traits: Traits, wish: Wish) -> float:
    return _named(frozenset() if wish.content is None else frozenset({wish.content.lower()}), traits.contents)


def _language(traits: Traits, wish: Wish) -> float:
    return _named(frozenset() if wish.language is None else frozenset({_primary(wish.language)}), traits.languages)


def _strengths(traits: Traits, wish: Wish) -> float:
    """Return how many of its strengths the envelope speaks of; a strength that nobody asks for does no harm."""
    if not traits.strengths or not wish.words:
        return NEUTRAL
    asked = sum(not wish.words.isdisjoint(_words_of_strength(strength)) for strength in traits.strengths)
    return NEUTRAL + (1 - NEUTRAL) * asked / len(traits.strengths)


def _cost(capability: Capability, _traits: Traits, _wish: Wish) -> float:
    typical = TYPICAL_TOKENS * TYPICAL_PRICE / 1000
    return typical / (typical + price(capability))


def _health(capability: Capability, _traits: Traits, _wish: Wish) -> float:
    # A stale heartbeat has made the capability inactive before it gets here; an unwatched one may be gone unnoticed.
    if capability.status != "active":
        return 0.0
    return 1.0 if capability.builtin or capability.heartbeat else NEUTRAL


def _success(capability: Capability, _traits: Traits, wish: Wish) -> float:
    """Return the share of calls that succeeded, as if one more had gone well and one badly: few calls prove little."""
    known = wish.measured.get(capability.capability_id)
    return NEUTRAL if known is None else (known.calls - known.failures + 1) / (known.calls + 2)


def _speed(capability: Capability, _traits: Traits, wish: Wish) -> float:
    known = wish.measured.get(capability.capability_id)
    if known is None or known.seconds is None:
        return NEUTRAL
    return TYPICAL_SECONDS / (TYPICAL_SECONDS + known.seconds)


def words_in(text: str) -> frozenset[str]:
    """Return the words of a text that may tell something, without the plural s."""
    return frozenset(word.removesuffix("s") for word in _WORD.findall(text.lower()))


def _named(wanted: frozenset[str], offered: frozenset[str]) -> float:
    """Return 1 where something wanted is offered, 0 where only other things are, neutral where either says nothing."""
    if not wanted or not offered:
        return NEUTRAL
    return 1.0 if wanted & offered else 0.0


def _words_of(members: Mapping[str, Any] | None, name: str) -> frozenset[str]:
    found = (members or {}).get(name, ())
    return frozenset(str(value).lower() for value in found) if isinstance(found, list | tuple) else frozenset()


def _primary(tag: str) -> str:
    return tag.lower().replace("_", "-").split("-")[0]


@lru_cache(maxsize=10_000)
def _words_of_strength(strength: str) -> frozenset[str]:
    return words_in(strength.replace("_", " "))


_TRAIT_PARTS: Mapping[str, Callable[[Traits, Wish], float]] = {
    "channel": _channel,
    "language": _language,
    "content": _content,
    "strengths": _strengths,
}
_OF_TRAITS = tuple(_TRAIT_PARTS)
"""The parts that follow from one of the `Traits` each, in their order."""


def _of_words(name: str) -> Callable[[Capability, Traits, Wish], float]:
    return lambda _capability, traits, wish: _TRAIT_PARTS[name](traits, wish)


_PARTS: Mapping[str, Callable[[Capability, Traits, Wish], float]] = {
    "preference": _preference,
    "alignment": _alignment,
    "channel": _of_words("channel"),
    "content": _of_words("content"),
    "language": _of_words("language"),
    "strengths": _of_words("strengths"),
    "cost": _cost,
    "health": _health,
    "success": _success,
    "speed": _speed,
}
