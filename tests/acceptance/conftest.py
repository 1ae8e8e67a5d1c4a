"""Two whole stacks that the tests of this folder share: one that writes offline, one whose model is `FakeOpenAI`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.support.fake_openai import FakeOpenAI
from tests.support.servers import make_data_dir
from tests.support.stack import Stack
from tests.support.visitor import Visitor

ORIGIN = "https://console.example"


@pytest.fixture(scope="session")
def flex_up() -> Iterator[Stack]:
    """`flex up` for browsers of ORIGIN, with remote agents allowed on this machine, and no key of a model."""
    yield from _running(CORS_ALLOW_ORIGINS=ORIGIN, FLEX_AGENT_HOSTS="127.0.0.1")


@pytest.fixture(scope="session")
def _provider() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as provider:
        yield provider


@pytest.fixture(scope="session")
def flex_up_with_model(_provider: FakeOpenAI) -> Iterator[Stack]:
    """`flex up` whose AI capabilities ask the provider; its planner does not, so that each request is an agent's."""
    settings = {"OPENAI_API_KEY": "sk-acceptance", "FLEX_PLANNER_MODE": "deterministic"}
    yield from _running(OPENAI_BASE_URL=_provider.base_url, **settings)


@pytest.fixture
def provider(_provider: FakeOpenAI) -> FakeOpenAI:
    """The model's server with no memory of earlier tests; each answer is right until a test says otherwise."""
    _provider.play()
    _provider.requests.clear()
    return _provider


@pytest.fixture(scope="session")
def flex_up_bare() -> Iterator[Stack]:
    """`flex up` without built-in capabilities: the registry holds what a test registers."""
    yield from _running(FLEX_BUILTIN_CAPABILITIES="none", FLEX_AGENT_HOSTS="127.0.0.1")


@pytest.fixture
def visitor(flex_up: Stack) -> Iterator[Visitor]:
    with Visitor(flex_up.url) as one:
        yield one


@pytest.fixture
def asker(flex_up_with_model: Stack, provider: FakeOpenAI) -> Iterator[Visitor]:
    """A visitor of the stack whose agents ask a model."""
    with Visitor(flex_up_with_model.url) as one:
        yield one


def _running(**settings: str) -> Iterator[Stack]:
    folder = make_data_dir()
    stack = Stack(folder, **settings)
    yield stack
    stack.stop()
    shutil.rmtree(folder, ignore_errors=True)
