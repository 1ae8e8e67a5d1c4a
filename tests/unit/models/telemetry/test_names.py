"""The tables of names, the code and the reference page say the same."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from models.telemetry.line_names import (
    ABSENT_LINES,
    BESIDE_LINES,
    CHANGE_LINES,
    FRAME_LINES,
    LINES,
    WEB_LINES,
    WORK_LINES,
)
from models.telemetry.metrics import SOURCES
from models.telemetry.names import ABSENT, METRICS
from models.telemetry.reference import telemetry_markdown

ROOT = Path(__file__).parents[4]
ROOMS = ("app", "tasks", "models", "planner", "policies")
WRITES = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}


def written() -> Iterator[tuple[str, str]]:
    """Yield name and level of every line that the code writes under a name of its own."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITES:
                    holder, first = node.func.value, node.args[0] if node.args else None
                    if isinstance(holder, ast.Name) and holder.id == "logger" and isinstance(first, ast.Constant):
                        yield str(first.value), WRITES[node.func.attr]


def test_every_logger_is_called_so() -> None:
    """Otherwise the lines that it writes are not looked for by the next test."""
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for held in re.findall(r"^(\w+) = structlog\.get_logger\(", path.read_text(encoding="utf-8"), re.MULTILINE):
                assert held == "logger", path


def test_every_line_that_is_written_stands_in_the_table_and_the_reverse() -> None:
    table = {(line.name, line.level) for line in (*BESIDE_LINES, *CHANGE_LINES, *WORK_LINES, *WEB_LINES)}
    code = set(written())
    assert code - table == set(), "add the line to models/telemetry/line_names.py and run `make docs`"
    assert table - code == set(), "nobody writes this line any more"


def test_names_are_unique_and_absent_ones_absent() -> None:
    names = [line.name for line in LINES] + [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    absent = [name for entry in (*ABSENT_LINES, *ABSENT) for name in entry.split(", ")]
    assert not set(absent) & set(names)
    assert len(absent) == len(set(absent))


def test_the_reference_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "reference" / "telemetry.md").read_text(encoding="utf-8")
    assert page == telemetry_markdown(), "run `make docs`"
    for name in [line.name for line in FRAME_LINES] + [metric.prometheus for metric in METRICS]:
        assert f"`{name}`" in page


def test_every_source_has_a_name_of_its_own() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
