"""A condition in its three forms, and the ways to one: from text, from JSON-Logic, from both when they agree."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from policies.conditions.catalog import UNCHECKED, Catalog
from policies.conditions.check import Findings, check
from policies.conditions.errors import ConditionError, Fault, FaultError, Warning, locate, text_range  # noqa: A004 - ours
from policies.conditions.limits import refuse_long
from policies.conditions.logic import read_logic, to_logic
from policies.conditions.parser import parse_tree
from policies.conditions.render import render
from policies.conditions.syntax import NOWHERE, Literal, Node
from policies.conditions.tokens import is_blank

CACHED_TEXTS = 2048


@dataclass(frozen=True, slots=True)
class Condition:
    """A valid condition. `variables` are payload paths in the order of the text; `logic_text` is its JSON-Logic."""

    dsl: str
    canonical_dsl: str
    logic_text: str
    variables: tuple[str, ...] = ()
    warnings: tuple[Warning, ...] = ()

    @property
    def json_logic(self) -> Any:
        """Return a fresh JSON-Logic value, which the caller may keep and change."""
        return json.loads(self.logic_text)

    def as_json(self) -> dict[str, Any]:
        return {
            "dsl": self.dsl,
            "canonicalDsl": self.canonical_dsl,
            "jsonLogic": self.json_logic,
            "variables": list(self.variables),
            "warnings": [warning.as_json() for warning in self.warnings],
        }


def parse(text: str, catalog: Catalog | None = None, *, bare_schema: Any = None) -> Condition:
    """Return the condition that a text says, or raise `ConditionError` with everything that is wrong with it.

    Names are looked up in `catalog`; without one, only run signals have a type and other names pass as written.
    `bare_schema` adds the bare names inside one facet (goals, guards); it alone without a catalogue admits no others.
    """
    return _parse(text, choose_catalog(catalog, bare_schema))


def choose_catalog(catalog: Catalog | None, bare_schema: Any) -> Catalog:
    if bare_schema is None:
        return UNCHECKED if catalog is None else catalog
    return Catalog.for_schema(bare_schema) if catalog is None else catalog.with_schema(bare_schema)


@lru_cache(maxsize=CACHED_TEXTS)
def _parse(text: str, catalog: Catalog) -> Condition:
    try:
        tree = parse_tree(text)
    except FaultError as error:
        raise locate(text, [error.fault]) from None
    found = check(tree, catalog)
    if found.faults:
        raise locate(text, found.faults)
    entries = found.entries
    logic = to_logic(tree, lambda name: entries[name].path)
    paths = dict.fromkeys(entries[variable.name].path for variable in found.variables)
    canonical = render(tree, lambda name: entries[name].dsl_path)
    return Condition(text, canonical, write_logic(logic), tuple(paths), warn(text, tree, found))


def write_logic(logic: Any) -> str:
    return json.dumps(logic, separators=(",", ":"))


def warn(text: str, tree: Node, found: Findings) -> tuple[Warning, ...]:
    if isinstance(tree, Literal) and tree.value is True:
        return (Warning("noop_true", "this condition is always true"),)
    dead = [variable for variable in found.variables if found.entries[variable.name].in_list]
    return tuple(
        Warning(
            "list_member",
            f"{variable.name} lies inside a list, where a plain name finds nothing: use some(...) or all(...)",
            text_range(text, variable.span),
        )
        for variable in dead
    )


def from_json_logic(logic: Any, catalog: Catalog | None = None, *, bare_schema: Any = None) -> Condition:
    """Return the condition whose text says what a JSON-Logic says; its `dsl` is the canonical text.

    Raises `ConditionError`: `invalid_json_logic` where the language has no words for it, `unknown_variable`, and
    whatever the checks of the text find (their places then count in the canonical text).
    """
    chosen = choose_catalog(catalog, bare_schema)
    try:
        tree = read_logic(logic, chosen)
        text = render(tree)
        refuse_long(text)
    except FaultError as error:
        raise locate("", [unplaced(error.fault)]) from None
    except RecursionError:
        raise locate("", [Fault("too_deep", "this JSON-Logic nests too deep", NOWHERE)]) from None
    try:
        return _parse(text, chosen)
    except ConditionError as error:
        if all(found.code != "syntax_error" for found in error.diagnostics):
            raise
    raise locate("", [Fault("invalid_json_logic", "this JSON-Logic uses a name that cannot be written", NOWHERE)])


def unplaced(fault: Fault) -> Fault:
    return Fault(fault.code, fault.message, NOWHERE, fault.suggestion)


def reconcile(
    dsl: str | None = None,
    json_logic: Any = None,
    canonical_dsl: str | None = None,
    catalog: Catalog | None = None,
    *,
    bare_schema: Any = None,
) -> Condition:
    """Return the one condition that all supplied forms say.

    Raises `ConditionError`: `empty_expression` when no form is given, `conflicting_forms` when two of them disagree,
    otherwise what is wrong with the text, or with the JSON-Logic where there is no text.
    """
    chosen = choose_catalog(catalog, bare_schema)
    texts = [text for text in (dsl, canonical_dsl) if text is not None and not is_blank(text)]
    if not texts:
        if json_logic is None:
            raise locate(dsl or "", [Fault("empty_expression", "there is no condition here", (0, len(dsl or "")))])
        return from_json_logic(json_logic, chosen)
    condition = _parse(texts[0], chosen)
    if len(texts) == 2 and not says_same_text(texts[1], condition, chosen):
        raise conflict(condition, "canonical text", condition.canonical_dsl)
    if json_logic is not None and not says_same_logic(json_logic, condition, chosen):
        raise conflict(condition, "JSON-Logic", condition.logic_text)
    return condition


def says_same_text(text: str, condition: Condition, catalog: Catalog) -> bool:
    try:
        return _parse(text, catalog).logic_text == condition.logic_text
    except ConditionError:
        return False


def says_same_logic(logic: Any, condition: Condition, catalog: Catalog) -> bool:
    try:
        return from_json_logic(logic, catalog).canonical_dsl == condition.canonical_dsl
    except ConditionError:
        return False


def conflict(condition: Condition, form: str, expected: str) -> ConditionError:
    message = f"the {form} supplied does not say what the text says: leave it out, or supply {expected}"
    return locate(condition.dsl, [Fault("conflicting_forms", message, (0, len(condition.dsl)))])
