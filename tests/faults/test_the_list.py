"""The list of faults names tests that exist, and every fault that is promised."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/faults.md").read_text(encoding="utf-8")
PROMISED = [*range(1, 10), 11, 12, 15, 16, 18, *range(20, 28), 30, 32]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(test_\w+)`", PAGE)))


def test_every_named_test_exists() -> None:
    assert NAMED
    for path, name in NAMED:
        tree = ast.parse((ROOT / "tests" / path).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_every_promised_fault_is_listed_once() -> None:
    assert re.findall(r"^\| F(\d\d) \|", PAGE, re.MULTILINE) == [f"{number:02}" for number in PROMISED]


def test_every_test_of_a_fault_says_how_it_was_seen_to_fail() -> None:
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and path != Path(__file__):
                assert "seen to fail" in (ast.get_docstring(node) or "").lower(), f"{path.name}::{node.name}"
