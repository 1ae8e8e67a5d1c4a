"""What the server refuses before the app is asked, because it is no HTTP or too much of it: told as problems too."""

from __future__ import annotations

import json
from contextlib import suppress
from http import HTTPStatus
from socket import SHUT_WR, socket

from gunicorn import util

from app import correlation
from app.errors import CONTENT_TYPE, INTERNAL, code_of, describe
from app.headers import SAFETY
from app.unread import take_in


def init_server() -> None:
    """Let gunicorn write problems where it would write a page."""
    util.write_error = write_problem


def write_problem(connection: socket, status: int, _reason: str, message: str) -> None:
    """Answer a request that could not be read; `message` says what is wrong, nothing for a fault of ours."""
    body = describe(status, code_of(status), message or INTERNAL, correlation_id=correlation.new())
    content = json.dumps(body).encode()
    headers = {
        "Connection": "close",
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(content)),
        "Cache-Control": "no-store",
        correlation.HEADER: body["correlationId"],
        **SAFETY,
    }
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    util.write_nonblock(connection, "\r\n".join([*lines, "", ""]).encode() + content)
    with suppress(OSError):
        connection.shutdown(SHUT_WR)
        take_in(connection.recv)
