"""What `/metrics` answers."""

from models.telemetry.metrics.exposition import CONTENT_TYPE as CONTENT_TYPE
from models.telemetry.metrics.exposition import SOURCES as SOURCES
from models.telemetry.metrics.exposition import exposition as exposition
