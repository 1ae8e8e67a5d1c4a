"""Registrations are refused with every pointer at once, by the same table that the tests over HTTP use."""

from __future__ import annotations

import pytest

from planner.contracts.capabilities import check_registration
from planner.contracts.facets import load_catalogue
from policies.errors import InvalidInputError
from tests.support.envelopes import writer_registration
from tests.support.malformed import REGISTRATIONS, Malformed

CATALOGUE = load_catalogue()


@pytest.mark.parametrize("row", REGISTRATIONS, ids=lambda row: row.name)
def test_a_malformed_registration_is_refused_with_all_its_pointers(row: Malformed) -> None:
    with pytest.raises(InvalidInputError) as caught:
        check_registration(row.body, CATALOGUE)
    assert {problem.pointer for problem in caught.value.problems} == row.pointers
    assert caught.value.code == row.code


def test_the_registration_that_the_rows_break_is_good() -> None:
    assert check_registration(writer_registration(), CATALOGUE).capability_id == "yard.writer"
