"""Which text belongs under which key: one row per key that agents are asked for, in whatever spelling.

The name of a property tells what it wants to hold; the schema tells how long it may be. `texts_for` answers with
several candidates where shorter or plainer forms exist, the best first.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.agents.offline import copywriting, planning
from tasks.agents.offline.facts import normal
from tasks.agents.offline.place import Place
from tasks.agents.offline.story import Story, capitalised

Texts = tuple[str, ...]
_ORDINALS = "abcdefghijklmnopqrstuvwxyz"


def texts_for(story: Story, place: Place) -> Texts:
    """Return what could stand at this place, the best first; never empty."""
    if place.is_item and place.key in _LISTS:
        long = _LONG_LISTS if place.long else {}
        lines = long.get(place.key, _LISTS[place.key])(story)
        return (lines[place.index % len(lines)],)
    if place.key in _PROSE_KEYS and place.in_part:
        return _section_text(story, place)
    if place.long and place.key in _LONG and not place.in_part:
        return _LONG[place.key](story, place)
    if place.key in _TEXTS:
        return _TEXTS[place.key](story, place)
    if place.is_item:
        lines = planning.points(story)
        return (lines[place.index % len(lines)],)
    return _anything(story, place)


def is_known(key: str) -> bool:
    """Tell whether there is a text of its own for a key."""
    return normal(key) in _TEXTS or normal(key) in _LISTS


def list_length(story: Story, key: str) -> int:
    """Return how many items a list under this key naturally has."""
    name = normal(key)
    if name in _EMPTY_LISTS:
        return 0
    if name in _ASSET_LISTS:
        return min(len(story.links), 2)
    if name in _VARIANT_LISTS:
        return 1 if story.label is not None else story.variants
    if name in _LISTS:
        return min(len(_LISTS[name](story)), 4)
    return 2


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60] or "text"


def _section_text(story: Story, place: Place) -> Texts:
    return (planning.sections(story)[place.index % len(planning.sections(story))],)


def _heading(story: Story, place: Place) -> Texts:
    return (planning.headings(story)[place.index % len(planning.headings(story))],)


def _id(story: Story, place: Place) -> Texts:
    stem = slug(re.sub(r"s$", "", place.parent) or "item")
    stem = "variant" if place.parent in _VARIANT_LISTS else stem
    number = story.index if place.parent in _VARIANT_LISTS else place.index
    letter = _ORDINALS[number] if number < len(_ORDINALS) else str(number + 1)
    return (f"{stem}-{letter}",)


def _name(story: Story, place: Place) -> Texts:
    if place.parent in {"company", "companyinformation", "brand", "organisation", "organization"}:
        return (story.company,)
    if place.parent in {"author", "person", "contact"}:
        return (story.person or story.company,)
    return capitalised(story.focus), planning.angle(story)


def _anything(story: Story, place: Place) -> Texts:
    """Return a text for a key that has none of its own: what it is called, said about this story."""
    if re.search(r"(?:[a-z]I|(?:^|[_-])i)[dD]$", place.spelled):
        return (f"{slug(place.spelled[:-2])}-{place.index + 1}",)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", place.title or place.spelled).replace("_", " ").strip()
    if not words:
        return planning.summary(story), planning.message(story)
    return f"{capitalised(words.lower())}: {planning.message(story)}", planning.message(story), story.company


def _one(write: Callable[[Story], str]) -> Callable[[Story, Place], Texts]:
    return lambda story, _: (write(story),)


def _many(write: Callable[[Story], Texts]) -> Callable[[Story, Place], Texts]:
    return lambda story, _: write(story)


def _always(*lines: str) -> Callable[[Story, Place], Texts]:
    return lambda *_: lines


_VARIANT_LISTS = {
    "copyvariants",
    "variants",
    "posts",
    "drafts",
    "options",
    "versions",
    "strategicdirections",
    "directions",
}
_EMPTY_LISTS = {"issues", "feedback", "attachments", "autofailreasons", "pendingquestions", "errors", "warnings"}
_EMPTY_LISTS |= {"approvals"}
# Pictures and files are taken from the inputs, never made up.
_ASSET_LISTS = {"postvisual", "visuals", "brandassets", "assets", "images"}

_Writer = Callable[[Story, Place], Texts]


def _rows(*rows: tuple[str, _Writer]) -> dict[str, _Writer]:
    return {normal(key): writer for keys, writer in rows for key in keys.split()}


_TEXTS: dict[str, _Writer] = _rows(
    ("headline hook subject subjectLine slogan tagline eyebrow caption", _many(copywriting.headlines)),
    ("title metaTitle workingTitle", _many(copywriting.headlines)),
    ("body text content paragraph bodyText message_body", _many(copywriting.bodies)),
    ("callToAction cta ctaText ctaFocus button buttonLabel nextStep", _many(copywriting.calls)),
    ("copy postCopy post caption_text copyText socialPost post_text", _many(copywriting.posts)),
    ("longFormDraft blogPost article draft", _many(copywriting.articles)),
    ("heading sectionTitle subheading", _heading),
    ("intro introduction lead opening", _one(copywriting.introduction)),
    ("conclusion closing", _one(lambda s: copywriting.sections(s)[-1][1])),
    ("summary abstract excerpt metaDescription description overview synopsis", _one(planning.summary)),
    ("rationale reasoning strategicRationale reason justification why", planning.rationale),
    ("angle direction focus theme approach", _one(planning.angle)),
    ("positioningSummary", _one(lambda s: f"{planning.message(s)} {capitalised(s.readers)} meet it there first.")),
    ("coreMessage message statement keyMessage promise valueProposition corePromise", _one(planning.message)),
    ("pillar label category segmentName", _name),
    ("name", _name),
    ("proofPoint proof evidence", _one(lambda s: s.say("{Company} recently {event}.") or planning.message(s))),
    ("audience persona targetAudience reader", _one(lambda s: capitalised(s.readers))),
    ("tone toneOfVoice voice style", _one(lambda s: s.tone)),
    ("toneGuidelines guidelines", _one(planning.guidelines)),
    ("designNotes visualNotes", _always("Real people at work, one subject per picture, quiet background")),
    ("objective goal purpose aim", _one(lambda s: capitalised(s.aim))),
    ("structure outline format", _one(lambda _: "Opening, what we stand for, news, one call to action")),
    ("company companyName brand organisation organization customerName", _one(lambda s: s.company)),
    ("channel platform medium", _one(lambda s: s.channel)),
    ("topic subjectMatter", _one(lambda s: s.topic)),
    ("market industry sector", _one(lambda s: f"Organisations that matter to {s.readers}")),
    (
        "notes note comment remarks details",
        _one(lambda s: f"Based on what is known about {s.company} so far."),
    ),
    ("recommendation suggestion advice", lambda s, p: (planning.recommendations(s)[p.index % 3],)),
    ("question", lambda s, _: (f"Which facts about {s.focus} may {s.company} publish?",)),
    ("answer response", _one(planning.message)),
    ("severity priority urgency impactLevel", _always("low", "info")),
    ("status overallStatus verdict outcome result", _always("pass", "done", "ok")),
    ("language locale lang", _always("en", "en-GB")),
    ("currency", _always("EUR")),
    ("facet", _always("copyVariants")),
    ("author generatedBy reviewer createdBy submittedBy", _always("Flex offline provider")),
    ("slug handle permalink", _one(lambda s: slug(s.topic))),
    ("id key identifier ref questionId", _id),
    ("version", _always("1.0.0", "1.0")),
    ("type kind", _always("text")),
    ("keyPoints supportingPoints bullets", _one(lambda s: "; ".join(planning.points(s)[:3]))),
    ("hashtags", _one(lambda s: " ".join(planning.hashtags(s)))),
    ("keywords tags", _one(lambda s: ", ".join(planning.keywords(s)))),
)

_LONG: dict[str, _Writer] = _rows(
    ("title headline workingTitle metaTitle", _many(copywriting.titles)),
    ("body content text markdown draft longFormDraft blogPost article", _many(copywriting.articles)),
    ("summary abstract excerpt metaDescription description", _one(planning.topic_summary)),
)
_PROSE_KEYS = {"body", "content", "text", "paragraph"}

_LONG_LISTS: dict[str, Callable[[Story], Texts]] = {
    "keywords": planning.topic_keywords,
    "tags": planning.topic_keywords,
}

_LISTS: dict[str, Callable[[Story], Texts]] = {
    normal(key): writer
    for keys, writer in (
        (
            "keyPoints supportingPoints points bullets highlights takeaways messagePillars arguments",
            planning.points,
        ),
        ("mustInclude mustMention", planning.musts),
        ("differentiators strengths", planning.differentiators),
        ("proofPoints proof evidence", planning.proofs),
        ("gains benefits", planning.gains),
        ("strategicDirections directions angles themes ideas", planning.directions),
        ("hashtags", planning.hashtags),
        ("keywords tags topics catalogTags", planning.keywords),
        ("checks criteria successCriteria requirements constraints", planning.checks),
        ("handoffSummary nextSteps actions steps decisions", planning.handoff),
        ("sections paragraphs parts chapters", planning.sections),
        ("outline headings toc", planning.headings),
        ("recommendations suggestions", planning.recommendations),
        ("headlines titles hooks", copywriting.headlines),
        ("segments audiences personas", lambda s: (capitalised(s.readers), f"People who advise {s.readers}")),
        (
            "painPoints pains challenges risks",
            lambda s: (
                f"Too little time to look into {s.focus}",
                "Many promises, few that can be checked",
            ),
        ),
        ("regions countries", lambda _: ("Europe", "Worldwide")),
    )
    for key in keys.split()
}
