"""Let a model propose the plan: at most three attempts, each told and stored, none with a transaction open.

The search's plan is there before the model is asked and stays the answer unless a draft wins. So a model that is down,
slow or hostile costs time and nothing else: one that cannot be reached is not asked again, one that answers nonsense
hears what was wrong with it, and whatever breaks in here ends the talk.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from models.events.frames import Draft
from models.repositories.plan_drafts import DraftAttempt
from models.repositories.runs import Run
from models.settings import get_settings
from models.tables import flex_runs
from models.unit_of_work import UnitOfWork, open_unit
from planner.assembly.diagnostics import Diagnostic
from planner.assembly.draft_prompt import Prompt, Refused
from planner.assembly.drafts import MAX_ATTEMPTS, Drafting, Verdict, with_metadata
from planner.plan.graph import PlanGraph
from tasks.agents.base import AgentCancelledError, AgentError, CancelToken, InvalidReplyError, Usage, storable
from tasks.agents.completions import Answer, ModelClient, Question
from tasks.agents.deadline import Deadline
from tasks.base import stopping

logger = structlog.get_logger(__name__)

ATTEMPT_SECONDS = 60.0
"""How long one attempt may take, tries at the connection included."""
MAX_REPLY_BYTES = 512 * 1024
MAX_TEXT = 20_000
"""How much is kept of an answer that is no JSON."""
MAX_TOLD = 20
"""How many findings a frame tells; the stored attempt holds them all."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a planning tells and stores its attempts: `requested` makes the frame that announces attempt n."""

    run: Run
    requested: Callable[[int], Draft]
    still_mine: Callable[[UnitOfWork], bool]
    cancel: CancelToken


@dataclass(frozen=True, slots=True)
class _Tried:
    """One attempt as it went."""

    attempt: int
    prompt: Prompt
    verdict: Verdict
    outcome: str
    model: str
    usage: Usage
    duration_ms: float


def plan_with_model(desk: Desk, drafting: Drafting) -> PlanGraph:
    """Return the plan that wins: a model's draft, or the search's own.

    Raises DatabaseUnavailableError when an attempt can be neither told nor stored.
    """
    refused: Refused | None = None
    tried: _Tried | None = None
    for attempt in range(1, MAX_ATTEMPTS + 1):
        if attempt > 1 and (stopping.is_set() or not _announce(desk, attempt)):
            break
        try:
            tried = _try(desk, drafting, attempt, refused)
        except AgentCancelledError:
            break
        except Exception:
            logger.exception("flex_planner_draft_failure", run_id=desk.run.run_id, attempt=attempt)
            break
        if not _store(desk, drafting, tried) or not tried.verdict.again:
            break
        refused = tried.verdict.refused
    return _outcome(drafting, tried)


def _outcome(drafting: Drafting, tried: _Tried | None) -> PlanGraph:
    if tried is None:
        return drafting.plan
    told: dict[str, Any] = {"plannerAttempts": tried.attempt, "plannerPhase": drafting.phase}
    talk = {"outcome": tried.outcome, "model": tried.model, "promptSizes": dict(tried.prompt.sizes)}
    if tried.verdict.plan is None:
        return with_metadata(drafting.plan, **told, drafting=talk)
    return with_metadata(tried.verdict.plan, **told, plannerModel=tried.model, drafting=talk)


def _try(desk: Desk, drafting: Drafting, attempt: int, refused: Refused | None) -> _Tried:
    """Ask once and judge what came back. Raises AgentCancelledError when the run does not want a plan any more."""
    prompt = drafting.prompt(refused)
    logger.info("flex_planner_prompt_metrics", run_id=desk.run.run_id, attempt=attempt, **_counts(prompt))
    model, usage, started = get_settings().planner_model, Usage(), time.monotonic()
    try:
        answer = _ask(desk, prompt)
        model, usage = answer.model[:120], Usage(answer.prompt_tokens, answer.completion_tokens)
        verdict, outcome = _judged(drafting, answer)
    except AgentCancelledError:
        raise
    except InvalidReplyError as error:
        verdict, outcome = Verdict(_kept(error.raw), (_failure(error),), again=True), "refused"
    except AgentError as error:
        verdict, outcome = Verdict(None, (_failure(error),)), "failed"
    duration_ms = (time.monotonic() - started) * 1000
    codes = list(dict.fromkeys(finding.code for finding in verdict.diagnostics))
    logger.info(
        "flex_planner_draft_received",
        run_id=desk.run.run_id,
        attempt=attempt,
        outcome=outcome,
        codes=codes,
        duration_ms=round(duration_ms, 3),
    )
    return _Tried(attempt, prompt, verdict, outcome, model, usage, duration_ms)


def _ask(desk: Desk, prompt: Prompt) -> Answer:
    settings = get_settings()
    question = Question(
        model=settings.planner_model,
        system=prompt.system,
        user=prompt.user,
        name="plan_draft",
        schema=prompt.schema,
        correlation_id=desk.run.correlation_id,
    )
    client = ModelClient(settings, max_reply_bytes=MAX_REPLY_BYTES)
    return client.ask(question, deadline=Deadline.after(ATTEMPT_SECONDS), cancel=desk.cancel)


def _judged(drafting: Drafting, answer: Answer) -> tuple[Verdict, str]:
    if answer.refusal:
        told = f"The model refused to propose a plan: {answer.refusal[:300]}"
        return Verdict(None, (Diagnostic("model_refused", told, "warning"),)), "failed"
    if answer.cut_off:
        told = "The answer was cut off at the model's token limit."
        cut = Diagnostic("draft_cut_off", told, pointer="", suggestion="Write a shorter draft.")
        return Verdict(_kept(answer.text), (cut,), again=True), "refused"
    verdict = drafting.judge(answer.text)
    if verdict.document is None:
        verdict = Verdict(_kept(answer.text), verdict.diagnostics, verdict.plan, verdict.again)
    if verdict.plan is not None:
        return verdict, "accepted"
    return verdict, "refused" if verdict.again else "too_costly"


def _failure(error: AgentError) -> Diagnostic:
    code = f"model_{error.code.removeprefix('agent_')}"
    return Diagnostic(code, f"The planner's model gave no draft: {error.message}", "warning")


def _kept(text: str) -> dict[str, str] | None:
    """Return an answer that is no JSON in a form that can be stored and shown."""
    kept = storable(text[:MAX_TEXT])
    return {"text": kept} if kept else None


def _counts(prompt: Prompt) -> dict[str, int]:
    sizes = prompt.sizes
    return {
        "system_chars": sizes["systemChars"],
        "user_chars": sizes["userChars"],
        "total_chars": sizes["totalChars"],
        "facet_rows": sizes["facetRows"],
        "capability_rows": sizes["capabilityRows"],
    }


def _announce(desk: Desk, attempt: int) -> bool:
    with open_unit(None) as unit:
        if not desk.still_mine(unit):
            return False
        unit.events.append(desk.run.run_id, desk.requested(attempt))
    return True


def _store(desk: Desk, drafting: Drafting, tried: _Tried) -> bool:
    """Store the attempt, count what it consumed, and tell of a draft that lost; False when the run has moved on."""
    diagnostics = [finding.as_json() for finding in tried.verdict.diagnostics]
    made = DraftAttempt(
        attempt=tried.attempt,
        phase=drafting.phase,
        outcome=tried.outcome,
        model=tried.model,
        draft=tried.verdict.document,
        duration_ms=tried.duration_ms,
        diagnostics=diagnostics,
        prompt_sizes=tried.prompt.sizes,
        usage=tried.usage.as_json(),
    )
    with open_unit(None) as unit:
        if not desk.still_mine(unit):
            return False
        unit.plan_drafts.add(desk.run, made)
        unit.events.append(
            desk.run.run_id, *_refusal(desk, drafting, tried, diagnostics), changes=_consumed(tried.usage)
        )
    return True


def _refusal(desk: Desk, drafting: Drafting, tried: _Tried, diagnostics: list[dict[str, Any]]) -> list[Draft]:
    if tried.verdict.plan is not None:
        return []
    payload = {
        "runId": desk.run.run_id,
        "attempt": desk.run.planning_attempt + tried.attempt - 1,
        "phase": drafting.phase,
        "reason": f"draft_{tried.outcome}",
        "diagnostics": diagnostics[:MAX_TOLD],
    }
    return [Draft("plan_rejected", payload)]


def _consumed(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": flex_runs.c.prompt_tokens + usage.prompt_tokens,
        "completion_tokens": flex_runs.c.completion_tokens + usage.completion_tokens,
        "cost": flex_runs.c.cost + usage.cost,
    }
