"""Final outputs: one per run, with where each part came from."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from models.events.frames import timestamp_text
from models.scope import Repository
from models.tables import flex_run_outputs


class OutputRepository(Repository):
    """Outputs of one tenant's runs."""

    def get(self, run_id: str) -> dict[str, Any] | None:
        """Return the output as the debug reply shows it, None when there is none yet."""
        row = self.connection.execute(
            select(flex_run_outputs).where(flex_run_outputs.c.run_id == run_id, self.mine(flex_run_outputs))
        ).one_or_none()
        if row is None:
            return None
        return {
            "planVersion": row.plan_version,
            "status": row.status,
            "schemaHash": row.schema_hash,
            "recordedAt": timestamp_text(row.recorded_at),
            "updatedAt": timestamp_text(row.updated_at),
            "output": row.output,
            "facets": row.facets,
            "provenance": row.provenance,
            "goalConditionResults": row.goal_condition_results,
            "postConditionResults": row.post_condition_results,
        }
