"""The texts that readers see: headlines, posts, calls to action, articles."""

from __future__ import annotations

from tasks.agents.offline.story import Story, capitalised
from tasks.agents.offline.themes import SECTIONS

_TOPICAL_GOALS = {"launch", "event", "case"}
_LONGEST_TOPIC_HEADLINE = 70


def headlines(story: Story) -> tuple[str, ...]:
    """Return headlines, the fullest first, shorter ones for narrow fields after it."""
    theme = story.theme
    rows = theme.hiring_headlines if story.hiring else theme.headlines
    lines = [text for row in rows if (text := story.say(row)) is not None]
    if story.goal_name == "welcome" and story.index == 0 and story.person:
        lines.insert(0, f"Welcome to {story.company}, {story.person}")
    elif story.goal_name in _TOPICAL_GOALS and story.index == 0 and len(story.topic) <= _LONGEST_TOPIC_HEADLINE:
        lines.insert(0, capitalised(story.topic))
    return tuple(lines)


def paragraphs(story: Story) -> tuple[str, ...]:
    """Return the body of a short text: an opening, what we stand for, the news with an invitation."""
    theme = story.theme
    opener = story.pick(theme.hiring_openers, "opener") if story.hiring else None
    closing = (story.pick(theme.news, "news"), _invitation(story))
    opener = opener or story.pick(theme.openers, "opener")
    first = (_occasion(story), opener) if story.goal_name == "welcome" else (opener, _occasion(story))
    found = (
        *first,
        story.pick(theme.beliefs, "belief"),
        " ".join(part for part in closing if part),
    )
    return tuple(text for text in found if text)


def bodies(story: Story) -> tuple[str, ...]:
    """Return the body with paragraphs, and the same on one line for fields that allow no line breaks."""
    parts = paragraphs(story)
    return "\n\n".join(parts), " ".join(parts)


def calls(story: Story) -> tuple[str, ...]:
    rows = story.theme.hiring_calls if story.hiring else story.goal.calls
    return tuple(text for row in rows if (text := story.say(row)) is not None)


def posts(story: Story) -> tuple[str, ...]:
    """Return a whole post: headline, body and call to action in one text."""
    parts = (headlines(story)[0], *paragraphs(story), calls(story)[0])
    return "\n\n".join(parts), " ".join(part if part[-1] in ".!?" else f"{part}." for part in parts)


def titles(story: Story) -> tuple[str, ...]:
    """Return titles for a longer text about the story's topic."""
    topic = capitalised(story.topic)
    return f"{topic}: a view from {story.company}", topic, *headlines(story)


def sections(story: Story) -> tuple[tuple[str, str], ...]:
    """Return the parts of a longer text as (heading, text); a part whose facts are not known is left out."""
    return tuple((heading, said) for heading, text in SECTIONS if (said := story.say(text)) is not None)


def articles(story: Story) -> tuple[str, ...]:
    """Return a whole article in Markdown, and the same as plain text."""
    intro = introduction(story)
    marked = [intro, *(f"## {heading}\n\n{text}" for heading, text in sections(story)), calls(story)[0]]
    plain = [intro, *(text for _, text in sections(story)), calls(story)[0]]
    return "\n\n".join(marked), " ".join(plain)


def introduction(story: Story) -> str:
    about = f"There is more to {story.topic} than a headline can hold."
    return f"{about} This text looks at it from the side of {story.readers}, one step at a time."


def _occasion(story: Story) -> str | None:
    """Return the sentence that says what a text is for, where its goal does not say it already."""
    if story.hiring:
        return None
    if story.goal_name == "welcome" and story.person:
        joined = f"{story.person} has joined {story.company}"
        return f"{joined} as {story.role}." if story.role else f"{joined}."
    return f"That is why we want to {story.aim}."


def _invitation(story: Story) -> str | None:
    own = story.pick(story.theme.hiring_invitations, "invitation") if story.hiring else None
    return own or story.pick(story.goal.invitations, "invitation")
