"""Remote agents: a signed POST of the bundle to the capability's endpoint, and its checked reply.

Each try resolves and checks the address anew (`models/egress.py`) and connects only to what was checked. Redirects are
not followed. The request is the same on every try of an attempt, its Idempotency-Key included, so that an agent that
did the work but whose answer was lost can answer again without doing it twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx2
from standardwebhooks.webhooks import Webhook

from models.egress import CheckedUrl, EgressRefusedError, HostUnresolvedError, checked_url
from models.telemetry import outgoing_headers
from planner.progress.bundle import AgentBundle
from policies.strict_json import dumps
from tasks.agents.base import (
    CONNECT_SECONDS,
    AgentError,
    AgentRateLimitedError,
    AgentRefusedError,
    AgentResult,
    AgentTimeoutError,
    AgentUnavailableError,
    CancelToken,
    HitlAsk,
    Usage,
)
from tasks.agents.deadline import Deadline
from tasks.agents.pricing import priced
from tasks.agents.replies import invalid, parse_object
from tasks.agents.retries import call_with_retries, retry_after_seconds
from tasks.agents.wire import Wire

_REPLY_KEYS = {"output", "usage", "hitl"}
_HITL_KEYS = {"kind", "question", "urgency"}
_USAGE_KEYS = {"promptTokens", "completionTokens", "cost"}


class HttpAgent:
    """An agent that runs elsewhere, in any language, behind the endpoint that its capability was registered with."""

    def __init__(self, allowed_hosts: tuple[str, ...]) -> None:
        self._allowed_hosts = allowed_hosts

    def run(self, bundle: AgentBundle, *, cancel: CancelToken) -> AgentResult:
        endpoint = bundle.capability.endpoint
        if endpoint is None:
            raise AgentRefusedError(f"{bundle.capability_id} has no endpoint to call.")
        body = dumps(request_body(bundle))
        headers = _headers(bundle, body, endpoint.get("secret"))
        deadline = Deadline.after(bundle.timeout_seconds)

        def post() -> tuple[str, str]:
            return _post(self._checked(endpoint["url"]), body, headers, deadline, cancel)

        (text, host), tries = call_with_retries(post, deadline=deadline, cancel=cancel)
        return _result(bundle, text, {"provider": "http", "host": host, "tries": tries})

    def _checked(self, url: str) -> CheckedUrl:
        try:
            return checked_url(url, self._allowed_hosts)
        except HostUnresolvedError as error:
            raise AgentUnavailableError(error.message) from error
        except EgressRefusedError as error:
            raise AgentRefusedError(error.message) from error


def request_body(bundle: AgentBundle) -> dict[str, Any]:
    """Return the JSON that a remote agent receives."""
    return {
        "runId": bundle.run_id,
        "nodeId": bundle.node_id,
        "attempt": bundle.attempt,
        "planVersion": bundle.plan_version,
        "capabilityId": bundle.capability_id,
        "objective": bundle.objective,
        "instructions": [*bundle.instructions, *bundle.special_instructions],
        "inputs": dict(bundle.inputs),
        "outputSchema": dict(bundle.output_schema),
        "findings": [dict(finding) for finding in bundle.findings],
        "clarifications": [dict(clarification) for clarification in bundle.clarifications],
    }


def _headers(bundle: AgentBundle, body: str, secret: str | None) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Idempotency-Key": bundle.idempotency_key,
        **outgoing_headers(),
    }
    if bundle.correlation_id:
        headers["X-Correlation-Id"] = bundle.correlation_id
    return headers if not secret else {**headers, **_signature(bundle.idempotency_key, body, secret)}


def _signature(message_id: str, body: str, secret: str) -> dict[str, str]:
    """Return the headers of the Standard Webhooks signature; the message's id is its idempotency key."""
    now = datetime.now(UTC)
    try:
        signature = Webhook(secret).sign(message_id, now, body)
    except Exception as error:
        # The library raises what its decoding raised; whatever it was, the secret is at fault.
        raise AgentRefusedError(
            "The endpoint's secret is not a Standard Webhooks secret (whsec_ and base64)."
        ) from error
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def _post(
    target: CheckedUrl, body: str, headers: Mapping[str, str], deadline: Deadline, cancel: CancelToken
) -> tuple[str, str]:
    """Return the reply's text and the host that gave it, or raise the error that the failure stands for."""
    if deadline.passed:
        raise AgentTimeoutError
    wire = Wire(deadline, addresses=target.addresses)
    timeout = httpx2.Timeout(deadline.remaining(), connect=min(CONNECT_SECONDS, deadline.remaining()))
    with httpx2.Client(transport=wire, timeout=timeout, trust_env=False) as client, cancel.on_cancel(wire.abort):
        try:
            reply = client.post(target.url, content=body.encode(), headers=dict(headers))
        except Exception as error:
            raise wire.own_doing(cancel) or _network_error(error, target) from error
    _raise_for_status(reply, target.host)
    return _text(reply), target.host


def _network_error(error: Exception, target: CheckedUrl) -> AgentError:
    if isinstance(error, httpx2.DecodingError):
        return invalid(str(error), "")
    if isinstance(error, httpx2.HTTPError):
        return AgentUnavailableError(f"{target.host} could not be reached: {str(error) or type(error).__name__}")
    return AgentRefusedError(f"The request to {target.host} could not be made: {error}")


def _raise_for_status(reply: httpx2.Response, host: str) -> None:
    status = reply.status_code
    if status == 200:
        return
    wait = retry_after_seconds(reply.headers.get("retry-after"))
    said = f"{host} answered {status}: {_text(reply)[:300]}".rstrip(": ")
    if status == 429:
        raise AgentRateLimitedError(said, retry_after=wait)
    if status >= 500:
        raise AgentUnavailableError(said, retry_after=wait)
    if status >= 400:
        raise AgentRefusedError(said)
    if status >= 300:
        raise AgentRefusedError(f"{host} answered {status}; redirects are not followed, register the final address.")
    raise invalid(f"{host} answered {status}; an agent answers 200.", _text(reply))


def _text(reply: httpx2.Response) -> str:
    return reply.content.decode("utf-8", errors="replace")


def _result(bundle: AgentBundle, text: str, provenance: dict[str, Any]) -> AgentResult:
    reply = parse_object(text, provenance=provenance)
    faults = [f"unknown key {key!r}" for key in sorted(reply.keys() - _REPLY_KEYS)]
    if ("output" in reply) == ("hitl" in reply):
        faults.append("exactly one of 'output' and 'hitl' is expected")
    if "output" in reply and not isinstance(reply["output"], dict):
        faults.append("/output must be an object")
    faults += _hitl_faults(reply["hitl"]) if "hitl" in reply else []
    faults += _usage_faults(reply["usage"]) if "usage" in reply else []
    if faults:
        raise invalid(f"The reply breaks the protocol: {'; '.join(faults)}.", text, provenance=provenance)
    ask = reply.get("hitl")
    return AgentResult(
        output=reply.get("output", {}),
        usage=_usage(reply.get("usage", {}), bundle),
        provenance=provenance,
        hitl=None if ask is None else HitlAsk(ask["kind"], ask["question"].strip(), ask.get("urgency")),
    )


def _hitl_faults(ask: Any) -> list[str]:
    if not isinstance(ask, dict):
        return ["/hitl must be an object"]
    faults = [f"/hitl/{key} is unknown" for key in sorted(ask.keys() - _HITL_KEYS)]
    if ask.get("kind") not in {"approval", "clarify"}:
        faults.append("/hitl/kind must be 'approval' or 'clarify'")
    if not isinstance(ask.get("question"), str) or not ask["question"].strip():
        faults.append("/hitl/question must be a text")
    if not isinstance(ask.get("urgency", ""), str):
        faults.append("/hitl/urgency must be a text")
    return faults


def _usage_faults(usage: Any) -> list[str]:
    if not isinstance(usage, dict):
        return ["/usage must be an object"]
    faults = [f"/usage/{key} is unknown" for key in sorted(usage.keys() - _USAGE_KEYS)]
    for key in sorted(usage.keys() & _USAGE_KEYS):
        value = usage[key]
        number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not number or (key != "cost" and value != int(value)):
            faults.append(f"/usage/{key} must be {'a' if key == 'cost' else 'a whole'} number not below 0")
    return faults


def _usage(usage: Mapping[str, Any], bundle: AgentBundle) -> Usage:
    """Return what the agent says it used; when it names no cost, its tokens are priced as registered."""
    counted = priced(int(usage.get("promptTokens", 0)), int(usage.get("completionTokens", 0)), bundle.capability.cost)
    if "cost" not in usage:
        return counted
    return Usage(counted.prompt_tokens, counted.completion_tokens, float(usage["cost"]))
