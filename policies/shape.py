"""Read a JSON object member by member, and report everything that is wrong with it at once, each at its pointer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from math import isfinite
from typing import Any, TypeGuard

from policies.errors import Problem, pointer

# Bounds that keep the checking of a hostile document cheap: elements read per array, unknown members told per object,
# and problems after which no near name is looked for any more.
MAX_ITEMS = 1000
MAX_UNKNOWN = 50
MAX_HINTED = 100
MAX_SHOWN = 80

KINDS = {dict: "an object", list: "an array", str: "a string", bool: "true or false", type(None): "null"}


def name_kind(value: Any) -> str:
    """Return how a reader would call the JSON type of a value: `a string`, `true or false`, `a number`."""
    return KINDS.get(type(value), "a number")


def is_number(value: Any) -> TypeGuard[int | float]:
    """Tell whether a value is a JSON number: true and false are none, nor is what JSON cannot write."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or isfinite(value)


def is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean ...?` with the nearest known name, or nothing when none is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean `{near[0]}`?" if near else ""


def shown(text: str) -> str:
    """Return a text as messages quote it, cut where it is long."""
    return f"`{text}`" if len(text) <= MAX_SHOWN else f"`{text[:MAX_SHOWN]}`…"


class ObjectReader:
    """A JSON object under inspection; every member read becomes known, `close` refuses the rest.

    The getters return the value, or the default when the member is absent or wrong; a wrong one leaves a problem.
    """

    def __init__(self, raw: dict[str, Any], at: str, problems: list[Problem]) -> None:
        self.raw = raw
        self.at = at
        self.problems = problems
        self.known: set[str] = set()

    @classmethod
    def of(cls, raw: Any, at: str, problems: list[Problem]) -> ObjectReader | None:
        """Return a reader, or None with a problem when the value is no object."""
        if isinstance(raw, dict):
            return cls(raw, at, problems)
        problems.append(Problem(at, f"must be an object, not {name_kind(raw)}", "type"))
        return None

    def place(self, key: str) -> str:
        return self.at + pointer(key)

    def hint(self, name: str, known: Iterable[str]) -> str:
        return suggest(name, known) if len(self.problems) < MAX_HINTED and len(name) <= MAX_SHOWN else ""

    def report(self, key: str, message: str, code: str = "invalid") -> None:
        self.problems.append(Problem(self.place(key), message, code))

    def has(self, key: str) -> bool:
        self.known.add(key)
        return key in self.raw

    def require(self, key: str, what: str) -> bool:
        """Tell whether the member is there; report it missing at its own pointer when it is not."""
        if self.has(key):
            return True
        self.report(key, f"is required: {what}", "required")
        return False

    def _typed(self, key: str, fits: Callable[[Any], bool], wanted: str, *, required: bool) -> Any:
        """Return the member when it fits; else report it, and return None."""
        if not (self.require(key, wanted) if required else self.has(key)):
            return None
        value = self.raw[key]
        if fits(value):
            return value
        self.report(key, f"must be {wanted}, not {name_kind(value)}", "type")
        return None

    def text(self, key: str, *, required: bool = False) -> str | None:
        """Return a string with at least one visible character."""
        value = self._typed(key, lambda v: isinstance(v, str), "a string", required=required)
        if value is None:
            return None
        if not value.strip():
            self.report(key, "must not be blank", "minLength")
            return None
        return str(value)

    def integer(self, key: str, low: int, high: int | None = None, *, required: bool = False) -> int | None:
        """Return a whole number within the bounds, both included."""
        fits = self._typed(key, is_whole, "a whole number", required=required)
        if fits is None:
            return None
        if fits < low or (high is not None and fits > high):
            self.report(key, f"must be {f'{low} to {high}' if high is not None else f'at least {low}'}", "range")
            return None
        return int(fits)

    def number(self, key: str, *, above: float | None = None, required: bool = False) -> float | None:
        """Return a finite number, greater than `above` when that is given."""
        value = self._typed(key, is_number, "a number", required=required)
        if value is None:
            return None
        if above is not None and value <= above:
            self.report(key, f"must be greater than {above:g}", "range")
            return None
        return float(value) if isinstance(value, float) else int(value)

    def flag(self, key: str, *, default: bool) -> bool:
        value = self._typed(key, lambda v: isinstance(v, bool), "true or false", required=False)
        return default if value is None else bool(value)

    def choice(self, key: str, choices: Sequence[str], *, required: bool = False) -> str | None:
        value = self.text(key, required=required)
        if value is None or value in choices:
            return value
        listed = ", ".join(choices)
        self.report(key, f"{shown(value)} is not one of: {listed}.{self.hint(value, choices)}", "enum")
        return None

    def free(self, key: str) -> dict[str, Any] | None:
        """Return an object whose members are the caller's own business."""
        value = self._typed(key, lambda v: isinstance(v, dict), "an object", required=False)
        return value if isinstance(value, dict) else None

    def child(self, key: str, *, required: bool = False) -> ObjectReader | None:
        """Return a reader of the object at `key`."""
        value = self._typed(key, lambda v: isinstance(v, dict), "an object", required=required)
        return ObjectReader(value, self.place(key), self.problems) if isinstance(value, dict) else None

    def items(self, key: str, *, at_least: int = 0) -> Iterator[tuple[Any, str]]:
        """Yield each element of the array at `key` with its pointer."""
        value = self._typed(key, lambda v: isinstance(v, list), "an array", required=False)
        if value is None:
            return
        if len(value) < at_least:
            self.report(key, f"must hold at least {at_least}; leave the member out to ask for none", "minItems")
        if len(value) > MAX_ITEMS:
            self.report(key, f"must hold at most {MAX_ITEMS}, not {len(value)}", "maxItems")
        for index, item in enumerate(value[:MAX_ITEMS]):
            yield item, self.place(key) + pointer(index)

    def texts(self, key: str, *, choices: Sequence[str] | None = None) -> tuple[str, ...] | None:
        """Return the array of strings at `key` without doubles, None when the member is absent."""
        if not self.has(key):
            return None
        wrapped = {place: item for item, place in self.items(key)}
        checked = [self._text_item(item, place, choices) for place, item in wrapped.items()]
        return tuple(dict.fromkeys(item for item in checked if item is not None))

    def _text_item(self, item: Any, place: str, choices: Sequence[str] | None) -> str | None:
        if not isinstance(item, str) or not item.strip():
            found = "a blank one" if isinstance(item, str) else name_kind(item)
            self.problems.append(Problem(place, f"must be a string with text, not {found}", "type"))
            return None
        if choices is not None and item not in choices:
            hint = f"{shown(item)} is not one of: {', '.join(choices)}.{self.hint(item, choices)}"
            self.problems.append(Problem(place, hint, "enum"))
            return None
        return item

    def close(self) -> None:
        """Refuse every member that nobody asked for."""
        unknown = [name for name in self.raw if name not in self.known]
        listed = ", ".join(sorted(self.known))
        for key in unknown[:MAX_UNKNOWN]:
            self.report(
                key, f"is not known here.{self.hint(key, self.known)} This object takes: {listed}", "unknown_key"
            )
        if len(unknown) > MAX_UNKNOWN:
            message = f"holds {len(unknown) - MAX_UNKNOWN} further members that are not known here"
            self.problems.append(Problem(self.at, message, "unknown_key"))
