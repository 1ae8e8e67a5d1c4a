# ruff: noqa: E501 - a sentence that is broken in the middle cannot be read aloud
"""The sentences that the offline provider knows, by goal and by theme.

A slot in braces is filled from the story; a slot with a capital begins a sentence. A sentence whose slot the story
cannot fill is left out, so each stands on its own. Within a row the alternatives are equally good.
"""

from __future__ import annotations

from dataclasses import dataclass

Lines = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Goal:
    """What a text is to bring about: `words` recognise it, the rest says it."""

    words: Lines
    purpose: str
    invitations: Lines
    calls: Lines


@dataclass(frozen=True, slots=True)
class Theme:
    """What a text is about; `hiring_*` rows are used when it is to win new colleagues."""

    focus: str
    words: Lines
    headlines: Lines
    hiring_headlines: Lines
    openers: Lines
    hiring_openers: Lines
    beliefs: Lines
    news: Lines
    hiring_invitations: Lines
    hiring_calls: Lines
    point: str


GOALS: dict[str, Goal] = {
    "hiring": Goal(
        (
            "attract_new_employees",
            "employees",
            "recruit",
            "hire",
            "hiring",
            "join",
            "career",
            "vacanc",
            "talent",
            "job",
        ),
        "win new colleagues",
        ("If this sounds like a place for you, come and talk to us.",),
        ("See our open roles at {company}.", "See our open roles.", "Join us"),
    ),
    "welcome": Goal(
        ("new_employee", "welcome", "new colleague", "onboard"),
        "welcome a new colleague",
        ("Give {person} a warm welcome.", "A warm welcome to the newest face at {company}."),
        ("Say hello to {person} in the comments.", "Say hello in the comments.", "Say hello"),
    ),
    "event": Goal(
        ("event", "webinar", "conference", "meetup", "open day", "workshop", "fair"),
        "fill the room",
        ("Come by, bring your questions, and meet the people behind {company}.",),
        ("Save your seat with {company}.", "Save your seat.", "Join us"),
    ),
    "launch": Goal(
        ("launch", "introduc", "release", "announce", "new product"),
        "introduce something new",
        ("Have a look, and tell us what you would like to see next.",),
        ("See what is new at {company}.", "See what is new.", "See it"),
    ),
    "case": Goal(
        ("new_case", "case study", "customer story", "success story", "reference"),
        "show what was achieved with a customer",
        ("There is more to tell about how it was done, and we are glad to tell it.",),
        ("Read the whole story at {company}.", "Read the whole story.", "Read on"),
    ),
    "demand": Goal(
        ("sale", "lead", "demo", "customers", "trial", "sign up", "signup", "convert", "book a"),
        "start conversations with customers",
        ("If this is a question on your desk too, we would be glad to think along.",),
        ("Talk to {company} about your case.", "Talk to us about your case.", "Talk to us"),
    ),
    "awareness": Goal(
        (),
        "be known for what we stand for",
        ("We would like to hear how you see it.",),
        ("Follow {company} for more.", "Follow us for more.", "Follow us"),
    ),
}

THEMES: dict[str, Theme] = {
    "team": Theme(
        "the team",
        ("team", "people", "colleague", "crew", "together"),
        ("The people behind {company}", "The people behind it", "Our people"),
        ("Meet the people behind {company}", "Meet our people", "Our team"),
        ("Behind everything that {company} does there are people who enjoy working together.",),
        (
            (
                "{Audience} can choose where they work, and often it is the people at the next desk who decide it. "
                "So let us introduce ours, at {company}."
            ),
            (
                "A job description tells you what you will do. It rarely tells {audience} whom they will do it with, "
                "so here is the team at {company}."
            ),
        ),
        (
            (
                "One rule holds our team together: {value}. It shapes how we plan our days, how we review each other's "
                "work and how we welcome newcomers."
            ),
            (
                "What we share is a rule of three or four words: {value}. You notice it in how we plan, how we review "
                "and how we treat a question on somebody's first day."
            ),
        ),
        ("Our latest milestone is a shared one: we recently {event}.", "And we did something together: we {event}."),
        ("If you want colleagues to learn from and to rely on, come and meet us.",),
        ("Meet the team and see our open roles at {company}.", "Meet the team and see our open roles.", "Meet us"),
        "The team at {company} comes first: who works there, and how they work together",
    ),
    "growth": Theme(
        "growth",
        ("grow", "scale", "expan", "career", "future", "ambition"),
        ("{Company} is growing", "What growth asks of {company}", "We are growing"),
        ("{Company} is growing. Grow with us", "Grow with us", "Grow here"),
        ("Growth at {company} is more than a line that goes up: it is more to learn, and more to take care of.",),
        (
            (
                "From the outside, growth looks like a chart. For {audience} at {company} it looks like open questions, "
                "new roles and room to make a mark."
            ),
            (
                "{Company} is growing, and for {audience} that means something practical: new problems worth solving and "
                "room to decide how."
            ),
        ),
        (
            (
                "We grow without letting go of what we stand for: {value}. That holds for every new colleague, every new "
                "project and every new customer."
            ),
            (
                "Growing fast is easy to promise. We promise something else: {value}, this year and when we are twice "
                "the size."
            ),
        ),
        ("The newest sign of it: we recently {event}.", "And it shows: we recently {event}."),
        ("If you would rather shape the next chapter than read about it, this is a good moment to talk.",),
        ("Apply now and grow with {company}.", "Apply now and grow with us.", "Apply now"),
        "{Company} is growing, and growth means room to take part and to decide",
    ),
    "safety": Theme(
        "safety",
        ("safe", "quality", "reliab", "trust"),
        ("Why safety comes first at {company}", "Why safety comes first", "Safety first"),
        ("Build things that people can trust, at {company}", "Build what people trust", "Safety first"),
        ("At {company}, trust is something to be earned with every delivery.",),
        (
            (
                "{Audience} know the moment: it works, and now the real question is whether it is safe. At {company} that "
                "question gets the time that it needs."
            ),
        ),
        (
            (
                "It comes down to what we value most: {value}. Plans, deadlines and demos follow from it, not the other way "
                "round."
            ),
        ),
        ("Our latest step: we recently {event}.",),
        ("If you would like to be proud of what you deliver, and sleep well too, come and talk to us.",),
        ("Come and build with care at {company}.", "Come and build with care.", "Join us"),
        "Safety and quality are what {company} wants to be measured by",
    ),
    "technology": Theme(
        "the technology",
        ("tech", "innovat", "engineering", "product", "platform", "craft", "robot", "software"),
        ("A look at the engineering behind {company}", "The engineering behind it", "How it works"),
        ("Problems worth your time, at {company}", "Problems worth your time", "Build with us"),
        ("Good engineering is mostly invisible. Here is some of what happens out of sight at {company}.",),
        (
            (
                "{Audience} want hard problems and the time to solve them properly. That is a fair description of a week at "
                "{company}."
            ),
        ),
        ("Every technical choice meets the same test: {value}. It makes discussions shorter and results better.",),
        ("There is more to work with now: we recently {event}.",),
        ("If that is the kind of work you look for, have a look at where you could start.",),
        ("Find your next problem at {company}.", "Find your next problem with us.", "Join us"),
        "The work itself is worth telling: real problems, solved with care",
    ),
    "customers": Theme(
        "our customers",
        ("customer", "client", "user", "case", "impact", "result"),
        ("What customers can count on at {company}", "What customers can count on", "For you"),
        ("Work that matters to somebody, at {company}", "Work that matters", "Matter"),
        ("The best description of {company} is what changes for the people we work for.",),
        ("{Audience} like to see where their work ends up. At {company} it ends up with people who use it every day.",),
        ("What they can count on is simple: {value}. We would rather say no than bend it.",),
        ("There is news for them as well: we recently {event}.",),
        ("If you want to see your work in use, come and talk to us.",),
        ("See what your work could change at {company}.", "See what your work could change.", "Join us"),
        "Show what changes for the people whom {company} works for",
    ),
    "learning": Theme(
        "learning",
        ("learn", "training", "develop", "skill", "knowledge", "mentor"),
        ("How {company} keeps learning", "How we keep learning", "Keep learning"),
        ("Keep learning at {company}", "Keep learning with us", "Learn here"),
        ("Nobody at {company} is finished learning, and that is how we like it.",),
        (
            (
                "{Audience} who stop learning get bored. At {company} there is always somebody to learn from, and somebody to "
                "teach."
            ),
        ),
        ("What guides us while we learn does not change: {value}.",),
        ("There is a new occasion to learn: we recently {event}.",),
        ("If curiosity is your reason to get up, come and see us.",),
        ("Start learning with {company}.", "Start learning with us.", "Join us"),
        "There is always more to learn at {company}, and time to do it",
    ),
    "culture": Theme(
        "our culture",
        ("cultur", "value", "belief", "mission", "purpose", "sustainab", "balance"),
        ("What {company} stands for", "What we stand for", "Our values"),
        ("Work by your values at {company}", "Work by your values", "Our values"),
        ("Values are what remains when it gets busy. Here is what remains at {company}.",),
        (
            (
                "{Audience} ask good questions in interviews, and the best one is what happens when it gets busy. Here is the "
                "answer of {company}."
            ),
        ),
        ("It fits on a note beside the screen: {value}. It is also how we decide when nobody is watching.",),
        ("Something that shows it: we recently {event}.",),
        ("If you recognise yourself in it, come and talk to us.",),
        ("See how we work at {company}.", "See how we work.", "Join us"),
        "What {company} stands for, shown in how it decides",
    ),
}

ANY_FOCUS = Theme(
    "",
    (),
    ("{Focus}: how {company} sees it", "{Focus}, as we see it", "{Focus}"),
    ("{Focus} at {company}", "{Focus}", "Join us"),
    ("There is more to say about {focus} than fits into a slogan. Here is how {company} sees it.",),
    ("Ask {readers} what matters to them, and {focus} soon comes up. At {company} it does too.",),
    ("What we hold on to is this: {value}. It is where every discussion at {company} begins.",),
    ("A recent example: we {event}.",),
    ("If that speaks to you, come and talk to us.",),
    ("See our open roles at {company}.", "See our open roles.", "Join us"),
    "{Focus}, seen through the eyes of {company}",
)

DEFAULT_ORDER = ("team", "growth", "safety", "technology", "customers", "learning", "culture")

# Sentences that go on where a text must be longer; each stands alone and claims nothing about anybody.
MORE: Lines = (
    "Questions are welcome, the simple ones most of all.",
    "Good work needs time, clear words and people who listen.",
    "What counts in the end is what still holds after a year.",
    "We like to show how something was made, not only that it was.",
    "Small steps that are taken every week go further than one big leap.",
    "A clear reason makes a decision easier to share, and easier to correct.",
    "The best ideas tend to come from those who do the work every day.",
    "It helps to write down what was learnt while it is still fresh.",
    "Plain language is a courtesy to everyone who reads along.",
    "Whoever knows what matters can say no to the rest with a quiet mind.",
    "Care is not the opposite of progress: it is what makes progress last.",
    "Every answer that is given honestly saves three questions later on.",
)

# A longer text about a subject: heading, then its paragraph.
SECTIONS: tuple[tuple[str, str], ...] = (
    (
        "Why it matters now",
        (
            "When {readers} talk about {topic}, the same questions come back: where to begin, what to measure, and who "
            "decides. They are good questions, and they rarely have the same answer twice. That is a reason to look at "
            "{topic} with fresh eyes, rather than to wait for somebody else's recipe."
        ),
    ),
    (
        "What comes first",
        (
            "At {company} one principle comes before the others: {value}. A principle is only worth something when it "
            "costs something, so we let it decide in the moments that are hard: when time is short, when two goals pull in "
            "different directions, when the easy way is also the risky one."
        ),
    ),
    (
        "Where to begin",
        (
            "Begin small. Choose one place where {topic} would make a visible difference, write down what good looks "
            "like there, and agree on the day to look at it again. A first result that everybody can see does more "
            "than a plan for everything at once."
        ),
    ),
    (
        "An example from our own work",
        (
            "We recently {event}. It is one step, and we mention it because it shows the principle at work: a decision "
            "was prepared with care, taken in the open, and can be judged by what it brings."
        ),
    ),
    (
        "What tends to go wrong",
        (
            "Three things get in the way more often than technology does: goals that nobody wrote down, results that nobody "
            "looks at, and questions that nobody dares to ask. None of them is expensive to mend. All of them need "
            "somebody who feels responsible."
        ),
    ),
    (
        "How to keep going",
        (
            "What works should become a habit. Put a short review on the calendar, let somebody else lead it each time, and "
            "keep a list of what was learnt. After a few months that list is worth more than any guideline, because it "
            "is about your own work."
        ),
    ),
    (
        "What to take away",
        (
            "Begin with one visible step, say aloud what comes first, and look at the result together. That is most of what "
            "{topic} asks for, and it can start this week."
        ),
    ),
)
