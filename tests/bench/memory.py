"""What processes hold in memory, each shared page divided among those that share it; needs nothing but Linux."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_SHARE = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def mebibytes(process_ids: Iterable[int]) -> float | None:
    """Return the proportional size of the processes and of all that they started; None where it cannot be read."""
    try:
        return round(sum(_kibibytes(each) for process_id in process_ids for each in _family(process_id)) / 1024, 1)
    except OSError:
        return None


def _family(process_id: int) -> Iterable[int]:
    yield process_id
    for task in Path(f"/proc/{process_id}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from _family(int(child))


def _kibibytes(process_id: int) -> int:
    found = _SHARE.search(Path(f"/proc/{process_id}/smaps_rollup").read_text(encoding="ascii"))
    return int(found[1]) if found else 0
