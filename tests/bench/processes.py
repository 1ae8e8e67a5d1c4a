"""What processes hold in memory and have used of the processors; needs nothing but Python and Linux."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_SHARE = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)
_USER_AND_SYSTEM = slice(11, 13)
"""Where the times stand in /proc/…/stat behind the name of the program, in ticks."""


def mebibytes(process_ids: Iterable[int]) -> float | None:
    """Return the memory of the processes and all that they started; None where it cannot be read.

    A page that several share is divided among them.
    """
    try:
        return round(sum(_kibibytes(each) for each in _families(process_ids)) / 1024, 1)
    except OSError:
        return None


def processor_seconds(process_ids: Iterable[int]) -> float | None:
    """Return the processor time that the processes and all that they started have used; None where it is not told."""
    try:
        return sum(_ticks(each) for each in _families(process_ids)) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return None


def per_run(before: float | None, after: float | None, runs: int) -> float | None:
    """Return the milliseconds of processor time that each of the runs between two readings took."""
    return None if before is None or after is None else round((after - before) * 1000 / runs, 2)


def _families(process_ids: Iterable[int]) -> Iterable[int]:
    for process_id in process_ids:
        yield process_id
        for task in Path(f"/proc/{process_id}/task").iterdir():
            yield from _families(int(child) for child in (task / "children").read_text(encoding="ascii").split())


def _kibibytes(process_id: int) -> int:
    found = _SHARE.search(Path(f"/proc/{process_id}/smaps_rollup").read_text(encoding="ascii"))
    return int(found[1]) if found else 0


def _ticks(process_id: int) -> int:
    behind_name = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in behind_name[_USER_AND_SYSTEM])
