"""What a text can be made of: the company, the goal, the reader and the theme, read from a bundle."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from planner.progress.bundle import AgentBundle
from policies.strict_json import dumps
from tasks.agents.offline.facts import Facts, tidy
from tasks.agents.offline.themes import ANY_FOCUS, DEFAULT_ORDER, GOALS, THEMES, Goal, Theme

_COMPANY_KEYS = ("companyName", "company_name", "company", "brandName", "brand", "organisation", "organization")
_AUTHORING = re.compile(
    r"(?:please\s+)?(?:write|create|draft|produce|prepare|generate|make|develop|compose|plan|design)\b"
    r".*?\b(?P<link>that|which|to|about|on|for|explaining|describing|announcing|introducing)\s+(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
_TELLING_VERBS = {
    "announce", "celebrate", "describe", "discuss", "explain", "highlight", "introduce", "invite", "launch", "position",
    "present", "promote", "publish", "recruit", "report", "share", "show", "tell", "welcome",
}  # fmt: skip
_ON_CHANNEL = re.compile(
    r"\s+(?:on|for|via)\s+(?:linkedin|instagram|facebook|twitter|our blog|the blog|x)$", re.IGNORECASE
)
_PROPER_NAME = re.compile(r"(?:[A-Z][\w&'-]*[a-z][\w&'-]*)(?:\s+(?:[A-Z][\w&'-]*|&|of(?=\s[A-Z])))*")
_NAMED_BRANCH = re.compile(
    r"(?:variants?|versions?|options?|branch(?:es)?|posts?|directions?|texts?|drafts?)\s+(?P<label>[A-Za-z]|\d{1,2})\b(?!\s+of\s+\d)"
    r"\s*(?:[:,\u2013-]|is|are|should be|must be|focus(?:es)?|talks?|tells?|covers?|deals?|shows?)?\s*"
    r"(?:about|on|with|of|around)?\s*(?P<focus>.+)",
    re.IGNORECASE | re.DOTALL,
)
_CHANNELS = ("linkedin", "instagram", "facebook", "x", "twitter", "blog", "email", "newsletter", "website", "youtube")
_PAST_VERBS = {
    "won",
    "built",
    "began",
    "grew",
    "held",
    "took",
    "made",
    "became",
    "found",
    "brought",
    "went",
    "met",
    "set",
}
_NOT_COMPANIES = {*(name.title() for name in _CHANNELS), "Linkedin", "LinkedIn", "YouTube", "I", "We", "A", "The"}


@dataclass(frozen=True, slots=True)
class Story:
    """The material of one bundle.

    `index` counts variants, `asked` says by that count what the instructions want each to be about, and `seed` makes
    equal bundles choose equal words.
    """

    company: str
    goal_name: str
    objective: str
    aim: str
    topic: str
    audience: str | None
    value: str | None
    event: str | None
    person: str | None
    role: str | None
    product: str | None
    tone: str
    channel: str
    focus: str
    theme_name: str | None
    label: str | None
    asked: tuple[tuple[int, str], ...]
    index: int
    variants: int
    points: tuple[str, ...]
    angle: str | None
    links: tuple[str, ...]
    kind: str
    seed: str

    @property
    def readers(self) -> str:
        return self.audience or "people"

    @property
    def hiring(self) -> bool:
        return self.goal_name == "hiring"

    @property
    def goal(self) -> Goal:
        return GOALS[self.goal_name]

    @property
    def theme(self) -> Theme:
        return ANY_FOCUS if self.theme_name is None else THEMES[self.theme_name]

    def at(self, index: int) -> Story:
        """Return the story of the variant `index` places further on; the first keeps the theme that was asked for."""
        if index == 0:
            return self
        asked = dict(self.asked).get(self.index + index) if self.label is None else None
        start = DEFAULT_ORDER.index(self.theme_name) if self.theme_name else -1
        name = _theme_named(asked) if asked else DEFAULT_ORDER[(start + index) % len(DEFAULT_ORDER)]
        focus = THEMES[name].focus if name else asked or self.focus
        return replace(self, index=self.index + index, theme_name=name, focus=focus, seed=f"{self.seed}/{index}")

    def pick(self, lines: tuple[str, ...], label: str) -> str | None:
        """Return one of the lines that can be said, the same for the same story and label."""
        sayable = [text for line in lines if (text := self.say(line)) is not None]
        if not sayable:
            return None
        digest = hashlib.sha256(f"{self.seed}|{label}".encode()).digest()
        return sayable[int.from_bytes(digest[:4]) % len(sayable)]

    def say(self, line: str) -> str | None:
        """Return the line with its slots filled, or None when the story lacks one of them."""
        slots = {name for _, name, _, _ in Formatter().parse(line) if name}
        values = {slot: self._slot(slot) for slot in slots}
        return None if None in values.values() else line.format(**values)

    def _slot(self, slot: str) -> str | None:
        value: str | None = getattr(self, slot.lower())
        return capitalised(value) if value and slot[0].isupper() else value


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def read_story(bundle: AgentBundle) -> Story:
    """Return what the bundle offers to write about; equal bundles give equal stories, whatever run they belong to."""
    facts = Facts(bundle.inputs)
    objective = tidy(bundle.objective or facts.text("objective") or "Present the company")
    instructions = (*bundle.special_instructions, *bundle.instructions)
    aim, topic = _aim_and_topic(objective)
    index = _branch_index(bundle.branch)
    angle = facts.text("angle", "coreMessage", "core_message")
    asked = _asked_focuses(instructions)
    own = asked.get(index) or _label_focus(bundle.branch)
    theme_name = _theme_named(own) if own else DEFAULT_ORDER[index % len(DEFAULT_ORDER)]
    focus = THEMES[theme_name].focus if theme_name else own or "the work"
    return Story(
        company=facts.text(*_COMPANY_KEYS) or _company_in(bundle, objective) or "our company",
        goal_name=_goal_named(f"{facts.text('goal') or ''} {facts.text('type') or ''}")
        or _goal_named(objective)
        or "awareness",
        objective=objective,
        aim=aim,
        topic=facts.text("topic", "subject") or topic or focus,
        audience=_lowered(facts.text("persona", "audience", "audience_segments", "targetAudience")),
        value=_value(facts),
        event=_event(facts.text("recentEvent", "recentNews", "news", "milestone", "content_description")),
        person=facts.text("employee_name", "employeeName", "person", "newColleague"),
        role=facts.text("role", "jobTitle"),
        product=facts.text("productName", "product"),
        tone=facts.text("toneOfVoice", "tone_of_voice", "tone") or "Clear & Straightforward",
        channel=facts.text("channel", "platform", "preferred_channels") or _channel_in(objective),
        focus=focus,
        theme_name=theme_name,
        label=bundle.branch,
        asked=tuple(asked.items()),
        index=index,
        variants=facts.whole("variantCount") or 1,
        points=facts.texts("keyPoints", "supporting_points", "supportingPoints"),
        angle=angle,
        links=facts.links(),
        kind=bundle.capability.kind,
        seed=_seed(bundle),
    )


def _seed(bundle: AgentBundle) -> str:
    material: dict[str, Any] = {
        "node": bundle.node_id,
        "capability": bundle.capability_id,
        "objective": bundle.objective,
        "inputs": dict(bundle.inputs),
        "branch": bundle.branch,
        "repair": bundle.repair,
    }
    return hashlib.sha256(dumps(material).encode()).hexdigest()


def _aim_and_topic(objective: str) -> tuple[str, str | None]:
    """Return what the objective wants done ("invite engineers to join") and, where it names one, its subject."""
    match = _AUTHORING.fullmatch(objective)
    rest = _ON_CHANNEL.sub("", _uncapitalised(match["rest"] if match else objective))
    if match and match["link"].lower() not in {"that", "which", "to"}:
        return f"speak about {rest}", rest
    verb, _, others = rest.partition(" ")
    aim = f"{_infinitive(verb) if match else verb} {others}".strip()
    if _infinitive(verb) not in _TELLING_VERBS:
        return (aim, None) if match else (f"speak about {rest}", rest)
    subject = re.sub(r"^(?:readers|people|everyone)\s+", "", others)
    return aim, None if not subject or " to " in f" {subject} " else subject


def _infinitive(verb: str) -> str:
    """Return "announce" for "announces", and verbs in other forms as they are."""
    if re.search(r"(?:ch|sh|ss|x|z)es$", verb):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def _branch_index(label: str | None) -> int:
    """Return the place of a branch by its label: `b`, `variant-b` and `2` are all the second."""
    last = re.split(r"[^A-Za-z0-9]+", label or "")[-1]
    if re.fullmatch(r"[A-Za-z]", last):
        return ord(last.lower()) - ord("a")
    return max(int(last) - 1, 0) if last.isdigit() and len(last) < 4 else 0


def _asked_focuses(instructions: tuple[str, ...]) -> dict[int, str]:
    """Return what each variant is to be about: "Variant A is about the team." says "the team" of the first."""
    found: dict[int, str] = {}
    for instruction in instructions:
        for sentence in re.split(r"(?<=[.;!])\s+|\n", instruction):
            match = _NAMED_BRANCH.search(sentence)
            if match and (focus := tidy(match["focus"])):
                found.setdefault(_branch_index(match["label"]), _uncapitalised(focus)[:80])
    return found


def _label_focus(label: str | None) -> str | None:
    """Return what a branch is about by its label, when that is more than a letter: "Employee stories"."""
    words = re.findall(r"[A-Za-z]{3,}", label or "")
    plain = [word for word in words if word.lower() not in {"variant", "branch", "option", "version"}]
    return _uncapitalised(tidy(str(label)))[:80] if plain else None


def _theme_named(text: str) -> str | None:
    lowered = text.lower()
    places = {
        name: min(found)
        for name, theme in THEMES.items()
        if (found := [match.start() for word in theme.words if (match := re.search(rf"\b{word}", lowered))])
    }
    return min(places, key=lambda name: places[name], default=None)


def _goal_named(text: str) -> str | None:
    lowered = text.lower()
    return next((n for n, goal in GOALS.items() if any(re.search(rf"\b{w}", lowered) for w in goal.words)), None)


def _company_in(bundle: AgentBundle, objective: str) -> str | None:
    """Return the name that the objective seems to speak of: the longest proper name after its first word."""
    first = Facts(bundle.inputs).text("name", "customer_name")
    if first:
        return first
    names = [m.group() for m in _PROPER_NAME.finditer(objective) if m.start() > 0 and m.group() not in _NOT_COMPANIES]
    return max(names, key=len, default=None)


def _value(facts: Facts) -> str | None:
    return _lowered(facts.text("coreValue", "coreValues", "values", "mission", "differentiators", "valueProposition"))


def _event(text: str | None) -> str | None:
    """Return the news as what "we" did; a noun phrase becomes something that we share."""
    if not text:
        return None
    plain = re.sub(r"^(?:we|they|the company)\s+(?:have\s+|has\s+|recently\s+|just\s+)*", "", text, flags=re.IGNORECASE)
    verb = plain.split()[0].lower()
    if verb.endswith("ed") or verb in _PAST_VERBS:
        return _uncapitalised(plain)
    return f"had news to share: {plain}"


def _channel_in(objective: str) -> str:
    words = re.findall(r"[a-z]+", objective.lower())
    return next((channel for channel in _CHANNELS if channel in words), "web")


def _lowered(text: str | None) -> str | None:
    return None if text is None else _uncapitalised(text)


def _uncapitalised(text: str) -> str:
    """Return the text as it reads inside a sentence; names, abbreviations and lone capitals keep their first letter."""
    first = text.split(" ", 1)[0]
    second = text[len(first) + 1 : len(first) + 2]
    if not first[:1].isupper() or any(c.isupper() for c in first[1:]) or len(first) == 1 or second.isupper():
        return text
    return text[:1].lower() + text[1:]
