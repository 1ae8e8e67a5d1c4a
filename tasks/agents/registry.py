"""Which agent runs a capability: its own endpoint, else the model that the settings name, else the offline provider."""

from __future__ import annotations

from models.settings import Settings
from planner.contracts.capabilities import Capability
from tasks.agents.base import Agent
from tasks.agents.http import HttpAgent
from tasks.agents.llm import LlmAgent
from tasks.agents.offline.agent import OfflineAgent


def agent_for(capability: Capability, settings: Settings) -> Agent:
    """Return the agent for an AI capability; people are no agents, their nodes wait for them."""
    if capability.endpoint is not None:
        return HttpAgent(settings.agent_hosts)
    if settings.openai_api_key:
        return LlmAgent(settings)
    return OfflineAgent()
