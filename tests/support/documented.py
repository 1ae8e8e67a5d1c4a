"""The shell commands of a document: found in its fenced blocks, run in one shell, and held to the output it shows.

A block that opens with `sh test` is run; a block that opens with `text shown` right behind it holds lines that its
output must contain, in that order. `…` in a shown line stands for anything. The blocks of a document share one shell,
so that a variable set in one is there in the next, and the first command that fails ends it.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.settings import child_environ

ROOT = Path(__file__).parents[2]
DOCUMENTED_URL = "http://127.0.0.1:3003"
"""The address that documents write; it is replaced by that of the server under test."""
FENCE = re.compile(r"^```(?P<mark>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
MARK = "\x1e"
SECONDS = 110


@dataclass(frozen=True, slots=True)
class Block:
    """Commands as they stand in a document from `line` on, and the lines that it shows as their output."""

    line: int
    commands: str
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ran:
    """What a block printed, errors included; `ended` is False for one that failed or was never reached."""

    block: Block
    output: str
    ended: bool

    def fault(self) -> str | None:
        """Return what is wrong with it, None when it did what its document says."""
        if not self.ended:
            return f"line {self.block.line}: the commands failed or never ran; printed so far:\n{self.output}"
        missing = first_missing(self.block.shown, self.output)
        if missing is None:
            return None
        return f"line {self.block.line}: the document shows {missing!r}, which does not follow in:\n{self.output}"


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a document that are to be run."""
    found: list[Block] = []
    end_of_last = -1
    for fence in FENCE.finditer(text):
        mark, body = fence["mark"].strip(), fence["body"]
        if mark == "sh test":
            found.append(Block(text.count("\n", 0, fence.start()) + 2, body))
            end_of_last = fence.end()
        elif mark == "text shown":
            if not found or text[end_of_last : fence.start()].strip():
                raise ValueError(f"`text shown` does not follow `sh test`: {body[:60]!r}")
            lines = tuple(line for line in body.splitlines() if line.strip())
            found[-1] = Block(found[-1].line, found[-1].commands, lines)
    return found


def run_blocks(blocks: Sequence[Block], url: str, environ: Mapping[str, str] | None = None) -> list[Ran]:
    """Run the blocks in the checkout's root, in one shell, against the server at `url`."""
    script = ["set -euo pipefail", f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH"]
    for number, block in enumerate(blocks):
        script += [f"printf '\\n{MARK}%s\\n' {number}", block.commands.replace(DOCUMENTED_URL, url)]
    script.append(f"printf '\\n{MARK}%s\\n' {len(blocks)}")
    done = subprocess.run(
        ("bash", "-c", "\n".join(script)),
        cwd=ROOT,
        env=child_environ(dict(environ or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=SECONDS,
        check=False,
    )
    outputs = re.split(rf"\n{MARK}\d+\n", done.stdout.decode(errors="replace"))[1:]
    return [
        Ran(block, outputs[number] if number < len(outputs) else "", ended=number + 1 < len(outputs))
        for number, block in enumerate(blocks)
    ]


def first_missing(shown: Sequence[str], output: str) -> str | None:
    """Return the first shown line that does not appear in the output behind the ones before it."""
    lines = iter(output.splitlines())
    for wanted in shown:
        pattern = re.compile(".*".join(re.escape(part) for part in wanted.strip().split("…")))
        if not any(pattern.fullmatch(line.strip()) for line in lines):
            return wanted
    return None
