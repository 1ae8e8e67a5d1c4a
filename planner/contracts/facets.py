"""The catalogue of facets: each names one kind of value that agents exchange, what it means, and its JSON Schema."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from planner.contracts.json_schema import lint, subschemas
from planner.errors import PlannerError
from policies import strict_json
from policies.errors import Problem, pointer

Direction = Literal["input", "output"]
DIRECTIONS = ("input", "output", "bidirectional")
BUILT_IN = Path(__file__).parent / "catalogue"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
_MEMBERS = ("name", "title", "description", "semantics", "schema", "metadata")
_METADATA = ("version", "direction", "requiredByDefault", "propertyKey", "catalogTags")


class FacetNotFoundError(PlannerError):
    """No such facet in the catalogue."""

    code = "facet_not_found"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        listed = ", ".join(f"“{n}”" for n in self.names)
        super().__init__(f"the catalogue has no facet {listed}: see GET /api/v1/flex/facets")


class FacetDirectionError(PlannerError):
    """The facet cannot be used in this direction."""

    code = "facet_direction"

    def __init__(self, names: Iterable[str], direction: str) -> None:
        self.names = tuple(names)
        self.direction = direction
        listed = ", ".join(f"“{n}”" for n in self.names)
        super().__init__(f"no use as {direction}: {listed}")


class CatalogueInvalidError(PlannerError):
    """Facet files that cannot be used; each problem names its file and the place in it."""

    code = "catalogue_invalid"

    def __init__(self, problems: Iterable[tuple[Path, Problem]]) -> None:
        self.problems = tuple(problems)
        lines = [f"{path}#{p.pointer}: {p.message}" for path, p in self.problems]
        super().__init__("facet files are not valid:\n" + "\n".join(lines))


@dataclass(frozen=True, slots=True)
class Facet:
    """One kind of value. `semantics` is what an agent is told, `property_key` the name in compiled schemas."""

    name: str
    title: str
    description: str
    semantics: str
    schema: dict[str, Any]
    version: str
    direction: str
    required_by_default: bool = True
    property_key: str = ""
    catalog_tags: tuple[str, ...] = ()

    def fits(self, direction: str) -> bool:
        return self.direction in {direction, "bidirectional"}

    def as_json(self) -> dict[str, Any]:
        """Return the form of a facet file."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "semantics": self.semantics,
            "schema": copy.deepcopy(self.schema),
            "metadata": {
                "version": self.version,
                "direction": self.direction,
                "requiredByDefault": self.required_by_default,
                "propertyKey": self.property_key,
                "catalogTags": list(self.catalog_tags),
            },
        }


class FacetCatalogue(Mapping[str, Facet]):
    """The facets by name; never changes after it was loaded."""

    def __init__(self, facets: Iterable[Facet]) -> None:
        self._facets = {facet.name: facet for facet in facets}

    def __getitem__(self, name: str) -> Facet:
        return self._facets[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facets)

    def __len__(self) -> int:
        return len(self._facets)

    def get(self, name: str, default: Any = None) -> Facet:
        """Return the facet; raise FacetNotFoundError unless a default is given."""
        facet: Facet | None = self._facets.get(name, default)
        if facet is None:
            raise FacetNotFoundError([name])
        return facet

    def try_get(self, name: str) -> Facet | None:
        return self._facets.get(name)

    def names(self) -> tuple[str, ...]:
        return tuple(self._facets)

    def list(self, direction: str | None = None, tag: str | None = None) -> tuple[Facet, ...]:
        return tuple(
            facet
            for facet in self._facets.values()
            if (direction is None or facet.fits(direction)) and (tag is None or tag in facet.catalog_tags)
        )

    def resolve(self, names: Iterable[str], direction: str) -> tuple[Facet, ...]:
        """Return the facets in the order named; raise FacetNotFoundError or FacetDirectionError listing all."""
        wanted = tuple(names)
        if unknown := [name for name in wanted if name not in self._facets]:
            raise FacetNotFoundError(unknown)
        found = tuple(self._facets[name] for name in wanted)
        if misused := [facet.name for facet in found if not facet.fits(direction)]:
            raise FacetDirectionError(misused, direction)
        return found

    def schemas(self) -> dict[str, dict[str, Any]]:
        return {name: copy.deepcopy(facet.schema) for name, facet in self._facets.items()}

    @cached_property
    def digest(self) -> str:
        return strict_json.fingerprint([self._facets[name].as_json() for name in sorted(self._facets)])


def load_catalogue(*extra_folders: Path) -> FacetCatalogue:
    """Read the built-in facets and those of further folders; raise CatalogueInvalidError naming every file at fault."""
    facets: dict[str, Facet] = {}
    homes: dict[str, Path] = {}
    problems: list[tuple[Path, Problem]] = []
    for folder in (BUILT_IN, *extra_folders):
        if not folder.is_dir():
            problems.append((folder, Problem("", "no such folder: create it or correct FLEX_FACETS_DIR")))
        for path in sorted(folder.glob("*.json")):
            facet, found = _read_file(path)
            problems.extend((path, problem) for problem in found)
            if facet is None:
                continue
            if facet.name in homes:
                message = f"the facet “{facet.name}” is also defined in {homes[facet.name]}: give it another name"
                problems.append((path, Problem("/name", message, "duplicate")))
                continue
            facets[facet.name], homes[facet.name] = facet, path
    if problems:
        raise CatalogueInvalidError(problems)
    return FacetCatalogue(facets[name] for name in facets)


def _read_file(path: Path) -> tuple[Facet | None, list[Problem]]:
    try:
        return check_facet(strict_json.loads(path.read_bytes()))
    except strict_json.StrictJSONError as error:
        return None, list(error.problems)
    except OSError as error:
        return None, [Problem("", f"cannot be read: {error.strerror}")]


def check_facet(raw: Any) -> tuple[Facet | None, list[Problem]]:
    """Return the facet that a file's content describes, or everything that is wrong with it."""
    if not isinstance(raw, dict):
        return None, [Problem("", "a facet file holds one JSON object")]
    problems = [*_unknown(raw, _MEMBERS, ""), *_check_texts(raw), *_check_schema(raw), *_check_metadata(raw)]
    if problems:
        return None, problems
    meta = raw["metadata"]
    direction = "bidirectional" if meta["direction"] == "both" else meta["direction"]
    facet = Facet(
        name=raw["name"],
        title=raw["title"],
        description=raw["description"],
        semantics=raw["semantics"],
        schema=raw["schema"],
        version=meta["version"],
        direction=direction,
        required_by_default=meta.get("requiredByDefault", True),
        property_key=meta.get("propertyKey", raw["name"]),
        catalog_tags=tuple(meta.get("catalogTags", ())),
    )
    return facet, []


def _unknown(raw: dict[str, Any], known: tuple[str, ...], at: str) -> Iterator[Problem]:
    for key in raw:
        if key not in known:
            yield Problem(at + pointer(key), f"unknown key; known here: {', '.join(known)}", "unknown_key")


def _check_texts(raw: dict[str, Any]) -> Iterator[Problem]:
    for key in ("name", "title", "description", "semantics"):
        if not _is_text(raw.get(key)):
            yield Problem(pointer(key), "must be a text that is not blank")
    name = raw.get("name")
    if isinstance(name, str) and name.strip() and not _NAME.fullmatch(name):
        yield Problem("/name", "must start with a letter and hold only letters, digits, “_”, “.” and “-”, at most 100")


def _check_schema(raw: dict[str, Any]) -> Iterator[Problem]:
    schema = raw.get("schema")
    if not isinstance(schema, dict):
        yield Problem("/schema", "must be a JSON Schema object")
        return
    problems = lint(schema)
    yield from (problem.under("/schema") for problem in problems)
    if problems:
        return
    for place, subschema in subschemas(schema):
        for key in ("$ref", "$id", "$schema"):
            if isinstance(subschema, dict) and key in subschema:
                message = f"a facet's schema becomes part of larger ones: write it out without {key}"
                yield Problem(f"/schema{place}/{key}", message)


def _check_metadata(raw: dict[str, Any]) -> Iterator[Problem]:
    meta = raw.get("metadata")
    if not isinstance(meta, dict):
        yield Problem("/metadata", "must be an object with version and direction")
        return
    yield from _unknown(meta, _METADATA, "/metadata")
    if not _is_text(meta.get("version")):
        yield Problem("/metadata/version", "must be a text that is not blank")
    if meta.get("direction") not in (*DIRECTIONS, "both"):
        yield Problem("/metadata/direction", f"must be one of {', '.join(DIRECTIONS)}")
    if not isinstance(meta.get("requiredByDefault", True), bool):
        yield Problem("/metadata/requiredByDefault", "must be true or false")
    if not _is_text(meta.get("propertyKey", "-")):
        yield Problem("/metadata/propertyKey", "must be a text that is not blank")
    tags = meta.get("catalogTags", [])
    if not isinstance(tags, list) or not all(_is_text(tag) for tag in tags):
        yield Problem("/metadata/catalogTags", "must be a list of texts")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
