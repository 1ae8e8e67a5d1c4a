"""The server's settings, and a wait for the database that cannot last for ever."""

from __future__ import annotations

import socket
import subprocess
import sys
import textwrap
import time

from tests.support.web import ROOT


def run_aside(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own: the patches of the configuration must not reach this one."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_one_process_of_greenlets_serves_and_nothing_listens_beside_it() -> None:
    # Given the configuration, read as gunicorn reads it
    found = run_aside(
        """
        import runpy
        names = runpy.run_path("app/gunicorn_conf.py")
        import socket, gevent.socket
        assert socket.socket is gevent.socket.socket, "the patches are not in place"
        print(names["worker_class"], names["workers"], names["control_socket_disable"], names["preload_app"])
        """
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["gevent", "1", "True", "False"]


def test_a_database_that_accepts_and_says_nothing_is_given_up_after_its_time_out() -> None:
    # Given a server that takes connections and never answers
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        begun = time.monotonic()
        found = run_aside(
            """
            import runpy, sys
            names = runpy.run_path("app/gunicorn_conf.py")
            names["post_fork"](None, None)
            import psycopg2
            try:
                psycopg2.connect(f"host=127.0.0.1 port={sys.argv[1]} dbname=x user=x connect_timeout=1 sslmode=disable")
            except psycopg2.OperationalError as error:
                print(error)
            """,
            str(port),
        )
    # Then connecting ends with an error, soon
    assert "did not answer in time" in found.stdout, found.stderr
    assert time.monotonic() - begun < 20


def test_an_exit_waits_for_the_last_words_of_streams_and_for_nothing_else() -> None:
    # Given a relay that was told to stop while one of its clients is still being written to
    found = run_aside(
        """
        import runpy
        names = runpy.run_path("app/gunicorn_conf.py")
        import gevent, time
        from types import SimpleNamespace
        from tests.support.relay import FrailBus, MemoryLog, make_hub

        def exit_of(hub):
            begun = time.monotonic()
            app = SimpleNamespace(extensions={"flex": SimpleNamespace(hub=hub)})
            names["worker_exit"](None, SimpleNamespace(wsgi=app))
            return time.monotonic() - begun

        hub = make_hub(FrailBus(), MemoryLog())
        subscription = hub.subscribe("a")
        print(exit_of(hub) < 0.2)
        hub.stop()
        gevent.spawn_later(0.3, subscription.close)
        print(0.2 < exit_of(hub) < 2)
        names["worker_exit"](None, SimpleNamespace())
        """
    )
    # Then the process goes as soon as it has been, and at once where nobody told the relay or there is none
    assert found.stdout.split() == ["True", "True"], found.stderr
