"""A proxy between two sockets of files, which a test may cut, heal, slow down or make deaf in one direction.

with Net(real_socket, folder / "redis.sock") as net:
    net.drop_replies()
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

POLL_SECONDS = 0.05
CHUNK = 65_536


class Net:
    """A wire to `upstream` that begins at `path`; every connection through it meets the same fate."""

    def __init__(self, upstream: Path, path: Path) -> None:
        self._upstream, self._path = upstream, path
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o777)
        self._listener.listen(64)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = self._is_silent = self._drops_replies = self._over = False
        self._delay = 0.0
        self.dropped = 0
        self._carriers: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def cut(self) -> None:
        """Break every connection, and each new one at once."""
        self._is_cut = True
        with self._lock:
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def half_open(self) -> None:
        """Leave connections open and carry nothing any more, as a machine does that has vanished."""
        self._is_silent = True

    def drop_replies(self) -> None:
        """Carry requests, and lose what is answered."""
        self._drops_replies = True

    def delay(self, milliseconds: float) -> None:
        """Carry everything so much later."""
        self._delay = milliseconds / 1000

    def heal(self) -> None:
        """Be a good wire again; what was cut stays cut and connects anew, what was lost stays lost."""
        self._is_cut = self._is_silent = self._drops_replies = False
        self._delay = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self.cut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._thread, *self._carriers):
            thread.join(5)
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while not self._over:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self._upstream))
            except OSError:
                near.close()
                far.close()
                continue
            with self._lock:
                self._open |= {near, far}
            for ends in ((near, far, False), (far, near, True)):
                thread = threading.Thread(target=self._carry, args=ends, daemon=True)
                self._carriers.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket, is_reply: bool) -> None:  # noqa: FBT001 - a direction
        with suppress(OSError):
            while data := source.recv(CHUNK):
                if is_reply and self._drops_replies:
                    self.dropped += 1
                    continue
                while self._is_silent and not self._over:
                    time.sleep(POLL_SECONDS)
                time.sleep(self._delay)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._open.discard(source)
            source.close()


def postgres_socket(url: str) -> Path:
    """Return the socket behind a database's address."""
    return Path(parse_qs(urlsplit(url).query)["host"][0]) / ".s.PGSQL.5432"


def postgres_through(url: str, folder: Path) -> str:
    """Return the same database's address behind a proxy at `folder/.s.PGSQL.5432`."""
    return urlunsplit(urlsplit(url)._replace(query=f"host={quote(str(folder), safe='/')}"))


def redis_socket(url: str) -> Path:
    """Return the socket behind a Redis's address."""
    return Path(unquote(urlsplit(url).path))


def redis_through(url: str, path: Path) -> str:
    """Return the same Redis's address behind a proxy at `path`."""
    return urlunsplit(urlsplit(url)._replace(path=quote(str(path), safe="/")))
