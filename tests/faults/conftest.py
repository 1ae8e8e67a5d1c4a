"""One crew for the tests of this folder that are run by the same worker of pytest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.crew import Crew, crew_in
from tests.support.servers import make_data_dir


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    folder = make_data_dir()
    with crew_in(folder) as one:
        yield one
    shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "crew" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.faults)
            item.add_marker(pytest.mark.xdist_group(item.path.stem))
