"""How many examples a law is tried with: few by default, all with `pytest --hypothesis-profile=thorough`.

The option may stand in the environment: PYTEST_ADDOPTS=--hypothesis-profile=thorough.
"""

from __future__ import annotations

from hypothesis import settings

BRIEF, THOROUGH = "brief", "thorough"
settings.register_profile(BRIEF, max_examples=50)
settings.register_profile(THOROUGH, max_examples=200)


def examples(thorough: int) -> int:
    """Return the number of examples of a law that is tried with so many when there is time."""
    return max(1, thorough * settings.default.max_examples // 200) if settings.default else thorough
