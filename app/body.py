"""Bodies of requests: JSON only, of bounded size, read strictly, before anything else looks at them."""

from __future__ import annotations

from typing import Any

import gevent
from flask import current_app, request
from gevent import monkey
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from app.aside import run_aside
from policies.errors import FlexError
from policies.strict_json import loads

BODY_SECONDS, BODY_BYTES_PER_SECOND = 5.0, 20_000
"""How long a body may take: five seconds, and so many more as it takes a slow line to send it."""
LARGE_BYTES = 65_536
"""From here on, reading takes long enough to be felt by the streams of the same process."""


class UnsupportedMediaTypeError(FlexError):
    """Send the body as `Content-Type: application/json`."""

    code = "unsupported_media_type"


class BrokenBodyError(FlexError):
    """The body ends before it should, or its chunks are none; send the request again."""

    code = "broken_body"


def read_json() -> Any:
    """Return the document in the body.

    Raises `UnsupportedMediaTypeError`, `StrictJSONError`, `BrokenBodyError`, werkzeug's 408 for a body that drips in
    too slowly, and its 413 once the body is over the limit, chunked bodies included.
    """
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaTypeError
    content = _content()
    return run_aside(lambda: loads(content)) if len(content) > LARGE_BYTES else loads(content)


def read_optional_json() -> Any:
    """Return the document in the body, None when there is no body; raises as `read_json` does."""
    chunked = "chunked" in request.headers.get("Transfer-Encoding", "").lower()
    return read_json() if request.content_length or chunked else None


def _content() -> bytes:
    """Return the body. A body without a length is cut silently at the limit, so one byte more is asked for."""
    limit = int(current_app.config["MAX_CONTENT_LENGTH"])
    request.max_content_length = limit + 1
    patience = BODY_SECONDS + (request.content_length or limit) / BODY_BYTES_PER_SECOND
    # Only greenlets can be interrupted like this, and only they are worth it: a sender that drips holds one.
    try:
        with gevent.Timeout(patience if monkey.is_module_patched("socket") else None, RequestTimeout):
            content = request.get_data(cache=False)
    except (ParseException, OSError) as error:
        # What the server finds wrong with the chunks it says to whoever reads them, which is us.
        raise BrokenBodyError from error
    if len(content) > limit:
        raise RequestEntityTooLarge
    return content
