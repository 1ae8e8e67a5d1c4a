"""The commands of the documents are run as they stand there, and their tables are held against the code."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args
from urllib.request import Request, urlopen

import pytest

from models.events.frames import FrameType
from models.tables import metadata
from tests.support.documented import ROOT, Block, Ran, blocks_of, run_blocks
from tests.support.stack import Stack

ARCHITECTURE = ROOT / "docs/architecture/flex-agents-server.md"
DOCUMENTS = (
    ARCHITECTURE,
    *(
        ROOT / f"docs/howto/{name}.md"
        for name in ("register-a-capability", "stream-a-run", "answer-a-request", "operate")
    ),
)
ROW = re.compile(r"^\| `(\w+)` \| ([^|]*) \|", re.MULTILINE)


@pytest.fixture
def tidy_registry(stack: Stack) -> Iterator[None]:
    """Take capabilities of the documents' example company out of service again, whatever became of the commands."""
    yield
    with stack.client() as client:
        ours = [c["capabilityId"] for c in client.capabilities()["data"] if c["capabilityId"].startswith("acme.")]
    for capability_id in ours:
        address = f"{stack.url}/api/v1/flex/capabilities/{capability_id}"
        urlopen(Request(address, method="DELETE")).close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the documents use curl, which is not installed")
@pytest.mark.usefixtures("tidy_registry")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_the_commands_of_a_document_do_what_it_shows(stack: Stack, document: Path) -> None:
    # Given a running server, and a document with commands that it marks as tested
    blocks = blocks_of(document.read_text(encoding="utf-8"))
    assert blocks

    # When they are run as they stand there, one after another
    environ = {"FLEX_DATA_DIR": str(stack.folder / "data"), "NO_PROXY": "127.0.0.1"}
    ran = run_blocks(blocks, stack.url, environ)

    # Then each succeeds and prints what the document shows
    faults = [fault for one in ran if (fault := one.fault())]
    assert not faults, f"{document.relative_to(ROOT)}\n" + "\n\n".join(faults)


def test_the_table_of_frames_names_every_type_and_says_truly_which_are_emitted() -> None:
    # Given the table of the architecture document, and every place of the code that drafts a frame
    rows = dict(ROW.findall(section("Every type of frame")))
    sources = [file.read_text(encoding="utf-8") for room in ("tasks", "models") for file in (ROOT / room).rglob("*.py")]
    drafted = {name for text in sources for name in re.findall(r'Draft\(\s*"(\w+)"', text)}

    # Then the table has a row for every type, in the order of the code, and "yes" exactly where one is drafted
    assert list(rows) == list(get_args(FrameType))
    assert {name for name, emitted in rows.items() if emitted == "yes"} == drafted


def test_the_table_of_tables_names_every_table() -> None:
    # Given the table of the architecture document
    rows = dict(ROW.findall(section("8. What is stored")))

    # Then it names the tables of the code, and columns that it calls by name are there
    assert set(rows) == set(metadata.tables)
    for line in section("8. What is stored").splitlines():
        named = re.findall(r"`(\w+)`", line)
        if line.startswith("| `") and named[0] in metadata.tables:
            assert set(named[1:]) <= set(metadata.tables[named[0]].columns.keys()), named[0]


def test_files_that_documents_link_to_are_there() -> None:
    # Given every link of the documents to a file of ours
    for document in (ROOT / "docs").rglob("*.md"):
        for target in re.findall(r"\]\((?!\w+:)([^)#\s]+)", document.read_text(encoding="utf-8")):
            # Then it leads somewhere
            assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_files_of_the_code_that_documents_name_are_there() -> None:
    # Given every file of ours that a document names in code marks, such as `tasks/runs.py: drive`
    for document in (ROOT / "docs").rglob("*.md"):
        text = document.read_text(encoding="utf-8")
        for place in re.findall(r"`((?:app|tasks|models|planner|policies|migrations)/[\w/.]*)", text):
            # Then it is there
            assert (ROOT / place).exists(), f"{document.relative_to(ROOT)} names {place}"
    # And so are the tests that the architecture document calls upon
    for place in re.findall(
        r"`((?:unit|integration|acceptance|faults)/[\w/]+\.py)`", section("9. What happens when …")
    ):
        assert (ROOT / "tests" / place).exists(), place


def test_a_command_that_fails_is_found_with_its_place() -> None:
    # Given a document whose second block fails
    text = (
        "one\n```sh test\nX=1\necho $X\n```\n```text shown\n1\n```\n```sh test\nfalse\n```\n```sh test\necho $X\n```\n"
    )

    # When it is run
    first, second, third = run_blocks(blocks_of(text), "http://127.0.0.1:1")

    # Then the first is well, the second is named with its line, and the third never ran
    assert first.fault() is None
    assert (second.fault() or "").startswith("line 10:")
    assert not third.ended


@pytest.mark.parametrize(
    ("shown", "well"),
    [
        (("event: …", "id: 2"), True),
        (("id: 2", "event: start"), False),
        (("id: 3",), False),
        (("id",), False),
    ],
    ids=["in order, with a gap", "out of order", "absent", "a part of a line is not the line"],
)
def test_shown_lines_must_appear_in_order(shown: tuple[str, ...], *, well: bool) -> None:
    # Given the output of a block
    ran = Ran(Block(1, "", shown), "event: start\nid: 1\nevent: complete\nid: 2\n", ended=True)

    # Then the lines that the document shows are looked for in their order
    assert (ran.fault() is None) is well


def section(title: str) -> str:
    """Return a section of the architecture document, from its heading to the next one of any level."""
    text = ARCHITECTURE.read_text(encoding="utf-8")
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]
