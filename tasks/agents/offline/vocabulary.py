"""Which text belongs under which key: one row per key that agents are asked for, in whatever spelling.

The name of a property tells what it wants to hold; the schema tells how long it may be. `texts_for` answers with
several candidates where shorter or plainer forms exist, the best first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tasks.agents.offline import copywriting
from tasks.agents.offline.facts import normal
from tasks.agents.offline.story import Story, capitalised

Texts = tuple[str, ...]
_ORDINALS = "abcdefghijklmnopqrstuvwxyz"
_LONG_FORMS = {"longformdraft", "blogpost", "article", "longform"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: the path to it, and how far it is to differ from what stands beside it."""

    path: tuple[str | int, ...] = ()
    vary: int = 0
    title: str = ""

    @property
    def key(self) -> str:
        return next((normal(part) for part in reversed(self.path) if isinstance(part, str)), "")

    @property
    def parent(self) -> str:
        names = [normal(part) for part in self.path if isinstance(part, str)]
        return names[-2] if len(names) > 1 else ""

    @property
    def index(self) -> int:
        """Return the number of the array item that this is, or is directly part of."""
        return next((part for part in reversed(self.path[-2:]) if isinstance(part, int)), 0) + self.vary

    @property
    def is_item(self) -> bool:
        return bool(self.path) and isinstance(self.path[-1], int)

    @property
    def long(self) -> bool:
        return any(isinstance(part, str) and normal(part) in _LONG_FORMS for part in self.path)


def texts_for(story: Story, place: Place) -> Texts:
    """Return what could stand at this place, the best first; never empty."""
    if place.is_item and place.key in _LISTS:
        long = _LONG_LISTS if place.long else {}
        lines = long.get(place.key, _LISTS[place.key])(story)
        return (lines[place.index % len(lines)],)
    if place.key in _PROSE_KEYS and _in_part(place):
        return _section_text(story, place)
    if place.long and place.key in _LONG and not _in_part(place):
        return _LONG[place.key](story, place)
    if place.key in _TEXTS:
        return _TEXTS[place.key](story, place)
    if place.is_item:
        lines = _points(story)
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


def _points(story: Story) -> Texts:
    lines = (
        story.say(story.theme.point),
        story.say("{Company} stands for {value}"),
        story.say("The news to mention: {company} recently {event}") if _is_deed(story) else None,
        f"Speak to {story.readers} directly, in plain words",
        f"Close with one clear step: {copywriting.calls(story)[0].rstrip('.')}",
    )
    return (*(line for line in lines if line), *story.points)


def _is_deed(story: Story) -> bool:
    return bool(story.event) and not str(story.event).startswith("had news")


def _musts(story: Story) -> Texts:
    lines = (story.company, story.say("{Value}"), story.event and capitalised(story.event))
    return tuple(line for line in lines if line)


def _topic_keywords(story: Story) -> Texts:
    words = [word for word in re.findall(r"[\w-]{4,}", story.topic.lower()) if word not in _SMALL_WORDS]
    return tuple(dict.fromkeys([story.topic.lower(), *words, story.company.lower(), story.readers.lower()]))[:6]


def _topic_summary(story: Story) -> str:
    return f"A practical look at {story.topic} for {story.readers}, from the point of view of {story.company}."


def _differentiators(story: Story) -> Texts:
    lines = (story.say("{Value}"), f"A clear voice on {story.focus}", f"Close contact with {story.readers}")
    return tuple(line for line in lines if line)


def _proofs(story: Story) -> Texts:
    deed = story.say("{Company} recently {event}") if _is_deed(story) else None
    return tuple(line for line in (deed, f"Examples from daily work at {story.company}") if line)


def _gains(story: Story) -> Texts:
    return f"A clear picture of what {story.company} stands for", "A direct line to the people behind it"


def _directions(story: Story) -> Texts:
    return tuple(capitalised(text) for i in range(5) if (text := story.at(i).say(story.at(i).theme.point)))


def _hashtags(story: Story) -> Texts:
    words = (story.company, story.theme_name or story.focus, story.goal_name, story.channel)
    return tuple(dict.fromkeys("#" + "".join(capitalised(w) for w in re.findall(r"\w+", word)) for word in words))


def _keywords(story: Story) -> Texts:
    words = (story.company, story.theme_name or story.focus, story.goal_name, story.readers)
    return tuple(dict.fromkeys(word.lower() for word in words))


def _checks(story: Story) -> Texts:
    return (
        f"The text names {story.company} and keeps to its facts",
        f"It speaks to {story.readers} in a tone that fits: {story.tone}",
        "It ends with one clear call to action",
        "It reads well aloud and has no spelling mistakes",
    )


def _handoff(story: Story) -> Texts:
    lines = (
        f"Goal: {story.goal.purpose}, on {story.channel}",
        f"Angle: {_angle(story)}",
        story.say("Use as the core value: {value}"),
        "Open: nothing that would hold up the next step",
    )
    return tuple(line for line in lines if line)


def _sections(story: Story) -> Texts:
    return tuple(text for _, text in copywriting.sections(story))


def _headings(story: Story) -> Texts:
    return tuple(heading for heading, _ in copywriting.sections(story))


def _recommendations(story: Story) -> Texts:
    return (
        "Keep the opening as it is: it says at once what the text is about",
        f"Test the call to action with a few {story.readers} before a wider release",
        "Add a picture that shows real people at work",
    )


def _angle(story: Story) -> str:
    return f"Let {story.focus} speak for {story.company}, and close with one clear step"


def _rationale(story: Story, place: Place) -> Texts:
    if place.parent in _ADVICE_LISTS:
        return (_ADVICE_REASONS[place.index % len(_ADVICE_REASONS)],)
    reader = f"The goal is to {story.goal.purpose}. {capitalised(story.readers)} decide quickly whether a text is meant"
    lines = (
        f"{reader} for them, so it begins with {story.focus} and leaves everything else for later.",
        story.say("The core value ({value}) gives it a reason to be believed."),
        "One clear step at the end makes the effect easy to measure.",
    )
    return (" ".join(line for line in lines if line),)


def _summary(story: Story) -> str:
    if story.kind == "validation":
        return (
            f"The text names {story.company}, keeps to {story.focus} and ends with a clear call to action. "
            "Nothing stands in the way of publishing it."
        )
    value = story.say(" It leans on what {company} stands for: {value}.") or ""
    return f"{story.company} speaks to {story.readers} about {story.focus}, to {story.goal.purpose}.{value}"


def _message(story: Story) -> str:
    known = story.say("{Company} stands for {value}, and shows it in {focus}.")
    return known or f"You can see in {story.focus} what {story.company} stands for."


def _guidelines(story: Story) -> str:
    manner = f"Write plain, active sentences. Speak to {story.readers} directly"
    return f"{manner}, name {story.company} early, and promise only what can be shown."


def _section_text(story: Story, place: Place) -> Texts:
    return (_sections(story)[place.index % len(_sections(story))],)


def _heading(story: Story, place: Place) -> Texts:
    return (_headings(story)[place.index % len(_headings(story))],)


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
    return capitalised(story.focus), _angle(story)


def _anything(story: Story, place: Place) -> Texts:
    """Return a text for a key that has none of its own: what it is called, said about this story."""
    if re.search(r"(?:[a-z]I|(?:^|[_-])i)[dD]$", _spelled(place)):
        return (f"{slug(_spelled(place)[:-2])}-{place.index + 1}",)
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", place.title or _spelled(place)).replace("_", " ").strip()
    if not words:
        return _summary(story), _message(story)
    return f"{capitalised(words.lower())}: {_message(story)}", _message(story), story.company


def _in_part(place: Place) -> bool:
    """Tell whether the place lies inside a list of parts of a longer text."""
    return any(isinstance(part, str) and normal(part) in _PART_LISTS for part in place.path[:-1])


def _spelled(place: Place) -> str:
    return next((part for part in reversed(place.path) if isinstance(part, str)), "")


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
    ("summary abstract excerpt metaDescription description overview synopsis", _one(_summary)),
    ("rationale reasoning strategicRationale reason justification why", _rationale),
    ("angle direction focus theme approach", _one(_angle)),
    ("positioningSummary", _one(lambda s: f"{_message(s)} {capitalised(s.readers)} meet it there first.")),
    ("coreMessage message statement keyMessage promise valueProposition corePromise", _one(_message)),
    ("pillar label category segmentName", _name),
    ("name", _name),
    ("proofPoint proof evidence", _one(lambda s: s.say("{Company} recently {event}.") or _message(s))),
    ("audience persona targetAudience reader", _one(lambda s: capitalised(s.readers))),
    ("tone toneOfVoice voice style", _one(lambda s: s.tone)),
    ("toneGuidelines guidelines", _one(_guidelines)),
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
    ("recommendation suggestion advice", lambda s, p: (_recommendations(s)[p.index % 3],)),
    ("question", lambda s, _: (f"Which facts about {s.focus} may {s.company} publish?",)),
    ("answer response", _one(_message)),
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
    ("keyPoints supportingPoints bullets", _one(lambda s: "; ".join(_points(s)[:3]))),
    ("hashtags", _one(lambda s: " ".join(_hashtags(s)))),
    ("keywords tags", _one(lambda s: ", ".join(_keywords(s)))),
)

_LONG: dict[str, _Writer] = _rows(
    ("title headline workingTitle metaTitle", _many(copywriting.titles)),
    ("body content text markdown draft longFormDraft blogPost article", _many(copywriting.articles)),
    ("summary abstract excerpt metaDescription description", _one(_topic_summary)),
)
_ADVICE_LISTS = {"recommendationset", "recommendations", "suggestions"}
_ADVICE_REASONS = (
    "Readers decide in the first lines whether to go on",
    "A small test costs little and shows what the words do",
    "Faces are remembered longer than claims",
)
_PART_LISTS = {"sections", "paragraphs", "parts", "chapters"}
_PROSE_KEYS = {"body", "content", "text", "paragraph"}

_LONG_LISTS: dict[str, Callable[[Story], Texts]] = {"keywords": _topic_keywords, "tags": _topic_keywords}
_SMALL_WORDS = {"about", "from", "into", "that", "their", "they", "this", "what", "when", "with", "your", "ours"}

_LISTS: dict[str, Callable[[Story], Texts]] = {
    normal(key): writer
    for keys, writer in (
        (
            "keyPoints supportingPoints points bullets highlights takeaways messagePillars arguments",
            _points,
        ),
        ("mustInclude mustMention", _musts),
        ("differentiators strengths", _differentiators),
        ("proofPoints proof evidence", _proofs),
        ("gains benefits", _gains),
        ("strategicDirections directions angles themes ideas", _directions),
        ("hashtags", _hashtags),
        ("keywords tags topics catalogTags", _keywords),
        ("checks criteria successCriteria requirements constraints", _checks),
        ("handoffSummary nextSteps actions steps decisions", _handoff),
        ("sections paragraphs parts chapters", _sections),
        ("outline headings toc", _headings),
        ("recommendations suggestions", _recommendations),
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
