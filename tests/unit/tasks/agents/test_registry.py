"""Which agent is chosen."""

from __future__ import annotations

from dataclasses import replace

from tasks.agents.http import HttpAgent
from tasks.agents.llm import LlmAgent
from tasks.agents.offline.agent import OfflineAgent
from tasks.agents.registry import agent_for
from tests.support.bundles import builtin, settings_for


def test_an_endpoint_comes_before_a_key_and_a_key_before_offline() -> None:
    remote = replace(builtin(), endpoint={"url": "https://agents.example.com/"})
    keyed = settings_for(OPENAI_API_KEY="sk-test")
    assert isinstance(agent_for(remote, keyed), HttpAgent)
    assert isinstance(agent_for(builtin(), keyed), LlmAgent)
    assert isinstance(agent_for(builtin(), settings_for()), OfflineAgent)
