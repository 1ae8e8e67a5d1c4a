"""Drafts of plans, kept to be looked at: nothing that runs ever reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select

from models.events.frames import timestamp_text
from models.repositories.runs import Run
from models.scope import Repository
from models.tables import flex_plan_drafts


@dataclass(frozen=True, slots=True)
class DraftAttempt:
    """One attempt: `draft` is the model's JSON, or {"text": …} where it was none, or None where nothing came."""

    attempt: int
    phase: str
    outcome: str
    model: str | None
    draft: Any
    duration_ms: float
    diagnostics: Sequence[Mapping[str, Any]] = ()
    prompt_sizes: Mapping[str, int] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)


class PlanDraftRepository(Repository):
    """Attempts at drafts for one tenant's runs."""

    def add(self, run: Run, made: DraftAttempt) -> None:
        """Store an attempt of the run's present planning."""
        self.connection.execute(
            insert(flex_plan_drafts).values(
                run_id=run.run_id,
                planning_attempt=run.planning_attempt,
                attempt=made.attempt,
                tenant_id=run.tenant_id,
                phase=made.phase,
                outcome=made.outcome,
                model=made.model,
                draft=made.draft,
                diagnostics=[dict(finding) for finding in made.diagnostics],
                prompt_sizes=dict(made.prompt_sizes),
                usage=dict(made.usage),
                duration_ms=made.duration_ms,
            )
        )

    def list(self, run_id: str) -> list[dict[str, Any]]:
        """Return the attempts of a run's plannings, oldest first."""
        drafts = flex_plan_drafts.c
        rows = self.connection.execute(
            select(flex_plan_drafts)
            .where(drafts.run_id == run_id, self.mine(flex_plan_drafts))
            .order_by(drafts.planning_attempt, drafts.attempt)
        )
        return [
            {
                "planningAttempt": row.planning_attempt,
                "attempt": row.attempt,
                "phase": row.phase,
                "outcome": row.outcome,
                "model": row.model,
                "draft": row.draft,
                "diagnostics": row.diagnostics,
                "promptSizes": row.prompt_sizes,
                "usage": row.usage,
                "durationMs": row.duration_ms,
                "createdAt": timestamp_text(row.created_at),
            }
            for row in rows
        ]
