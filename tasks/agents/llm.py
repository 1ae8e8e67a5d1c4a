"""Language models as agents: the bundle as prompt, and a structured answer read as its output."""

from __future__ import annotations

import re
from typing import Any

from models.settings import Settings
from planner.progress.bundle import AgentBundle
from tasks.agents.base import AgentRefusedError, AgentResult, CancelToken
from tasks.agents.completions import Answer, ModelClient, Question
from tasks.agents.deadline import Deadline
from tasks.agents.pricing import priced
from tasks.agents.prompts import user_text
from tasks.agents.replies import invalid, parse_object
from tasks.agents.structured import without_added_nulls

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_FALLBACK_MODEL = "gpt-5"


class LlmAgent:
    """An agent that is a prompt: the capability's system text, and the bundle as user text."""

    def __init__(self, settings: Settings) -> None:
        self._client = ModelClient(settings)
        self._default_model = settings.openai_default_model

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        question = Question(
            model=self._model(bundle),
            system=bundle.capability.system_prompt,
            user=user_text(bundle),
            name="_".join(bundle.output_facets) or "output",
            schema=bundle.output_schema,
            correlation_id=bundle.correlation_id,
        )
        return _result(
            bundle, self._client.ask(question, deadline=Deadline.after(bundle.timeout_seconds), cancel=cancel)
        )

    def _model(self, bundle: AgentBundle) -> str:
        preferred = bundle.capability.preferred_models
        return self._default_model or (preferred[0] if preferred else _FALLBACK_MODEL)


def _result(bundle: AgentBundle, answer: Answer) -> AgentResult:
    provenance = {"provider": "openai", "model": answer.model, "tries": answer.tries}
    usage = priced(answer.prompt_tokens, answer.completion_tokens, bundle.capability.cost)
    if answer.refusal:
        raise AgentRefusedError(f"The model refused: {answer.refusal[:300]}", usage=usage)
    if answer.cut_off:
        raise invalid(
            "The reply was cut off at the model's token limit; write less.",
            answer.text,
            usage=usage,
            provenance=provenance,
        )
    output = parse_object(_unfenced(answer.text), usage=usage, provenance=provenance)
    return AgentResult(without_added_nulls(_unwrapped(output, bundle), bundle.output_schema), usage, provenance)


def _unfenced(text: str) -> str:
    """Return the JSON inside a Markdown fence, which compatible servers without structured output like to add."""
    fenced = _FENCE.fullmatch(text)
    return fenced[1] if fenced else text


def _unwrapped(output: dict[str, Any], bundle: AgentBundle) -> dict[str, Any]:
    """Return the inside of `{"output": {…}}`, unless the schema itself asks for a property of that name."""
    inner = output.get("output")
    if isinstance(inner, dict) and len(output) == 1 and "output" not in bundle.output_schema.get("properties", {}):
        return inner
    return output
