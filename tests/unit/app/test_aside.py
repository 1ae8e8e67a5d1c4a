"""Heavy work is done aside with the same result and the same errors, patched or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import pytest

from app.aside import run_aside, run_deep
from tests.unit.app.test_gunicorn_conf import run_aside as run_process


@pytest.mark.parametrize("run", [run_aside, run_deep])
def test_without_greenlets_it_is_done_in_place(run: Callable[[Callable[[], int]], int]) -> None:
    assert run(lambda: 2 + 2) == 4
    with pytest.raises(ValueError, match="wrong"):
        run(lambda: _fail("wrong"))


def test_with_greenlets_others_go_on_meanwhile() -> None:
    # Given a process of greenlets, one of which computes for half a second
    found = run_process(
        """
        from gevent import monkey; monkey.patch_all()
        import gevent, time
        from app.aside import run_aside, run_deep
        ticks = []
        def tick():
            while True:
                ticks.append(time.monotonic())
                gevent.sleep(0.01)
        def burn():
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                pass
            return "done"
        ticker = gevent.spawn(tick)
        gevent.sleep(0)
        print(run_aside(burn), len(ticks) > 8)
        def fail():
            raise ValueError("wrong")
        try:
            run_aside(fail)
        except ValueError as error:
            print(error)
        """
    )
    # Then another one keeps ticking, and errors come back as they are, without a trace in the log
    assert found.stdout.split("\n")[:2] == ["done True", "wrong"], found.stderr
    assert found.stderr == ""


def test_what_goes_deep_leaves_the_greenlet_that_needs_it_shallow() -> None:
    # Given a process of greenlets, one of which asks for something and is told, or told what is wrong
    found = run_process(
        """
        from gevent import monkey; monkey.patch_all()
        import gevent
        from app.aside import run_deep
        def ask():
            gevent.sleep(0.01)
            return gevent.getcurrent()
        def fail():
            raise ValueError("wrong")
        print(run_deep(ask) is not gevent.getcurrent(), run_deep(ask).dead)
        try:
            run_deep(fail)
        except ValueError as error:
            print(error)
        """
    )
    # Then another one did it that is gone, and errors come back without a trace in the log
    assert found.stdout.split("\n")[:2] == ["True True", "wrong"], found.stderr
    assert found.stderr == ""


def _fail(text: str) -> NoReturn:
    raise ValueError(text)
