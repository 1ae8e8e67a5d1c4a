"""Say how well a capability fits an envelope: parts from 0 to 1, their weighed mean, and its price for the search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from planner.contracts.capabilities import Capability

NEUTRAL = 0.5
"""The value of a part about which the capability says nothing."""
TYPICAL_TOKENS = 1000
TYPICAL_PRICE = 0.015
"""Tokens of a call, and their price per thousand, where a registration names none."""
STEP_POINTS = 100
"""What any step costs the search, so that of two plans of equal merit the shorter wins."""
MERIT_POINTS = 1000
"""What a capability of score 0 costs the search beyond that."""

WEIGHTS: Mapping[str, float] = {
    "preference": 4.0,
    "alignment": 3.0,
    "channel": 3.0,
    "language": 2.0,
    "cost": 1.0,
    "health": 1.0,
}
"""What each part counts. A caller's preference outweighs any single other part."""

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


@dataclass(frozen=True, slots=True)
class Wish:
    """What an envelope asks of capabilities beyond facets."""

    facets: frozenset[str] = frozenset()
    channel: str | None = None
    language: str | None = None
    prefer: frozenset[str] = frozenset()
    avoid: frozenset[str] = frozenset()
    objective: str | None = None

    @property
    def formats(self) -> frozenset[str]:
        if self.channel is None:
            return frozenset()
        channel = self.channel.strip().lower()
        return frozenset(CHANNEL_FORMATS.get(channel, (channel, f"{channel}_post")))


@dataclass(frozen=True, slots=True)
class Score:
    """A capability's merit: `total` is the weighed mean of `parts`, all from 0 to 1."""

    capability_id: str
    total: float
    parts: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        return {"total": self.total, "parts": dict(self.parts)}

    def lost_on(self, winner: Score) -> list[str]:
        """Return the parts in which this score is below the winner's, the widest gap first."""
        gaps = {name: WEIGHTS[name] * (winner.parts[name] - self.parts[name]) for name in self.parts}
        return sorted((name for name, gap in gaps.items() if gap > 0), key=lambda name: (-gaps[name], name))


def score(capability: Capability, wish: Wish) -> Score:
    """Return the score of one capability for one wish."""
    parts = {name: round(part(capability, wish), 4) for name, part in _PARTS.items()}
    total = sum(WEIGHTS[name] * value for name, value in parts.items()) / sum(WEIGHTS[name] for name in parts)
    return Score(capability.capability_id, round(total, 4), parts)


def points(capability: Capability, merit: Score, wish: Wish) -> int:
    """Return the price of choosing the capability: whole points, so that sums are exact.

    Under `token_efficiency` it is the estimated tokens and nothing else.
    """
    if wish.objective == "token_efficiency":
        return tokens(capability)
    return STEP_POINTS + round(MERIT_POINTS * (1 - merit.total))


def tokens(capability: Capability) -> int:
    return int((capability.cost or {}).get("estimatedTokens", TYPICAL_TOKENS))


def price(capability: Capability) -> float:
    """Return what the estimated tokens cost, in the currency of the registration."""
    return tokens(capability) * float((capability.cost or {}).get("pricePer1kTokens", TYPICAL_PRICE)) / 1000


def ranked(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Return the scores best first; equals by capability id."""
    return tuple(sorted(scores, key=lambda s: (-s.total, s.capability_id)))


def _preference(capability: Capability, wish: Wish) -> float:
    if capability.capability_id in wish.avoid:
        return 0.0
    return 1.0 if capability.capability_id in wish.prefer else NEUTRAL


def _alignment(capability: Capability, wish: Wish) -> float:
    made = capability.output_facets
    return sum(facet in wish.facets for facet in made) / len(made) if made else 0.0


def _channel(capability: Capability, wish: Wish) -> float:
    return _named(wish.formats, _trait(capability, "formats"))


def _language(capability: Capability, wish: Wish) -> float:
    wanted = frozenset() if wish.language is None else frozenset({_primary(wish.language)})
    return _named(wanted, frozenset(_primary(tag) for tag in _trait(capability, "languages")))


def _cost(capability: Capability, _wish: Wish) -> float:
    typical = TYPICAL_TOKENS * TYPICAL_PRICE / 1000
    return typical / (typical + price(capability))


def _health(capability: Capability, _wish: Wish) -> float:
    # A stale heartbeat has made the capability inactive before it gets here; an unwatched one may be gone unnoticed.
    if capability.status != "active":
        return 0.0
    return 1.0 if capability.builtin or capability.heartbeat else NEUTRAL


def _named(wanted: frozenset[str], offered: frozenset[str]) -> float:
    """Return 1 where something wanted is offered, 0 where only other things are, neutral where either says nothing."""
    if not wanted or not offered:
        return NEUTRAL
    return 1.0 if wanted & offered else 0.0


def _trait(capability: Capability, name: str) -> frozenset[str]:
    return frozenset(str(value).lower() for value in (capability.input_traits or {}).get(name, ()))


def _primary(tag: str) -> str:
    return tag.lower().replace("_", "-").split("-")[0]


_PARTS: Mapping[str, Callable[[Capability, Wish], float]] = {
    "preference": _preference,
    "alignment": _alignment,
    "channel": _channel,
    "language": _language,
    "cost": _cost,
    "health": _health,
}
