"""The plain forms of policies: a quality bar, retry limits, a latency limit, rules per channel."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from policies.errors import Problem
from policies.shape import ObjectReader, is_number, shown

PLAIN_FORMS = ("quality", "retries", "latency", "channels")
QUALITY_ACTIONS = ("rewrite", "replan", "hitl", "fail")
LATENCY_ACTIONS = ("fallback", "replan", "hitl", "fail", "emit")


def check_plain(reader: ObjectReader, *, facets: Collection[str]) -> dict[str, Any]:
    """Return the plain forms that a `policies` object holds; what is wrong is reported to the reader.

    A bare number stands for the main member: `quality: 0.8` is `{threshold: 0.8}`, `retries: 2` is `{maxAttempts: 2}`,
    `latency: 5000` is `{maxMs: 5000}`.
    """
    found: dict[str, Any] = {}
    for name, (main, check) in CHECKS.items():
        if not reader.has(name):
            continue
        value = reader.raw[name]
        written = {main: value} if main and is_number(value) else value
        inner = ObjectReader.of(written, reader.place(name), reader.problems)
        if inner is not None:
            check(inner, facets)
            found[name] = written
    return found


def _check_quality(reader: ObjectReader, facets: Collection[str]) -> None:
    threshold = reader.number("threshold", required=True)
    if threshold is not None and not 0 <= threshold <= 1:
        reader.report("threshold", "must be 0 to 1", "range")
    reader.text("metric")
    facet = reader.text("facet")
    if facet is not None and facet not in facets:
        reader.report("facet", f"no facet is called {shown(facet)}.{reader.hint(facet, facets)}", "unknown_facet")
    reader.integer("maxRewrites", 1)
    reader.choice("onFail", QUALITY_ACTIONS)
    reader.close()


def _check_retries(reader: ObjectReader, _facets: Collection[str]) -> None:
    reader.integer("maxAttempts", 1, 10, required=True)
    per_capability = reader.child("capabilities")
    if per_capability is not None:
        for capability_id in per_capability.raw:
            per_capability.integer(capability_id, 1, 10)
    reader.close()


def _check_latency(reader: ObjectReader, _facets: Collection[str]) -> None:
    reader.integer("maxMs", 1, required=True)
    reader.choice("onExceed", LATENCY_ACTIONS)
    reader.close()


def _check_channels(reader: ObjectReader, _facets: Collection[str]) -> None:
    for channel in reader.raw:
        rule = reader.child(channel)
        if rule is not None:
            _check_channel(rule)


def _check_channel(rule: ObjectReader) -> None:
    shortest, longest = rule.integer("minLength", 0), rule.integer("maxLength", 1)
    if shortest is not None and longest is not None and shortest > longest:
        rule.problems.append(Problem(rule.place("minLength"), f"is more than `maxLength` ({longest})", "range"))
    rule.integer("maxHashtags", 0)
    rule.text("language")
    rule.text("tone")
    rule.close()


CHECKS: dict[str, tuple[str | None, Callable[[ObjectReader, Collection[str]], None]]] = {
    "quality": ("threshold", _check_quality),
    "retries": ("maxAttempts", _check_retries),
    "latency": ("maxMs", _check_latency),
    "channels": (None, _check_channels),
}
