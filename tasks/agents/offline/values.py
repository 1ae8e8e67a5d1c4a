"""Single values within their bounds: numbers, formatted texts, and the choice from a list."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

from tasks.agents.offline.facts import normal
from tasks.agents.offline.lengths import fit
from tasks.agents.offline.patterns import matches, write_for
from tasks.agents.offline.place import Place
from tasks.agents.offline.story import Story, capitalised
from tasks.agents.offline.themes import MORE
from tasks.agents.offline.vocabulary import slug, texts_for

_PREFERRED = (
    "pass", "passed", "approved", "approve", "ok", "done", "complete", "completed", "success", "answered", "addressed",
    "text", "low", "info", "normal", "medium", "en", "active",
)  # fmt: skip
_LONGEST_TEXT = 200_000
_ADVERSE = {"blocked", "failed", "rejected", "error", "haserrors", "isdraft", "needsrevision", "needsreview", "isspam"}
_HIGH_KEYS = ("score", "confidence", "rating", "quality", "readability", "clarity", "relevance", "fit", "impact")

_Formatter = Callable[[Story, Place], str]


def link(story: Story, place: Place) -> str:
    """Return a web address from the inputs, else one under a name that belongs to nobody."""
    if place.index < len(story.links):
        return story.links[place.index]
    return f"https://{slug(story.company)}.example/{_numbered(slug(story.theme_name or story.focus), place)}"


def _numbered(text: str, place: Place) -> str:
    return text if place.index == 0 else f"{text}-{place.index + 1}"


_FORMATS: dict[str, _Formatter] = {
    "date": lambda _, p: f"2030-01-{p.index % 28 + 1:02d}",
    "date-time": lambda _, p: f"2030-01-{p.index % 28 + 1:02d}T09:00:00Z",
    "time": lambda _, p: f"{(9 + p.index) % 24:02d}:00:00Z",
    "duration": lambda _, p: f"P{p.index + 1}D",
    "email": lambda s, p: f"{_numbered('hello', p)}@{slug(s.company)}.example",
    "idn-email": lambda s, p: f"{_numbered('hello', p)}@{slug(s.company)}.example",
    "hostname": lambda s, p: f"{_numbered('www', p)}.{slug(s.company)}.example",
    "idn-hostname": lambda s, p: f"{_numbered('www', p)}.{slug(s.company)}.example",
    "ipv4": lambda _, p: f"192.0.2.{p.index % 254 + 1}",
    "ipv6": lambda _, p: f"2001:db8::{p.index + 1:x}",
    "uri": link,
    "iri": link,
    "uri-reference": link,
    "iri-reference": link,
    "uri-template": lambda s, p: f"{link(s, p)}/{{id}}",
    "uuid": lambda s, p: str(uuid.uuid5(uuid.NAMESPACE_OID, f"{s.seed}{p.path}{p.vary}")),
    "json-pointer": lambda _, p: f"/{p.index}",
    "relative-json-pointer": lambda _, p: f"{p.index}",
    "regex": lambda _, p: f"^.{{{p.index + 1},}}$",
    "color": lambda _, p: ("#1f4e79", "#c55a11", "#538135")[p.index % 3],
}


def write_text(story: Story, schema: Mapping[str, Any], place: Place) -> str:
    """Return a text for this place within the schema's format, pattern and lengths (characters), as far as it can."""
    low, high = min(int(schema.get("minLength", 0)), _LONGEST_TEXT), schema.get("maxLength")
    high = None if high is None else int(high)
    if (formatter := _FORMATS.get(schema.get("format", ""))) is not None:
        return formatter(story, place)
    candidates = texts_for(story, place)
    if place.vary:
        number = place.index + 1
        candidates = tuple(f"{text} ({number})" if high is None else f"{number}: {text}" for text in candidates)
    pattern = schema.get("pattern")
    if pattern is None:
        return fit(candidates, MORE, low, high)
    for candidate in _spellings(candidates):
        text = fit((candidate,), MORE, low, high)
        if matches(pattern, text):
            return text
    return write_for(pattern, low, high, place.index) or fit(candidates, MORE, low, high)


def write_number(story: Story, schema: Mapping[str, Any], place: Place, *, whole: bool) -> float | int:
    """Return a number within the bounds, and a multiple of `multipleOf`; high for scores, plain otherwise."""
    low, high = _bound(schema, "minimum", "exclusiveMinimum", max), _bound(schema, "maximum", "exclusiveMaximum", min)
    step = Fraction(str(schema["multipleOf"])) if "multipleOf" in schema else None
    if whole:
        step = Fraction(1) if step is None else Fraction(step.numerator)
    wanted = _wanted(story, place, low, high, whole=whole)
    if step is None:
        found = _spread(_between(wanted, low, high, schema), place.vary, low, high)
    else:
        found = _turned(round(wanted / step), place.vary, *_counts(low, high, step, schema)) * step
    return int(found) if found.denominator == 1 else float(found)


def write_flag(place: Place) -> bool:
    return (place.key not in _ADVERSE) == (place.vary % 2 == 0)


def choose(options: Sequence[Any], story: Story, place: Place, turn: int) -> Any:
    """Return one of the listed values: what the story says, else the kindest, `turn` steps further on."""
    said = {normal(text) for text in texts_for(story, place)} | {normal(story.tone), normal(story.channel)}
    texts = {index: normal(option) for index, option in enumerate(options) if isinstance(option, str)}
    start = next((index for index, text in texts.items() if text in said), None)
    if start is None:
        ranked = [index for wish in _PREFERRED for index, text in texts.items() if text == wish]
        start = ranked[0] if ranked else next((i for i, option in enumerate(options) if option is not None), 0)
    return options[(start + place.vary + turn) % len(options)]


def _spellings(candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Return the candidates as they are, and as identifiers are written."""
    plain = [candidate for text in candidates for candidate in (text, text.rstrip("."), capitalised(text))]
    first = candidates[-1]
    words = slug(first)
    return (*plain, words, words.replace("-", "_"), words.replace("-", ""), words.upper(), words.split("-")[0])


def _bound(
    schema: Mapping[str, Any], open_key: str, strict_key: str, tighter: Callable[..., Fraction]
) -> Fraction | None:
    given = [Fraction(str(schema[key])) for key in (open_key, strict_key) if isinstance(schema.get(key), int | float)]
    return tighter(*given) if len(given) == 2 else given[0] if given else None


def _wanted(story: Story, place: Place, low: Fraction | None, high: Fraction | None, *, whole: bool) -> Fraction:
    if place.key == "variantcount":
        return Fraction(story.variants)
    scored = any(place.key.endswith(word) or place.parent == f"{word}s" for word in _HIGH_KEYS)
    if low is not None and high is not None:
        return low + (high - low) * (Fraction(9, 10) if scored else Fraction(1, 2))
    if low is not None or high is not None:
        return low if low is not None else high or Fraction(0)
    return Fraction(9 if whole else Fraction(9, 10)) if scored else Fraction(1)


def _counts(
    low: Fraction | None, high: Fraction | None, step: Fraction, schema: Mapping[str, Any]
) -> tuple[int | None, int | None]:
    """Return the least and the greatest multiple of the step that keep the bounds, the strict ones too."""
    least, most = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    lowest = None if low is None else ceil(low / step)
    highest = None if high is None else floor(high / step)
    if lowest is not None and least is not None and lowest * step <= Fraction(str(least)):
        lowest += 1
    if highest is not None and most is not None and highest * step >= Fraction(str(most)):
        highest -= 1
    return lowest, highest


def _turned(wanted: int, vary: int, lowest: int | None, highest: int | None) -> int:
    """Return the wish moved into the bounds and `vary` steps on, round the corner where there is one."""
    start = wanted if highest is None else min(wanted, highest)
    start = start if lowest is None else max(start, lowest)
    if highest is None:
        return start + vary
    if lowest is None or highest < lowest:
        return start - vary
    return lowest + (start - lowest + vary) % (highest - lowest + 1)


def _between(wanted: Fraction, low: Fraction | None, high: Fraction | None, schema: Mapping[str, Any]) -> Fraction:
    """Return the wish, off a bound that itself is not allowed."""
    span = (high - low) if low is not None and high is not None else Fraction(1)
    least, most = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and least is not None and wanted <= low == Fraction(str(least)):
        wanted = low + span / 4
    if high is not None and most is not None and wanted >= high == Fraction(str(most)):
        wanted = high - span / 4
    return wanted if span < Fraction(1, 100) else _rounded(wanted, low, high)


def _spread(base: Fraction, vary: int, low: Fraction | None, high: Fraction | None) -> Fraction:
    """Return a number of its own for each `vary`, none beyond the bounds."""
    if vary == 0:
        return base
    if high is None:
        return base + Fraction(vary, 100)
    room = high - base if base < high else base - low if low is not None else Fraction(1)
    distance = room * (1 - Fraction(1, vary + 1))
    return base + distance if base < high else base - distance


def _rounded(value: Fraction, low: Fraction | None, high: Fraction | None) -> Fraction:
    """Return the value with two decimals where that stays strictly inside the bounds: 0.9, not 0.8999."""
    short = Fraction(str(round(float(value), 2)))
    return short if (low is None or low < short) and (high is None or short < high) else value
