"""What a piece of code does, counted: the measure of whoever would tell answers apart by the time that they take.

Clocks differ from one call to the next even where the work is the same, so no clock is read. Equal counts mean the
same way through our code, the same statements in the same numbers, and as many hashes and comparisons of hashes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

from sqlalchemy import Engine, event

from models.prepared import Prepared
from tests.support.web import ROOT

OURS = tuple(f"{ROOT / room}/" for room in ("app", "tasks", "models", "planner", "policies"))
HASHING = ("compare_digest", "openssl_sha256")


def work_of(action: Callable[[], object]) -> Counter[str]:
    """Do it, and return how often each function of ours was called, each statement sent, and something hashed."""
    done: Counter[str] = Counter()

    def note(frame: FrameType, happening: str, given: Any) -> None:
        code = frame.f_code
        if happening == "call" and code.co_filename.startswith(OURS):
            done[f"{code.co_filename}: {code.co_qualname}"] += 1
            if code is Prepared.run.__code__:
                done[frame.f_locals["self"]._execute] += 1
        elif happening == "c_call" and given.__name__ in HASHING:
            done[given.__name__] += 1

    def note_statement(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        done[statement] += 1

    before = sys.getprofile()
    event.listen(Engine, "before_cursor_execute", note_statement)
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(before)
        event.remove(Engine, "before_cursor_execute", note_statement)
    return done


def statements_of(done: Counter[str]) -> Counter[str]:
    """Return the statements among what was done."""
    return Counter({name: count for name, count in done.items() if not name.startswith((*OURS, *HASHING))})
