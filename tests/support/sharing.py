"""Which tests go to the same worker of `pytest -n`, so that they share what is dear to start, and break it in turn.

A whole stack or crew is one per worker of pytest. Tests that use the same one stay together; whatever is not named here
is given out test by test, to whichever worker has time. Groups are given out first, so that the rest fills the gaps.
The marks of pytest-xdist itself, `xdist_group`, have no effect with this pytest: they change a name that is not read.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

GROUPS = {
    "tests/faults/": "faults",
    "tests/acceptance/": "stacks",
    "tests/integration/test_cli.py": "stacks",
    "tests/integration/test_cli_up.py": "starts",
}
"""By the beginning of a test's path: who stays together."""
ALONE = ("tests/faults/test_interleavings.py", "tests/faults/test_the_list.py")
"""Tests below such a path that use nothing which is shared."""


def group_of(nodeid: str) -> str:
    """Return the name of a test's group, its own id when it needs no company."""
    if not nodeid.startswith(ALONE):
        for beginning, group in GROUPS.items():
            if nodeid.startswith(beginning):
                return group
    return nodeid


class SharingScheduler(LoadScopeScheduling):
    """Gives out groups whole, the largest first, and then test by test."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
