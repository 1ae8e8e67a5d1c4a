"""Many runs over one WebSocket: the frames of the streams, resumed in the same way, for as long as the client likes.

The client speaks first: `{"token"?, "subscribe": {"runIds": [...] | "*", "types"?: [...], "after"?: {runId: seq}}}`.
A further `subscribe` takes the place of the one before. The server sends frames as they are stored, and marks without
an id: `subscribed`, `reset`, `overrun`, `revoked`, `server-restart`, `error`.
"""

from __future__ import annotations

from contextlib import closing
from typing import ClassVar
from urllib.parse import urlsplit

import structlog
from apispec import APISpec
from flask import Blueprint, Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed

from app.api.arguments import FRAME_TYPES
from app.auth import ForbiddenError, admit, count_message, subject, tenant
from app.cors import is_allowed
from app.errors import document_of, note_refusal
from app.extensions import services
from app.limits import LimitError
from app.stream.follow import Signal
from app.stream.many import ManyFollower
from app.stream.response import SOCKET, hang_up
from app.stream.wishes import Wish, read_message
from app.stream.ws import FAULT, OPTIONS, REFUSED, TOO_SLOW, Socket, WholeSocket, end, hear, let_go, mark
from models.errors import DatabaseUnavailableError, RunNotFoundError
from models.unit_of_work import open_unit
from policies.errors import FlexError

PATH, ENDPOINT = "/api/v1/flex/events/ws", "events.follow_events"

logger = structlog.get_logger(__name__)


class UpgradeRequiredError(FlexError):
    """This address speaks WebSocket only; single runs are streamed at /api/v1/flex/runs/{id}/events."""

    code = "upgrade_required"
    headers: ClassVar[dict[str, str]] = {"Upgrade": "websocket"}


class ForeignOriginError(ForbiddenError):
    """This page may not listen here; add its origin to CORS_ALLOW_ORIGINS."""

    code = "foreign_origin"


def init_app(app: Flask) -> None:
    """Open the address."""
    app.config["SOCK_SERVER_OPTIONS"] = OPTIONS
    blueprint = Blueprint("events", __name__)
    blueprint.before_request(prepare_handshake)
    Sock().route(PATH, bp=blueprint, endpoint="follow_events")(follow_events)
    # The router keeps handshakes and plain requests apart, and would answer these with a bare 400.
    blueprint.add_url_rule(PATH, "ask_for_handshake", ask_for_handshake)
    app.register_blueprint(blueprint)


def ask_for_handshake() -> Response:
    """Tell whoever comes without a handshake what this address is for."""
    raise UpgradeRequiredError


def prepare_handshake() -> None:
    """Refuse pages of other origins, and see to it that messages are sent whole."""
    origin = request.headers.get("Origin")
    allowed = services().settings.cors_allow_origins
    # A browser keeps to no same-origin rule for WebSockets, so the server has to.
    if origin is not None and not (urlsplit(origin).netloc == request.host or is_allowed(origin, allowed)):
        raise ForeignOriginError
    if SOCKET in request.environ:
        request.environ[SOCKET] = WholeSocket(request.environ[SOCKET])


def follow_events(socket: Socket) -> None:
    """Tell one client what it asks for, until one of both ends it."""
    try:
        _converse(socket)
    except FlexError as error:
        note_refusal(error)
        busy = isinstance(error, LimitError | DatabaseUnavailableError)
        socket.send(mark("error", **document_of(error)))
        socket.close(TOO_SLOW if busy else REFUSED, error.code)
    except (ConnectionClosed, ConnectionError):
        # Whoever goes away does so as it likes: with a farewell, or with frames that it has not read.
        return
    except Exception:
        # The connection is no longer one that a reply could be written to.
        logger.exception("websocket_failed")
        socket.close(FAULT, "internal_error")
    finally:
        let_go(socket, request.environ.get(SOCKET))


def _converse(socket: Socket) -> None:
    hub = services().hub
    text = hear(socket, hub.stopping)
    while text is not None:
        count_message()
        message = read_message(text, FRAME_TYPES)
        if g.caller is None:
            admit(message.token)
        text = hear(socket, hub.stopping) if message.wish is None else _tell(socket, message.wish)
    if hub.stopping():
        end(socket, Signal.RESTART)


def _tell(socket: Socket, wish: Wish) -> str | bytes | None:
    """Tell frames until the client says something else, which is returned, or the connection ends."""
    shared = services()
    positions, resets = _places(wish)
    subscription = shared.hub.subscribe_many(
        positions,
        tenant=tenant() if wish.every_run else None,
        owner=subject(),
        hang_up=hang_up(request.environ),
    )
    socket.send(mark("subscribed", runIds="*" if wish.every_run else list(wish.run_ids)))
    for run_id in resets:
        socket.send(mark("reset", runId=run_id, message="unknown_position", payload={"after": 0}))
    follower = ManyFollower(subscription, shared.log, positions, shared.hub.caught_up)
    with closing(subscription), closing(iter(follower)) as items:
        for item in items:
            if isinstance(item, Signal):
                end(socket, item)
                return None
            if item is not None and (wish.types is None or item.type in wish.types):
                socket.send(item.text)
            text = socket.receive(timeout=0)
            if text is not None:
                return text
    return None


def _places(wish: Wish) -> tuple[dict[str, int], list[str]]:
    """Return where each named run goes on, and the runs whose named place does not exist: they begin anew.

    Raises RunNotFoundError, also for another tenant's run.
    """
    named = dict.fromkeys([*wish.run_ids, *wish.after], 0)
    with open_unit(tenant()) as unit:
        last = unit.runs.last_seqs(named) if named else {}
    missing = sorted(named.keys() - last.keys())
    if missing:
        raise RunNotFoundError(f"There is no run {', '.join(missing[:5])}.", data={"runIds": missing})
    resets = [run_id for run_id, seq in wish.after.items() if seq > last[run_id]]
    return {**named, **wish.after, **dict.fromkeys(resets, 0)}, resets


def describe(app: Flask, spec: APISpec) -> None:
    """Add the WebSocket to the API's description, which has no place of its own for one."""
    problem = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    spec.tag({"name": "events", "description": "Many runs at once"})
    spec.path(
        rule=next(app.url_map.iter_rules(ENDPOINT)),
        operations={
            "get": {
                "operationId": "followEvents",
                "summary": "Follow many runs at once over a WebSocket.",
                "description": (__doc__ or "").partition("\n\n")[2],
                "tags": ["events"],
                "responses": {
                    "101": {"description": "The WebSocket is open"},
                    **{
                        status: {"description": why, **problem}
                        for status, why in (
                            ("405", "Method Not Allowed"),
                            ("426", "Not a WebSocket's handshake"),
                            ("401", "Unauthorized"),
                            ("403", "The key lacks the scope, or the page's origin is not allowed"),
                            ("429", "Too Many Requests"),
                            ("500", "Internal Server Error"),
                            ("503", "Service Unavailable"),
                        )
                    },
                },
            }
        },
    )
