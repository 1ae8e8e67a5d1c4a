"""What a WebSocket's client sends: its key, and which frames of which runs it wants to hear."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from policies.errors import InvalidInputError, Problem, pointer
from policies.shape import ObjectReader, is_whole
from policies.strict_json import loads

MAX_RUNS = 1000
MAX_SEQ = 2**53


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants to hear: these runs, or every run of its tenant; types None is every type."""

    run_ids: tuple[str, ...]
    every_run: bool
    types: frozenset[str] | None
    after: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a client: the key that it shows, and what it wants to hear."""

    token: str | None
    wish: Wish | None


def read_message(text: str | bytes, known_types: Iterable[str]) -> Message:
    """Return the checked message. Raises `StrictJSONError` and `InvalidInputError` with every problem."""
    problems: list[Problem] = []
    reader = ObjectReader.of(loads(text), "", problems)
    token, wish = None, None
    if reader is not None:
        token = reader.text("token")
        child = reader.child("subscribe")
        wish = None if child is None else _read_wish(child, problems, frozenset(known_types))
        if not reader.raw:
            problems.append(Problem("", "says nothing: give `subscribe`, and `token` where a key is asked for"))
        reader.close()
    if problems:
        raise InvalidInputError(problems)
    return Message(token, wish)


def _read_wish(reader: ObjectReader, problems: list[Problem], known_types: frozenset[str]) -> Wish:
    named = reader.raw.get("runIds")
    every_run = named == "*"
    run_ids: tuple[str, ...] = ()
    if not reader.require("runIds", '"*" or an array of run ids') or every_run:
        pass
    elif not isinstance(named, list) or not named or not all(isinstance(one, str) and one for one in named):
        reader.report("runIds", 'must be "*" or an array of at least one run id', "type")
    elif len(set(named)) > MAX_RUNS:
        reader.report(
            "runIds", f"names more than {MAX_RUNS} runs; open a further connection for the others", "maxItems"
        )
    else:
        run_ids = tuple(dict.fromkeys(named))
    types = _read_types(reader, known_types)
    after = _read_after(reader, problems, None if every_run else frozenset(run_ids))
    reader.close()
    return Wish(run_ids, every_run, types, after)


def _read_types(reader: ObjectReader, known_types: frozenset[str]) -> frozenset[str] | None:
    if not reader.has("types"):
        return None
    given = reader.raw["types"]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        reader.report("types", "must be an array of types of frames")
        return None
    unknown = sorted(set(given) - known_types)
    if unknown:
        reader.report("types", f"{', '.join(unknown)}: no such type of frame")
    return frozenset(given) or None


def _read_after(reader: ObjectReader, problems: list[Problem], run_ids: frozenset[str] | None) -> Mapping[str, int]:
    if not reader.has("after"):
        return {}
    given = reader.raw["after"]
    if not isinstance(given, dict) or len(given) > MAX_RUNS:
        reader.report("after", f"must be an object of at most {MAX_RUNS} members: run id to seq")
        return {}
    for run_id, seq in given.items():
        at = f"{reader.at}{pointer('after', run_id)}"
        if not is_whole(seq) or not 0 <= seq <= MAX_SEQ:
            problems.append(Problem(at, "must be a seq: a whole number from 0 on", "type"))
        elif run_ids is not None and run_id not in run_ids:
            problems.append(Problem(at, "is not among `runIds`", "unknown_run"))
    return dict(given)
