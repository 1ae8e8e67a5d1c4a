"""Headers that every reply carries so that a browser cannot take it for something else."""

from __future__ import annotations

from flask import Flask, Response

SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


def init_app(app: Flask) -> None:
    """Mark every reply."""

    def mark(response: Response) -> Response:
        for name, value in SAFETY.items():
            response.headers.setdefault(name, value)
        return response

    app.after_request(mark)
