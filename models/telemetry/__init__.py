"""What can be seen of a service from outside: lines, metrics and traces, made from what has been committed."""

from models.telemetry.calls import observe_call as observe_call
from models.telemetry.facts import Call as Call
from models.telemetry.facts import CallEnd as CallEnd
from models.telemetry.facts import CapabilityChange as CapabilityChange
from models.telemetry.facts import NodeEnd as NodeEnd
from models.telemetry.facts import StatusChange as StatusChange
from models.telemetry.logs import configure_logging as configure_logging
from models.telemetry.observe import observe_capability as observe_capability
from models.telemetry.observe import observe_frame as observe_frame
from models.telemetry.observe import observe_node as observe_node
from models.telemetry.observe import observe_status as observe_status
from models.telemetry.observe import observed as observed
from models.telemetry.traces import outgoing_headers as outgoing_headers
