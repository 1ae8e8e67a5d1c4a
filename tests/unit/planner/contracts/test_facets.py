"""The catalogue: what it holds, how it is asked, and how faulty files are told of."""

from __future__ import annotations

import json

import pytest

from planner.contracts.facets import (
    BUILT_IN,
    CatalogueInvalidError,
    FacetDirectionError,
    FacetNotFoundError,
    load_catalogue,
)
from planner.contracts.json_schema import lint

CATALOGUE = load_catalogue()


def facet_file(**changes):
    body = {
        "name": "weather",
        "title": "Weather",
        "description": "What the sky does.",
        "semantics": "Mention it only if it rains.",
        "schema": {"type": "string"},
        "metadata": {"version": "v1", "direction": "input"},
    }
    return {key: value for key, value in {**body, **changes}.items() if value is not None}


def write(folder, name, body):
    path = folder / name
    path.write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
    return path


def problems_of(folder):
    with pytest.raises(CatalogueInvalidError) as caught:
        load_catalogue(folder)
    return [(path.name, problem.pointer) for path, problem in caught.value.problems]


def test_every_built_in_facet_is_complete_and_stands_in_a_file_of_its_name():
    assert len(CATALOGUE) == 32
    assert {path.stem for path in BUILT_IN.glob("*.json")} == set(CATALOGUE)
    for facet in CATALOGUE.values():
        assert facet.title
        assert facet.description.endswith(".")
        assert len(facet.semantics) > 40
        assert lint(facet.schema) == []


def test_a_facet_is_found_by_name_and_an_unknown_one_is_named():
    assert CATALOGUE.get("assetBundle").property_key == "assets"
    assert CATALOGUE.try_get("nothing") is None
    assert "nothing" not in CATALOGUE
    with pytest.raises(FacetNotFoundError, match="“nothing”"):
        CATALOGUE.get("nothing")


def test_listing_filters_by_direction_and_tag():
    outputs = {facet.name for facet in CATALOGUE.list("output")}
    assert {"copyVariants", "qaFindings", "strategicDirections", "longFormDraft"} <= outputs
    assert "objectiveBrief" not in outputs
    assert {facet.name for facet in CATALOGUE.list("input", "assets")} == {"assetBundle"}


def test_resolving_keeps_the_order_and_names_all_that_fail():
    assert [f.name for f in CATALOGUE.resolve(["toneOfVoice", "objectiveBrief"], "input")] == [
        "toneOfVoice",
        "objectiveBrief",
    ]
    with pytest.raises(FacetNotFoundError) as unknown:
        CATALOGUE.resolve(["x", "objectiveBrief", "y"], "input")
    assert unknown.value.names == ("x", "y")
    with pytest.raises(FacetDirectionError) as misused:
        CATALOGUE.resolve(["qaFindings", "feedback", "post"], "input")
    assert misused.value.names == ("qaFindings", "post")


def test_further_folders_extend_the_catalogue_and_its_digest(tmp_path):
    write(tmp_path, "weather.json", facet_file(metadata={"version": "v1", "direction": "both"}))
    extended = load_catalogue(tmp_path)
    assert extended.get("weather").direction == "bidirectional"
    assert len(extended) == len(CATALOGUE) + 1
    assert extended.digest != CATALOGUE.digest == load_catalogue().digest


def test_the_file_form_of_a_facet_is_read_back_as_the_same_facet(tmp_path):
    facet = CATALOGUE.get("assetBundle")
    renamed = {**facet.as_json(), "name": "weather"}
    write(tmp_path, "weather.json", renamed)
    assert load_catalogue(tmp_path).get("weather").as_json() == renamed


def test_schemas_are_copies():
    CATALOGUE.schemas()["copyVariants"]["type"] = "changed"
    assert CATALOGUE.get("copyVariants").schema["type"] == "array"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ("{", ""),
        ('{"name": 1, "name": 2}', "/name"),
        ("[]", ""),
        (facet_file(title=None), "/title"),
        (facet_file(semantics="  "), "/semantics"),
        (facet_file(name="no spaces"), "/name"),
        (facet_file(extra=1), "/extra"),
        (facet_file(schema="string"), "/schema"),
        (facet_file(schema={"properties": {"a": {"type": "x"}}}), "/schema/properties/a/type"),
        (facet_file(schema={"$ref": "#/$defs/a", "$defs": {"a": {}}}), "/schema/$ref"),
        (facet_file(metadata={"version": "v1", "direction": "sideways"}), "/metadata/direction"),
        (facet_file(metadata={"version": "v1", "direction": ["input"]}), "/metadata/direction"),
        (facet_file(metadata={"direction": "input"}), "/metadata/version"),
        (facet_file(metadata={"version": "v1", "direction": "input", "propertyKey": ""}), "/metadata/propertyKey"),
        (
            facet_file(metadata={"version": "v1", "direction": "input", "requiredByDefault": 1}),
            "/metadata/requiredByDefault",
        ),
        (facet_file(metadata={"version": "v1", "direction": "input", "catalogTags": "a"}), "/metadata/catalogTags"),
        (facet_file(metadata={"version": "v1", "direction": "input", "colour": "red"}), "/metadata/colour"),
        (facet_file(metadata=[]), "/metadata"),
    ],
)
def test_a_faulty_file_is_named_with_the_place_in_it(tmp_path, body, pointer):
    write(tmp_path, "bad.json", body)
    assert ("bad.json", pointer) in problems_of(tmp_path)


def test_all_faulty_files_are_told_at_once(tmp_path):
    write(tmp_path, "a.json", facet_file(name="objectiveBrief"))
    write(tmp_path, "b.json", facet_file(title=None, semantics=None))
    assert problems_of(tmp_path) == [("a.json", "/name"), ("b.json", "/title"), ("b.json", "/semantics")]


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(CatalogueInvalidError, match="no such folder"):
        load_catalogue(tmp_path / "nowhere")
