"""The list of acceptance criteria: no row is missing, and what each row names is there."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference" / "acceptance.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (?!Id |-)(\S+) \| (.+?) \| (.*) \|$", re.MULTILINE)
NAMED = re.compile(r"`([\w/]+\.py::\w+)`")
LATER = re.compile(r"\*\*later\*\*: \S")
ROWS = ROW.findall(TEXT)
COUNTS = {"P1.": 7, "P2.": 13, "P3.": 10, "E-": 10}
COUNTS |= {"8.3-AC": 5, "8.8-AC": 7, "8.9-AC": 6, "8.3-N": 3, "8.8-N": 2}
DETAILS = {"8.3": ("F1-4", "I5-7", "Q8-10"), "8.8": ("F1-5", "I5-8", "Q8-10"), "8.9": ("F1-4", "I5-7", "Q8-10")}
"""The detailed criteria of a story, numbered as it numbers them: 8.8 counts two groups from 5 and from 8 again."""


def asked() -> list[str]:
    """Return the id of every criterion of the five documents."""
    plain = [f"{prefix}{number}" for prefix, count in COUNTS.items() for number in range(1, count + 1)]
    detailed = []
    for story, groups in DETAILS.items():
        for group in groups:
            first, last = group[1:].split("-")
            detailed += [f"{story}-{group[0]}{number}" for number in range(int(first), int(last) + 1)]
    return plain + detailed


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the tests in a file, none for one that is not there."""
    file = ROOT / "tests" / path
    if not file.is_file():
        return frozenset()
    body = ast.parse(file.read_text(encoding="utf-8")).body
    return frozenset(part.name for part in body if isinstance(part, ast.FunctionDef) and part.name.startswith("test_"))


def test_every_criterion_has_one_row_and_no_other_row_is_there() -> None:
    assert Counter(row for row, _, _ in ROWS) == Counter(asked())


def test_every_line_of_a_table_is_a_row() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]

    assert len(lines) == len(ROWS) + 2 * TEXT.count("| Id |")


def test_every_row_has_a_test_or_says_what_is_missing() -> None:
    assert not [row for row, _, shown in ROWS if not NAMED.search(shown) and not LATER.search(shown)]


def test_a_cell_holds_nothing_but_tests_and_what_is_missing() -> None:
    # Given each part of the cells that name what shows a criterion
    parts = [(row, part) for row, _, shown in ROWS for part in shown.split("<br>")]

    # Then it is one test, or says what is missing; nothing that merely looks like a test passes for one
    assert not [(row, part) for row, part in parts if not NAMED.fullmatch(part) and not LATER.match(part)]


def test_every_named_test_exists() -> None:
    named = [(row, *name.split("::")) for row, _, shown in ROWS for name in NAMED.findall(shown)]

    assert not [(row, path, test) for row, path, test in named if test not in names_in(path)]


def test_no_row_names_a_test_twice_and_no_criterion_is_told_twice() -> None:
    assert not [row for row, _, shown in ROWS if max(Counter(NAMED.findall(shown)).values(), default=1) > 1]
    assert not [words for words, count in Counter(words for _, words, _ in ROWS).items() if count > 1]
