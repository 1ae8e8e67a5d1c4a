"""Ask a model behind the OpenAI chat-completions protocol for one JSON object, and get text, tokens and tries.

The client's own retries are off: `retries.py` decides by kind, within the attempt's deadline. Each try has a connection
of its own (`wire.py`), so that a cancel can cut it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
from openai.types.chat import ChatCompletion

from models.settings import Settings
from models.telemetry import outgoing_headers
from tasks.agents.base import (
    CONNECT_SECONDS,
    MAX_REPLY_BYTES,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
)
from tasks.agents.deadline import Deadline
from tasks.agents.replies import invalid
from tasks.agents.retries import call_with_retries, retry_after_seconds
from tasks.agents.structured import response_format
from tasks.agents.wire import Wire


class _FormatRefusedError(AgentRefusedError):
    """The server does not take the strict response format."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: two texts, and the name and schema of the object that it should answer with."""

    model: str
    system: str
    user: str
    name: str
    schema: Mapping[str, Any]
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, unread. `refusal` is its reason not to; `cut_off` tells that it ran out of tokens."""

    text: str
    model: str
    tries: int
    prompt_tokens: int = 0
    completion_tokens: int = 0
    refusal: str | None = None
    cut_off: bool = False


class ModelClient:
    """The door to the model's server that the settings name."""

    def __init__(self, settings: Settings, *, max_reply_bytes: int = MAX_REPLY_BYTES) -> None:
        self._api_key = settings.openai_api_key or ""
        self._base_url = settings.openai_base_url
        self._max_reply_bytes = max_reply_bytes

    def ask(self, question: Question, *, deadline: Deadline, cancel: CancelToken) -> Answer:
        """Return the model's answer, strict in form where the server takes that; raise an `AgentError`."""
        try:
            reply, tries = self._ask_strictly(question, deadline, cancel, allow_strict=True)
        except _FormatRefusedError:
            reply, tries = self._ask_strictly(question, deadline, cancel, allow_strict=False)
        return _answer(reply, question.model, tries)

    def _ask_strictly(
        self, question: Question, deadline: Deadline, cancel: CancelToken, *, allow_strict: bool
    ) -> tuple[ChatCompletion, int]:
        request = _request(question, allow_strict=allow_strict)
        return call_with_retries(lambda: self._ask_once(request, deadline, cancel), deadline=deadline, cancel=cancel)

    def _ask_once(self, request: dict[str, Any], deadline: Deadline, cancel: CancelToken) -> ChatCompletion:
        if deadline.passed:
            raise AgentTimeoutError
        wire = Wire(deadline, max_reply_bytes=self._max_reply_bytes)
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


def _request(question: Question, *, allow_strict: bool) -> dict[str, Any]:
    headers = {"X-Correlation-Id": question.correlation_id} if question.correlation_id else {}
    return {
        "model": question.model,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": question.user},
        ],
        "response_format": response_format(question.name, question.schema, allow_strict=allow_strict),
        "extra_headers": {**headers, **outgoing_headers()},
    }


def _is_strict(request: dict[str, Any]) -> bool:
    return bool(request["response_format"]["json_schema"]["strict"])


def _answer(reply: ChatCompletion, model: str, tries: int) -> Answer:
    choice, usage = reply.choices[0], reply.usage
    return Answer(
        text=choice.message.content or "",
        model=reply.model or model,
        tries=tries,
        prompt_tokens=(usage.prompt_tokens or 0) if usage else 0,
        completion_tokens=(usage.completion_tokens or 0) if usage else 0,
        refusal=choice.message.refusal or None,
        cut_off=choice.finish_reason == "length",
    )


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
