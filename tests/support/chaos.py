"""Break things at random while runs go on, then hold every run against the promises.

`python -m tests.support.chaos --minutes 5 [--seed N] [--pause 5-40]` starts all processes on servers of its own, keeps
runs in flight (plain ones, some that are planned anew, some that ask a person, who answers), breaks something every few
seconds, and prints its seed first, what it did as it does it, and the
verdict at the end. Exit code 1 means that a promise was broken.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.client import ClientError, FlexClient
from app.programs import wait_until
from planner.progress.state import RUN_STATUSES, TERMINAL
from tests.support.crew import Crew, Member, crew_in
from tests.support.invariants import assert_sound
from tests.support.servers import make_data_dir
from tests.support.stack import example

IN_FLIGHT = 12
SETTLE_SECONDS = 90
WRITER = "ContentGeneratorAgent.linkedinVariants"
FREEZE_SECONDS = 4.0


@dataclass
class History:
    """What was asked for and what was acknowledged."""

    acknowledged: list[str] = field(default_factory=list)
    cancelled: set[str] = field(default_factory=set)
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)


class Chaos:
    """A crew whose members are replaced when they die, and a list of ways to hurt it."""

    def __init__(self, crew: Crew, seed: int) -> None:
        self.crew = crew
        self.random = random.Random(seed)
        self.choices = random.Random(seed)  # the submitting thread's own, so that faults stay those of the seed
        self.history = History()
        self.over = threading.Event()
        self.workers = [crew.worker(FLEX_FAULT="before_effect:sleep=0.2"), crew.worker()]
        self.faults: dict[str, Callable[[], None]] = {
            "kill a worker": lambda: self._replace(self.random.choice(self.workers)),
            "freeze a worker": lambda: self._freeze(self.random.choice(self.workers)),
            "kill control": lambda: self._restart("control"),
            "kill beat": lambda: self._restart("beat"),
            "kill web": lambda: self._restart("web"),
            "flush redis": crew.servers.flush_redis,
            "kill redis": lambda: self._bounce("valkey"),
            "freeze redis": lambda: self._freeze_server("valkey"),
            "kill postgres": lambda: self._bounce("postgres"),
            "cancel a run": self._cancel,
        }

    def run(self, minutes: float, pause: tuple[float, float]) -> None:
        """Break something every few seconds for so long, with runs in flight all the time."""
        submitter = threading.Thread(target=self._submit, daemon=True)
        submitter.start()
        until = time.monotonic() + minutes * 60
        while time.monotonic() < until:
            self.over.wait(min(self.random.uniform(*pause), max(until - time.monotonic(), 0.0)))
            name = self.random.choice(list(self.faults))
            self.history.faults[name] += 1
            _say(f"{name} ({len(self.history.acknowledged)} runs so far)")
            self.faults[name]()
        self.over.set()
        submitter.join()

    def check(self) -> list[str]:
        """Wait for every acknowledged run to end, and return what is wrong with them."""
        wrong: list[str] = []
        with self.crew.client() as client:
            waiting = set(self.history.acknowledged)

            def settled() -> bool:
                _answer(client)
                # Twice, since a run may pass from a status that is still to be listed to one that has been.
                waiting.intersection_update(_open_runs(client) | _open_runs(client))
                return not waiting

            wait_until(settled, SETTLE_SECONDS)
            wrong.extend(f"{run_id} has not ended: {client.run(run_id)['run']}" for run_id in sorted(waiting))
            for run_id in set(self.history.acknowledged) - waiting:
                try:
                    frames = list(client.events(run_id))
                    status = frames[-1]["payload"]["status"]
                    assert status == "completed" or run_id in self.history.cancelled, frames[-1]
                    assert_sound(frames, status=status)
                except AssertionError as error:
                    wrong.append(f"{run_id}: {error}")
        return wrong

    def _submit(self) -> None:
        envelopes = [example("linkedin"), example("blog"), without_a_way(), below_the_minimum()]
        while not self.over.is_set():
            try:
                with self.crew.client() as client:
                    _answer(client)
                    if _moving(client) < IN_FLIGHT:
                        self.history.acknowledged.append(client.start_run(self.choices.choice(envelopes))["runId"])
                        continue
            except ClientError:
                self.history.refused += 1
            self.over.wait(0.3)

    def _cancel(self) -> None:
        if not self.history.acknowledged:
            return
        run_id = self.history.acknowledged[-1]
        self.history.cancelled.add(run_id)
        try:
            with self.crew.client() as client:
                client.cancel(run_id)
        except ClientError:
            self.history.refused += 1

    def _replace(self, worker: Member) -> None:
        worker.send(signal.SIGKILL)
        worker.process.wait()
        self.workers[self.workers.index(worker)] = self.crew.worker()

    def _freeze(self, worker: Member) -> None:
        worker.send(signal.SIGSTOP)
        self.over.wait(FREEZE_SECONDS)
        worker.send(signal.SIGCONT)

    def _restart(self, name: str) -> None:
        member = getattr(self.crew, name)
        member.send(signal.SIGKILL)
        member.process.wait()
        setattr(self.crew, name, self.crew.start(name, *member.command))

    def _bounce(self, server: str) -> None:
        self.crew.servers.kill(server)
        self.over.wait(self.random.uniform(0, 3))
        self.crew.servers.start(server)

    def _freeze_server(self, server: str) -> None:
        self.crew.servers.freeze(server)
        self.over.wait(FREEZE_SECONDS)
        self.crew.servers.thaw(server)


def main() -> int:
    """Run the chaos that the arguments ask for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pause", default="5-40", help="seconds between faults, as LOW-HIGH")
    given = parser.parse_args()
    low, high = (float(part) for part in given.pause.split("-"))
    _say(f"seed {given.seed}: repeat with --seed {given.seed}")
    folder = make_data_dir()
    try:
        with crew_in(folder) as crew:
            chaos = Chaos(crew, given.seed)
            chaos.run(given.minutes, (low, high))
            wrong = chaos.check()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    history = chaos.history
    _say(f"{len(history.acknowledged)} runs, {history.refused} requests refused, faults: {dict(history.faults)}")
    for line in wrong:
        _say(f"BROKEN {line}")
    _say("every promise held" if not wrong else f"{len(wrong)} promises broken")
    return 1 if wrong else 0


def without_a_way() -> dict[str, Any]:
    """Return an envelope with a route that does not fit, so that its run is planned anew."""
    routing = {"routes": [{"to": WRITER, "if": "facets.planKnobs.hookIntensity > 2"}]}
    return {**example("linkedin"), "policies": {"planner": {"directives": {"routing": routing}}}}


def below_the_minimum() -> dict[str, Any]:
    """Return an envelope that nobody is good enough for, so that its run asks and is planned anew with each answer."""
    return {**example("linkedin"), "policies": {"planner": {"directives": {"minimumScore": 0.9}}}}


def _answer(client: FlexClient) -> None:
    """Take the candidate that each open question names."""
    for entry in client.pending_requests():
        try:
            client.answer(entry["pendingRequest"]["id"], {"selectedOptionId": "choose"})
        except ClientError as error:
            if error.status not in {404, 409}:
                raise


def _open_runs(client: FlexClient) -> set[str]:
    """Return the runs that have not ended: asked for by status, since half an hour leaves thousands that have."""
    found: set[str] = set()
    for status in sorted(set(RUN_STATUSES) - TERMINAL):
        cursor: str | None = None
        while True:
            page = client.runs(status=status, limit=200, cursor=cursor)
            found.update(run["runId"] for run in page["data"])
            cursor = page["nextCursor"]
            if cursor is None:
                break
    return found


def _moving(client: FlexClient) -> int:
    page = client.runs(limit=50)["data"]
    return sum(run["status"] not in {"completed", "failed", "cancelled"} for run in page)


def _say(line: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
