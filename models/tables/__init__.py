"""The tables, one file per noun; `metadata` holds them all."""

from models.tables.audit import flex_audit as flex_audit
from models.tables.base import metadata as metadata
from models.tables.capability import flex_capabilities as flex_capabilities
from models.tables.event import flex_events as flex_events
from models.tables.hitl import hitl_requests as hitl_requests
from models.tables.hitl import hitl_responses as hitl_responses
from models.tables.key import flex_api_keys as flex_api_keys
from models.tables.key import flex_idempotency_keys as flex_idempotency_keys
from models.tables.plan import flex_plan_nodes as flex_plan_nodes
from models.tables.plan import flex_plan_snapshots as flex_plan_snapshots
from models.tables.plan_draft import flex_plan_drafts as flex_plan_drafts
from models.tables.run import flex_run_outputs as flex_run_outputs
from models.tables.run import flex_runs as flex_runs
from models.tables.service import flex_canaries as flex_canaries
from models.tables.service import flex_timers as flex_timers
