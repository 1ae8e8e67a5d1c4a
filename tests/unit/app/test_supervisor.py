"""Real processes under the supervisor: started in order, restarted when they die, given up when they cannot live."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app import supervisor as module
from app.programs import Program, end_leftover, wait_until
from app.supervisor import CrashLoopError, StartTimeoutError, Supervisor, ending

SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(60)"


class Stage:
    """A supervisor and what it said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lines: list[tuple[str, str]] = []
        self.supervisor = Supervisor(folder, lambda name, line: self.lines.append((name, line)), lambda rows: None)

    def program(self, name: str, code: str = SLEEPER) -> Program:
        return Program(name=name, argv=(sys.executable, "-c", code), folder=self.folder, grace_seconds=5)

    def pid(self, name: str) -> int | None:
        return next(row.pid for row in self.supervisor.rows() if row.name == name)

    def state(self, name: str) -> str:
        return next(row.state for row in self.supervisor.rows() if row.name == name)

    def tick_until(self, condition: Callable[[], bool]) -> bool:
        return self.supervisor.run_until(condition, 15)


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(module, "FIRST_BACK_OFF_SECONDS", 0.01)
    one = Stage(tmp_path)
    yield one
    one.supervisor.stop()


def test_a_group_is_ready_when_every_probe_says_so(stage: Stage) -> None:
    # Given a program whose probe looks for a file that it writes
    flag = stage.folder / "flag"
    writer = stage.program("writer", f"open({str(flag)!r}, 'w').close()\n{SLEEPER}")

    # When it is started beside another
    stage.supervisor.start([replace(writer, ready=flag.exists), stage.program("other")])

    # Then the start returns with both ready
    assert {row.state for row in stage.supervisor.rows()} == {"ready"}


def test_a_killed_process_is_started_again_and_the_others_are_left_alone(stage: Stage) -> None:
    # Given two running programs
    stage.supervisor.start([stage.program("one"), stage.program("two")])
    first, other = stage.pid("one"), stage.pid("two")
    assert first is not None

    # When one is killed
    assert wait_until(lambda: ("one", "up") in stage.lines, 10)
    module.Child.send(stage.supervisor._units()[0].child, signal.SIGKILL)  # type: ignore[arg-type] - it runs

    # Then it comes back as another process
    assert stage.tick_until(lambda: stage.pid("one") not in {None, first} and stage.state("one") == "ready")
    assert stage.pid("two") == other
    assert any(name == "one" and line.startswith("ended with SIGKILL") for name, line in stage.lines)


def test_an_essential_crash_loop_stops_all_and_shows_the_last_lines(stage: Stage) -> None:
    with pytest.raises(CrashLoopError, match=r"(?s)broken ended 6 times in a row, last with exit code 3.*no bread"):
        stage.supervisor.start([never_ready(stage.program("broken", "print('no bread'); raise SystemExit(3)"))])


def test_a_crash_loop_of_something_optional_is_given_up_and_the_rest_goes_on(stage: Stage) -> None:
    broken = never_ready(replace(stage.program("extra", "raise SystemExit(1)"), essential=False))

    stage.supervisor.start([broken, stage.program("main")])

    assert (stage.state("extra"), stage.state("main")) == ("failed", "ready")


def test_a_program_that_is_never_ready_is_named(stage: Stage) -> None:
    mute = never_ready(stage.program("mute"))

    with pytest.raises(StartTimeoutError, match=r"not ready after 0.3 s: mute"):
        stage.supervisor.start([mute], seconds=0.3)


def test_stopping_asks_first_and_forces_when_the_grace_is_over(stage: Stage) -> None:
    # Given one program that stops when asked and one that will not
    deaf = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER
    stage.supervisor.start([stage.program("polite"), replace(stage.program("deaf", deaf), grace_seconds=0.5)])
    assert wait_until(lambda: ("deaf", "up") in stage.lines and ("polite", "up") in stage.lines, 10)

    # When all are stopped
    began = time.monotonic()
    stage.supervisor.stop()

    # Then both are gone, the second one by force
    assert {row.state for row in stage.supervisor.rows()} == {"stopped"}
    assert time.monotonic() - began < 5
    assert ("deaf", "did not stop within 0.5 s and is killed") in stage.lines


def test_what_a_program_started_goes_with_it(stage: Stage) -> None:
    # Given a program with a child of its own
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\nchild.wait()"
    )
    stage.supervisor.start([stage.program("parent", code)])
    assert wait_until(lambda: bool(stage.lines), 10)
    grandchild = int(stage.lines[0][1])

    # When the program is killed
    stage.supervisor._units()[0].child.send(signal.SIGKILL)  # type: ignore[union-attr] - it runs
    stage.tick_until(lambda: any("ended with" in line for _, line in stage.lines))

    # Then the grandchild is gone too
    assert wait_until(lambda: not Path(f"/proc/{grandchild}").exists() or is_zombie(grandchild), 5)


def test_every_line_goes_to_the_programs_log_file(stage: Stage) -> None:
    stage.supervisor.start([stage.program("talker", "print('first'); print('second')\n" + SLEEPER)])

    assert wait_until(lambda: ("talker", "up") in stage.lines, 10)
    assert (stage.folder / "talker.log").read_text().splitlines() == ["first", "second", "up"]


def test_a_leftover_is_ended_only_when_it_is_what_the_pid_file_means(tmp_path: Path) -> None:
    # Given pid files that name a stranger, nobody, and nonsense
    for text in (f"{1}\n", "999999999\n", "what\n", ""):
        pid_file = tmp_path / "leftover.pid"
        pid_file.write_text(text)

        # When the leftover is ended
        end_leftover(pid_file, "a marker that no command line holds")

        # Then only the file goes
        assert not pid_file.exists()


@pytest.mark.parametrize(("code", "words"), [(0, "exit code 0"), (-9, "SIGKILL"), (-63, "signal 63")])
def test_an_ending_is_told_in_words(code: int, words: str) -> None:
    assert ending(code) == words


def never_ready(program: Program) -> Program:
    return replace(program, ready=lambda: False)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True
