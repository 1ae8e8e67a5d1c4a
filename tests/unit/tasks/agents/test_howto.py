"""The page about writing an agent says what is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

from planner.contracts.capabilities import check_registration
from planner.contracts.facets import load_catalogue
from tasks.agents import base
from tasks.agents.http import request_body
from tests.support.bundles import bundle_for

PAGE = (Path(__file__).parents[4] / "docs" / "howto" / "write-an-agent.md").read_text()


def test_its_registration_is_accepted() -> None:
    sample = re.search(r"-d '(\{.*?\})'\n", PAGE, re.DOTALL)
    assert sample is not None
    capability = check_registration(json.loads(sample[1]), load_catalogue())
    assert capability.output_facets == ("post_copy",)


def test_it_names_every_member_of_the_request_and_every_error_an_agent_can_cause() -> None:
    assert [key for key in request_body(bundle_for()) if f"`{key}`" not in PAGE] == []
    errors = (
        base.AgentRefusedError,
        base.AgentUnavailableError,
        base.AgentTimeoutError,
        base.AgentRateLimitedError,
        base.InvalidReplyError,
    )
    assert [error.code for error in errors if f"`{error.code}`" not in PAGE] == []
