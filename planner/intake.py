"""From what people write in an envelope to the facets that agents read: one table of rules.

The caller's own facets are taken first; a member that does not fit is left out. Then each rule of `RULES` looks at one
place of the envelope and offers values: an offer fills what is still missing and never overrides what stands. Inputs
that no rule reads travel on as reference material. Only values that fit their facet's schema come out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from planner.bundles import Offer, is_text, read_bundles, read_profile, read_questions, refer, texts_of
from planner.contracts.facets import Facet, FacetCatalogue
from planner.envelope import TaskEnvelope
from planner.salvage import fits, salvage
from policies.shape import is_whole

FORMATS = {
    "single_image": ("image", "visual", "photo"),
    "multi_image": ("carousel",),
    "document_pdf": ("pdf", "document"),
    "video": ("video", "reel"),
    "text": ("text", "post", "article", "blog"),
}
# Members that a facet requires and that have an obvious value when nobody gave one.
DEFAULTS: dict[str, dict[str, Any]] = {
    "planKnobs": {"formatType": "text"},
    "company_information": {"brand_assets": []},
}
REFERENCE = "assetBundle"


@dataclass(frozen=True, slots=True)
class Intake:
    """What an envelope gives to a plan: valid facet values, how they came about, and what steers the planning."""

    values: dict[str, Any]
    notes: tuple[str, ...]
    variant_count: int | None = None
    channel: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: the place of the envelope that it reads, and how that becomes offers."""

    source: str
    offers: Callable[[Any], Iterable[Offer]]


def _objective(value: Any) -> Iterator[Offer]:
    yield Offer("objectiveBrief", {"objective": value})


def _goal(value: Any) -> Iterator[Offer]:
    if goals := texts_of(value):
        yield Offer("objectiveBrief", {"successCriteria": goals})


def _brief_note(label: str) -> Callable[[Any], Iterator[Offer]]:
    def offers(value: Any) -> Iterator[Offer]:
        if texts := texts_of(value):
            yield Offer("objectiveBrief", {"notes": f"{label}: {', '.join(texts).rstrip('.')}."})

    return offers


def _channel(value: Any) -> Iterator[Offer]:
    yield from _brief_note("Channel")(value)
    if texts := texts_of(value):
        yield Offer("planKnobs", {})
        yield Offer("company_information", {"preferred_channels": ", ".join(texts)}, supplement=True)


def _audience(value: Any) -> Iterator[Offer]:
    if isinstance(value, dict):
        yield Offer("audienceProfile", value)
    elif texts := texts_of(value):
        segments = {"segments": texts} if len(texts) > 1 else {}
        yield Offer("audienceProfile", {"persona": texts[0], **segments})
        yield Offer("company_information", {"audience_segments": ", ".join(texts)}, supplement=True)


def _tone(value: Any) -> Iterator[Offer]:
    """Offer a single tone as one of the facet's fixed list, where it is one, and every wording as guidelines."""
    if texts := texts_of(value):
        yield Offer("toneOfVoice", texts[0] if len(texts) == 1 else texts)
        yield Offer("toneGuidelines", ", ".join(texts))
        yield Offer("company_information", {"tone_of_voice": ", ".join(texts)}, supplement=True)


def _variant_count(value: Any) -> Iterator[Offer]:
    if is_whole(value):
        yield Offer("planKnobs", {"variantCount": value})


def _format(value: Any) -> Iterator[Offer]:
    for text in texts_of(value)[:1]:
        words = text.lower()
        known = (name for name, hints in FORMATS.items() if words == name or any(hint in words for hint in hints))
        if found := next(known, None):
            yield Offer("planKnobs", {"formatType": found})


RULES: tuple[Rule, ...] = (
    Rule("objective", _objective),
    Rule("inputs.goal", _goal),
    Rule("inputs.successCriteria", _goal),
    Rule("inputs.channel", _channel),
    Rule("inputs.language", _brief_note("Language")),
    Rule("inputs.contentBrief", _brief_note("Content brief")),
    Rule("inputs.audience", _audience),
    Rule("inputs.persona", _audience),
    Rule("policies.planner.directives.persona", _audience),
    Rule("inputs.toneOfVoice", _tone),
    Rule("inputs.tone", _tone),
    Rule("inputs.brandVoice", _tone),
    Rule("policies.planner.directives.brandVoice", _tone),
    Rule("policies.planner.topology.variantCount", _variant_count),
    Rule("inputs.variantCount", _variant_count),
    Rule("inputs.formatType", _format),
    Rule("inputs.format", _format),
    Rule("inputs.contextBundles", read_bundles),
    Rule("inputs.companyProfile", read_profile),
    Rule("inputs.company", read_profile),
    Rule("inputs.clarifyExpectations", read_questions),
    Rule("inputs.writerBrief.openClarifications", read_questions),
)

# Deliverables by the words that ask for them; the first row with a word that occurs wins.
DELIVERABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("longFormDraft", ("blog", "article", "long form", "long-form", "longform", "essay", "white paper", "whitepaper")),
    ("messaging_stack", ("messaging",)),
    ("positioning_recommendation", ("positioning",)),
    ("creative_brief", ("creative brief",)),
    ("post_visual", ("visual", "image", "picture")),
    ("copyVariants", ("variant", "posts", "linkedin", "twitter", "facebook", "instagram", "threads", "social")),
    ("post_copy", ("post", "caption", "copy")),
)


def facets_from(envelope: TaskEnvelope, catalogue: FacetCatalogue) -> Intake:
    """Return the facet values that an envelope gives, each valid under its facet's schema, and notes on the way."""
    draft = _Draft(catalogue)
    ruled = {rule.source.removeprefix("inputs.") for rule in RULES}
    for key, value in envelope.inputs.items():
        if key not in ruled:
            draft.take(key, value)
    view = {"objective": envelope.objective, "inputs": envelope.inputs, "policies": envelope.policies.as_json()}
    for rule in RULES:
        found = _look(view, rule.source)
        if found is not None:
            draft.apply(rule, found)
    values = draft.finish()
    channels = texts_of(envelope.inputs.get("channel"))
    languages = [*texts_of(_look(view, "inputs.language")), *texts_of(_look(view, "inputs.writerBrief.language"))]
    return Intake(
        values=values,
        notes=tuple(draft.notes),
        variant_count=_count(view, values),
        channel=channels[0].lower() if channels else None,
        language=languages[0] if languages else None,
    )


def default_facets(*texts: str | None) -> str | None:
    """Return the deliverable facet that a freeform contract asks for by these texts, the first that tells."""
    for text in texts:
        lowered = (text or "").lower()
        for facet, hints in DELIVERABLES:
            if any(hint in lowered for hint in hints):
                return facet
    return None


@dataclass(slots=True)
class _Draft:
    """Facet values while they are gathered, and who offered what."""

    catalogue: FacetCatalogue
    values: dict[str, Any] = field(default_factory=dict)
    supplements: list[Offer] = field(default_factory=list)
    origins: dict[str, list[str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def take(self, key: str, value: Any) -> None:
        """Take an input that is itself a facet, by its name or property key; any other is reference material."""
        facet = self._input_facet(key)
        if facet is None:
            self._merge(refer("input", value if isinstance(value, dict) else {key: value}, label=key))
            self.notes.append(f"inputs.{key} fits no facet and no rule: passed on as reference material ({REFERENCE})")
            return
        kept, dropped = salvage(value, facet.schema)
        if dropped:
            self.notes.append(f"inputs.{key}: left out what does not fit the facet: {', '.join(dropped)}")
        self.values[facet.name] = kept
        self.own.add(facet.name)

    def apply(self, rule: Rule, found: Any) -> None:
        facets = []
        for offer in rule.offers(found):
            if offer.facet not in self.catalogue:
                continue
            if offer.supplement:
                self.supplements.append(offer)
            else:
                self._merge(offer)
                facets.append(offer.facet)
        self.origins[rule.source] = list(dict.fromkeys(facets))

    def finish(self) -> dict[str, Any]:
        """Return the values that fit their schemas, and note what became of every rule's place."""
        for offer in self.supplements:
            if offer.facet in self.values:
                self._merge(offer)
        finished = {name: value for name in self.values if (value := self._finished(name)) is not None}
        for source, facets in self.origins.items():
            used = [facet for facet in facets if facet in finished]
            told = f"was read as {', '.join(used)}" if used else "could not be used"
            self.notes.append(f"{source} {told}")
        return finished

    def _finished(self, name: str) -> Any:
        schema = self.catalogue[name].schema
        value = _fill(self.values[name], DEFAULTS.get(name, {}))
        kept, _dropped = salvage(value, schema)
        kept = _fill(kept, DEFAULTS.get(name, {}))
        if fits(kept, schema):
            return kept
        if name in self.own:
            self.notes.append(f"inputs.{name} is no valid value of its facet and was left out")
        return None

    def _input_facet(self, key: str) -> Facet | None:
        facets = self.catalogue.list("input")
        return next((facet for facet in facets if key in {facet.name, facet.property_key}), None)

    def _merge(self, offer: Offer) -> None:
        if offer.facet in self.catalogue:
            standing = self.values.get(offer.facet)
            self.values[offer.facet] = offer.value if standing is None else _fill(standing, offer.value)


def _fill(standing: Any, offered: Any) -> Any:
    """Return what stands with the offered members that it lacks; lists and notes grow, everything else stays."""
    if isinstance(standing, list) and isinstance(offered, list):
        return [*standing, *offered]
    if not isinstance(standing, dict) or not isinstance(offered, dict):
        return standing
    missing = {key: value for key, value in offered.items() if key not in standing}
    noted = {
        key: f"{standing[key]} {offered[key]}"
        for key in ("notes",)
        if is_text(standing.get(key)) and is_text(offered.get(key))
    }
    return {**standing, **missing, **noted}


def _look(view: Any, source: str) -> Any:
    for name in source.split("."):
        view = view.get(name) if isinstance(view, dict) else None
    return view


def _count(view: dict[str, Any], values: dict[str, Any]) -> int | None:
    """Return how many variants are asked for: the policy counts before the input, the input before the knobs."""
    asked = (
        _look(view, "policies.planner.topology.variantCount"),
        _look(view, "inputs.variantCount"),
        _look(values, "planKnobs.variantCount"),
    )
    return next((count for count in asked if is_whole(count)), None)
