"""Requests made up from the server's own OpenAPI document: whatever they hold, the answer is one that it declares.

schemathesis draws them, half of them as the document asks for, half of them wrong somewhere, always the same ones. To
see these tests fail, take a status out of `app/api/operations.py`, a member out of `app/api/components.py`, or the
refusal of NUL out of `app/api/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.support.envelopes import freeform_envelope, writer_registration
from tests.support.stack import Stack, example, run_to_end

CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]
STREAM_CHECKS = CHECKS[
    :2
]  # a stream is declared as a text, and schemathesis would hold each of its events against that
TOO_LONG = {414, 431}  # said by gunicorn, of addresses and headers that never reach the app
BUDGET = settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
STREAM_SECONDS = 20
GOOD = {
    "streamRun": freeform_envelope(),
    "createRun": freeform_envelope(),
    "previewPlan": freeform_envelope(),
    "registerCapability": writer_registration(capabilityId="yard.fuzzed"),
}
"""What a body needs to be taken, for operations whose bodies are too particular to be hit by chance."""


@pytest.fixture(scope="module")
def known(stack: Stack) -> Iterator[dict[str, str]]:
    """Name things that are there, for addresses that ask for one; what the requests made is gone at the end."""
    with stack.client() as client:
        before = {one["capabilityId"] for one in client.capabilities()["data"]}
        frames = run_to_end(client, example("linkedin"))
        yield {"run_id": frames[0]["runId"], "capability_id": min(before), "version": "1"}
        for one in client.capabilities()["data"]:
            if one["capabilityId"] not in before:
                requests.delete(f"{stack.url}/api/v1/flex/capabilities/{one['capabilityId']}", timeout=STREAM_SECONDS)
        for status in ("pending", "planning", "running", "awaiting_hitl"):
            for run in client.runs(status=status, limit=200)["data"]:
                client.cancel(run["runId"], None)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_answer_is_one_that_the_document_declares(
    stack: Stack, known: dict[str, str], mode: GenerationMode
) -> None:
    # Given the operations of the document that the server itself hands out
    with requests.Session() as session:
        session.trust_env = False
        document = session.get(f"{stack.url}/openapi.json", timeout=STREAM_SECONDS).json()
        operations = [found.ok() for found in schemathesis.openapi.from_dict(document).get_all_operations()]
        faults: dict[str, str] = {}

        # When each is asked with what fits its description, or with what does not
        for operation in operations:
            try:
                _ask(operation, mode, stack.url, session, known)
            except (AssertionError, FailureGroup) as fault:
                faults[operation.label] = str(fault)
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, operation.label  # an operation that asks for nothing

    # Then no answer is a fault of the server, and status, media type and body are as declared
    assert not faults, "\n\n".join(f"{label}: {fault}" for label, fault in faults.items())


def _ask(operation: Any, mode: GenerationMode, url: str, session: requests.Session, known: dict[str, str]) -> None:
    declared = {status for status in operation.definition.raw["responses"] if status != "default"}

    @BUDGET
    @given(case=operation.as_strategy(mode), there=st.booleans())
    def ask(case: Any, *, there: bool) -> None:
        for name in set(case.path_parameters) & set(known) if there else ():
            case.path_parameters[name] = known[name]
        if there and isinstance(case.body, dict):
            case.body = case.body | GOOD.get(operation.definition.raw["operationId"], {})
        answer = case.call(base_url=url, session=session, timeout=STREAM_SECONDS)
        if answer.status_code in TOO_LONG:
            return
        streamed = answer.headers["content-type"][0].startswith("text/event-stream")
        case.validate_response(answer, checks=STREAM_CHECKS if streamed else CHECKS)
        assert str(answer.status_code) in declared, f"{case.as_curl_command()} is answered with {answer.status_code}"

    ask()
