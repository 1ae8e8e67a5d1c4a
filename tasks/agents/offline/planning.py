"""The texts that those who plan, brief and review write for each other: angles, key points, reasons, findings."""

from __future__ import annotations

import re

from tasks.agents.offline import copywriting
from tasks.agents.offline.place import Place
from tasks.agents.offline.story import Story, capitalised

Texts = tuple[str, ...]
ADVICE_LISTS = {"recommendationset", "recommendations", "suggestions"}
_ADVICE_REASONS = (
    "Readers decide in the first lines whether to go on",
    "A small test costs little and shows what the words do",
    "Faces are remembered longer than claims",
)
_SMALL_WORDS = {"about", "from", "into", "that", "their", "they", "this", "what", "when", "with", "your", "ours"}


def points(story: Story) -> Texts:
    lines = (
        story.say(story.theme.point),
        story.say("{Company} stands for {value}"),
        story.say("The news to mention: {company} recently {event}") if is_deed(story) else None,
        f"Speak to {story.readers} directly, in plain words",
        f"Close with one clear step: {copywriting.calls(story)[0].rstrip('.')}",
    )
    return (*(line for line in lines if line), *story.points)


def is_deed(story: Story) -> bool:
    return bool(story.event) and not str(story.event).startswith("had news")


def musts(story: Story) -> Texts:
    lines = (story.company, story.say("{Value}"), story.event and capitalised(story.event))
    return tuple(line for line in lines if line)


def topic_keywords(story: Story) -> Texts:
    words = [word for word in re.findall(r"[\w-]{4,}", story.topic.lower()) if word not in _SMALL_WORDS]
    return tuple(dict.fromkeys([story.topic.lower(), *words, story.company.lower(), story.readers.lower()]))[:6]


def topic_summary(story: Story) -> str:
    return f"A practical look at {story.topic} for {story.readers}, from the point of view of {story.company}."


def differentiators(story: Story) -> Texts:
    lines = (story.say("{Value}"), f"A clear voice on {story.focus}", f"Close contact with {story.readers}")
    return tuple(line for line in lines if line)


def proofs(story: Story) -> Texts:
    deed = story.say("{Company} recently {event}") if is_deed(story) else None
    return tuple(line for line in (deed, f"Examples from daily work at {story.company}") if line)


def gains(story: Story) -> Texts:
    return f"A clear picture of what {story.company} stands for", "A direct line to the people behind it"


def directions(story: Story) -> Texts:
    return tuple(capitalised(text) for i in range(5) if (text := story.at(i).say(story.at(i).theme.point)))


def hashtags(story: Story) -> Texts:
    words = (story.company, story.theme_name or story.focus, story.goal_name, story.channel)
    return tuple(dict.fromkeys("#" + "".join(capitalised(w) for w in re.findall(r"\w+", word)) for word in words))


def keywords(story: Story) -> Texts:
    words = (story.company, story.theme_name or story.focus, story.goal_name, story.readers)
    return tuple(dict.fromkeys(word.lower() for word in words))


def checks(story: Story) -> Texts:
    return (
        f"The text names {story.company} and keeps to its facts",
        f"It speaks to {story.readers} in a tone that fits: {story.tone}",
        "It ends with one clear call to action",
        "It reads well aloud and has no spelling mistakes",
    )


def handoff(story: Story) -> Texts:
    lines = (
        f"Goal: {story.goal.purpose}, on {story.channel}",
        f"Angle: {angle(story)}",
        story.say("Use as the core value: {value}"),
        "Open: nothing that would hold up the next step",
    )
    return tuple(line for line in lines if line)


def sections(story: Story) -> Texts:
    return tuple(text for _, text in copywriting.sections(story))


def headings(story: Story) -> Texts:
    return tuple(heading for heading, _ in copywriting.sections(story))


def recommendations(story: Story) -> Texts:
    return (
        "Keep the opening as it is: it says at once what the text is about",
        f"Test the call to action with a few {story.readers} before a wider release",
        "Add a picture that shows real people at work",
    )


def angle(story: Story) -> str:
    return f"Let {story.focus} speak for {story.company}, and close with one clear step"


def rationale(story: Story, place: Place) -> Texts:
    if place.parent in ADVICE_LISTS:
        return (_ADVICE_REASONS[place.index % len(_ADVICE_REASONS)],)
    reader = f"The goal is to {story.goal.purpose}. {capitalised(story.readers)} decide quickly whether a text is meant"
    lines = (
        f"{reader} for them, so it begins with {story.focus} and leaves everything else for later.",
        story.say("The core value ({value}) gives it a reason to be believed."),
        "One clear step at the end makes the effect easy to measure.",
    )
    return (" ".join(line for line in lines if line),)


def summary(story: Story) -> str:
    if story.kind == "validation":
        return (
            f"The text names {story.company}, keeps to {story.focus} and ends with a clear call to action. "
            "Nothing stands in the way of publishing it."
        )
    value = story.say(" It leans on what {company} stands for: {value}.") or ""
    return f"{story.company} speaks to {story.readers} about {story.focus}, to {story.goal.purpose}.{value}"


def message(story: Story) -> str:
    known = story.say("{Company} stands for {value}, and shows it in {focus}.")
    return known or f"You can see in {story.focus} what {story.company} stands for."


def guidelines(story: Story) -> str:
    manner = f"Write plain, active sentences. Speak to {story.readers} directly"
    return f"{manner}, name {story.company} early, and promise only what can be shown."
