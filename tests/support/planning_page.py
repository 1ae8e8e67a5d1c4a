"""The table of weights in the page on planning, written from the code: `python -m tests.support.planning_page`."""

from __future__ import annotations

import re
from pathlib import Path

from planner.assembly.scoring import OBJECTIVE_WEIGHTS, WEIGHTS

PAGE = Path(__file__).parents[2] / "docs" / "architecture" / "planning.md"
_BETWEEN = re.compile(r"(<!-- weights:[^\n]*-->\n).*?(<!-- /weights -->)", re.DOTALL)


def weights_table() -> str:
    """Return the weights as a Markdown table, one column for each objective that changes any."""
    objectives = [name for name, changed in OBJECTIVE_WEIGHTS.items() if changed]
    lines = [f"| Part | Weight | {' | '.join(objectives)} |", "|---|" + "---|" * (len(objectives) + 1)]
    for part, weight in WEIGHTS.items():
        changed = [OBJECTIVE_WEIGHTS[name].get(part, weight) for name in objectives]
        lines.append(f"| {part} | {weight:g} | {' | '.join(f'{value:g}' for value in changed)} |")
    return "\n".join(lines) + "\n"


def page_with_table() -> str:
    """Return the page with the table as the code has it."""
    return _BETWEEN.sub(lambda found: found[1] + "\n" + weights_table() + "\n" + found[2], PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(page_with_table())
