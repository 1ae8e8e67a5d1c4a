"""A client beside the test: the stream of a run that nobody moves any more ends never, and says nothing of it."""

from __future__ import annotations

import threading
from typing import Any

from tests.support.crew import Crew
from tests.support.invariants import Frame
from tests.support.stack import example


class Listener(threading.Thread):
    """A client that runs an envelope and keeps its frames as they come."""

    def __init__(self, crew: Crew, envelope: dict[str, Any] | None = None) -> None:
        super().__init__(daemon=True)
        self._crew = crew
        self._envelope = envelope or example("linkedin")
        self.frames: list[Frame] = []
        self.start()

    def run(self) -> None:
        with self._crew.client() as client:
            for frame in client.run_stream(self._envelope):
                self.frames.append(frame)

    def saw(self, frame_type: str, node_id: str | None = None) -> bool:
        return any(f["type"] == frame_type and node_id in {None, f.get("nodeId")} for f in self.frames)

    def finished(self, seconds: float = 60) -> list[Frame]:
        """Wait for the end of the run and return its frames; fail with what it waits for when it does not end."""
        self.join(seconds)
        assert not self.is_alive(), f"the run has not ended within {seconds:g} s; {self._where_it_stands()}"
        return self.frames

    def _where_it_stands(self) -> str:
        if not self.frames:
            return "it has told nothing"
        told = ", ".join(" ".join(filter(None, (frame["type"], frame.get("nodeId")))) for frame in self.frames)
        with self._crew.client() as client:
            run = client.run(self.frames[0]["runId"])["run"]
        return f"it is {run['status']} and waits for {run.get('waitingFor')}; it told {told}"
