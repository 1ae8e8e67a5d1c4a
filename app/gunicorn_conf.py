"""How gunicorn serves Flex: greenlets from the first line on, one process, and streams that end when it must.

The patches come before every other import: a module that was loaded with the blocking `socket` or `ssl` keeps it.
psycopg2 is a C library that gevent cannot patch; its wait callback hands the thread over while a query runs. The
callback also has to keep `connect_timeout`, which libpq no longer applies once a callback is set.
"""

from gevent import monkey

monkey.patch_all()

# ruff: noqa: E402 - whatever is imported below must find the patches in place
import signal
import time
from types import FrameType
from typing import Any

import gevent
import psycopg2
from gevent import config as gevent_config
from gevent.socket import wait_read, wait_write
from psycopg2 import extensions

from app.registry import keep_registering
from app.unparsed import init_server
from models.settings import get_settings

SECONDS_FOR_LAST_WORDS = 5.0
DEFAULT_CONNECT_TIMEOUT_SECONDS = 5.0
MAX_CONNECTIONS = 10_000

# Who started which greenlet is remembered for debuggers, at a kilobyte per client.
gevent_config.track_greenlet_tree = False

_settings = get_settings()

bind = (
    f"[{_settings.server_host}]:{_settings.server_port}"
    if ":" in _settings.server_host
    else (f"{_settings.server_host}:{_settings.server_port}")
)
wsgi_app = "app.wsgi:app"
worker_class = "gevent"
workers = 1
worker_connections = MAX_CONNECTIONS
backlog = 2048
timeout = 60
graceful_timeout = 8
keepalive = 2
max_requests = 0
preload_app = False
control_socket_disable = True
proc_name = "flex-web"
loglevel = "warning" if _settings.log_level == "info" else _settings.log_level
accesslog = None


def wait_for_postgres(connection: Any, timeout: float | None = None) -> None:
    """Wait in this greenlet alone until the connection has what it asked for.

    Raises `OperationalError` when a new connection does not stand within its `connect_timeout`, and what `poll`
    raises when the server is gone.
    """
    deadline = _connect_deadline(connection)
    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        left = timeout if deadline is None else max(deadline - time.monotonic(), 0.001)
        wait = wait_read if state == extensions.POLL_READ else wait_write
        try:
            wait(connection.fileno(), timeout=left)
        except TimeoutError as error:
            raise psycopg2.OperationalError("the database did not answer in time") from error


def _connect_deadline(connection: Any) -> float | None:
    if connection.status != extensions.STATUS_SETUP:
        return None
    given = extensions.parse_dsn(connection.dsn).get("connect_timeout")
    return time.monotonic() + (float(given) if given else DEFAULT_CONNECT_TIMEOUT_SECONDS)


def post_fork(_server: Any, _worker: Any) -> None:
    """Make psycopg2 cooperative in the process that serves, and let it refuse what is no HTTP as the app refuses."""
    extensions.set_wait_callback(wait_for_postgres)
    init_server()


def post_worker_init(worker: Any) -> None:
    """Start the relay before the first request, and end its streams when the server is told to stop."""
    hub = worker.wsgi.extensions["flex"].hub
    hub.start()
    gevent.spawn(keep_registering)
    stop_worker = signal.getsignal(signal.SIGTERM)

    def drain(number: int, frame: FrameType | None) -> None:
        # A signal handler may not wait for a lock, so the streams are told from a greenlet of their own.
        gevent.spawn(hub.stop)
        if callable(stop_worker):
            stop_worker(number, frame)

    signal.signal(signal.SIGTERM, drain)


def worker_exit(_server: Any, worker: Any) -> None:
    """Let the streams say their last word: they have left their requests, so gunicorn does not wait for them."""
    app = getattr(worker, "wsgi", None)
    if app is None:  # a worker that did not come up, or the master speaking of one that is gone
        return
    hub = app.extensions["flex"].hub
    deadline = time.monotonic() + SECONDS_FOR_LAST_WORDS
    while hub.stopping() and hub.listeners() and time.monotonic() < deadline:
        gevent.sleep(0.02)
