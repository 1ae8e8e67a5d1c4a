"""Language models behind the OpenAI chat-completions protocol, asked for structured output.

The client's own retries are off: `retries.py` decides by kind, within the attempt's deadline. Each try has a connection
of its own (`wire.py`), so that a cancel can cut it.
"""

from __future__ import annotations

import re
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion

from models.settings import Settings
from models.telemetry import outgoing_headers
from planner.progress.bundle import AgentBundle
from tasks.agents.base import (
    CONNECT_SECONDS,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentResult,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
    Usage,
)
from tasks.agents.deadline import Deadline
from tasks.agents.pricing import priced
from tasks.agents.prompts import user_text
from tasks.agents.replies import invalid, parse_object
from tasks.agents.retries import call_with_retries, retry_after_seconds
from tasks.agents.structured import response_format, without_added_nulls
from tasks.agents.wire import Wire

_FENCE = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.DOTALL)
_FALLBACK_MODEL = "gpt-5"


class _FormatRefusedError(AgentRefusedError):
    """The server does not take the strict response format."""


class LlmAgent:
    """An agent that is a prompt: the capability's system text, and the bundle as user text."""

    def __init__(self, settings: Settings) -> None:
        self._api_key = settings.openai_api_key or ""
        self._base_url = settings.openai_base_url
        self._default_model = settings.openai_default_model

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        model = self._model(bundle)
        deadline = Deadline.after(bundle.timeout_seconds)

        def ask(*, allow_strict: bool) -> tuple[ChatCompletion, int]:
            request = _request(bundle, model, allow_strict=allow_strict)
            return call_with_retries(lambda: self._ask(request, deadline, cancel), deadline=deadline, cancel=cancel)

        try:
            reply, tries = ask(allow_strict=True)
        except _FormatRefusedError:
            reply, tries = ask(allow_strict=False)
        return _result(bundle, reply, {"provider": "openai", "model": reply.model or model, "tries": tries})

    def _model(self, bundle: AgentBundle) -> str:
        preferred = bundle.capability.preferred_models
        return self._default_model or (preferred[0] if preferred else _FALLBACK_MODEL)

    def _ask(self, request: dict[str, Any], deadline: Deadline, cancel: CancelToken) -> ChatCompletion:
        if deadline.passed:
            raise AgentTimeoutError
        wire = Wire(deadline)
        timeout = httpx2.Timeout(deadline.remaining(), connect=min(CONNECT_SECONDS, deadline.remaining()))
        http_client = httpx2.Client(transport=wire, timeout=timeout, trust_env=False)
        client = openai.OpenAI(
            api_key=self._api_key, base_url=self._base_url, max_retries=0, timeout=timeout, http_client=http_client
        )
        with client, cancel.on_cancel(wire.abort):
            try:
                reply = client.chat.completions.create(**request)
            except Exception as error:
                raise wire.own_doing(cancel) or _translated(error, strict=_is_strict(request)) from error
        # The client builds its answer without checking it, and hands on plain text when the type was not JSON.
        if not isinstance(reply, ChatCompletion) or not reply.choices:
            raise invalid("The server's answer is not a chat completion.", str(reply))
        return reply


def _request(bundle: AgentBundle, model: str, *, allow_strict: bool) -> dict[str, Any]:
    name = "_".join(bundle.output_facets) or "output"
    headers = {"X-Correlation-Id": bundle.correlation_id} if bundle.correlation_id else {}
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": bundle.capability.system_prompt},
            {"role": "user", "content": user_text(bundle)},
        ],
        "response_format": response_format(name, bundle.output_schema, allow_strict=allow_strict),
        "extra_headers": {**headers, **outgoing_headers()},
    }


def _is_strict(request: dict[str, Any]) -> bool:
    return bool(request["response_format"]["json_schema"]["strict"])


def _translated(error: Exception, *, strict: bool) -> AgentError:
    """Return the agent error that a failure of the client stands for."""
    if isinstance(error, openai.APIStatusError):
        return _translated_status(error, strict=strict)
    if isinstance(error, openai.APIConnectionError):
        return AgentUnavailableError(f"The model's server could not be reached: {error.__cause__ or error.message}")
    if isinstance(error, ValueError):
        return invalid(f"The server's answer is not JSON: {error}", "")
    return AgentRefusedError(f"The model could not be asked: {error}")


def _translated_status(error: openai.APIStatusError, *, strict: bool) -> AgentError:
    status = error.status_code
    wait = retry_after_seconds(error.response.headers.get("retry-after"))
    said = f"The model's server answered {status}: {error.message[:300]}"
    if status == 429:
        return AgentRateLimitedError(said, retry_after=wait, retryable=error.code != "insufficient_quota")
    if status >= 500 or status in {408, 409}:
        return AgentUnavailableError(said, retry_after=wait)
    if status in {401, 403}:
        return AgentRefusedError(f"{said} Check OPENAI_API_KEY and OPENAI_BASE_URL.")
    if status == 400 and strict and ("response_format" in error.message or error.param == "response_format"):
        return _FormatRefusedError(said)
    return AgentRefusedError(said)


def _result(bundle: AgentBundle, reply: ChatCompletion, provenance: dict[str, Any]) -> AgentResult:
    usage = _usage(bundle, reply)
    choice = reply.choices[0]
    if choice.message.refusal:
        raise AgentRefusedError(f"The model refused: {choice.message.refusal[:300]}", usage=usage)
    text = choice.message.content or ""
    if choice.finish_reason == "length":
        raise invalid(
            "The reply was cut off at the model's token limit; write less.", text, usage=usage, provenance=provenance
        )
    output = parse_object(_unfenced(text), usage=usage, provenance=provenance)
    return AgentResult(without_added_nulls(_unwrapped(output, bundle), bundle.output_schema), usage, provenance)


def _usage(bundle: AgentBundle, reply: ChatCompletion) -> Usage:
    if reply.usage is None:
        return Usage()
    return priced(reply.usage.prompt_tokens or 0, reply.usage.completion_tokens or 0, bundle.capability.cost)


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
