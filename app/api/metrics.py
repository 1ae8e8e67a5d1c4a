"""What monitoring reads: the metrics of the whole service, counted in the tables when they are asked for."""

from __future__ import annotations

from flask import Response
from flask_smorest import Blueprint

from app.api.operations import Reply, operation
from app.extensions import services
from models.telemetry.metrics import CONTENT_TYPE, exposition

blueprint = Blueprint("metrics", __name__, description="What monitoring reads")

METRICS = Reply("Metrics as Prometheus reads them", {"text/plain": None})


@operation(blueprint, "GET", "/metrics", name="metrics", replies={200: METRICS})
def metrics() -> Response:
    """Tell every metric; a table that cannot be asked is named by `flex_scrape_source_up`."""
    return Response(exposition({"flex.stream.listeners": services().hub.listeners()}), content_type=CONTENT_TYPE)
