# One machine, from a fresh clone: `make demo` and `make test` need Python 3.11 or newer, make and git, nothing else.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
MINUTES ?= 5
SCALE ?= 1
ROUNDS ?= 3
LOCK := uv pip compile pyproject.toml --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header --quiet

.DEFAULT_GOAL := help
.PHONY: help demo up test lint format bench bench-peers chaos docs lock clean

help: ## list these targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Flex needs Python 3.11 or newer, and '$(PYTHON)' is not: install one, then run 'make PYTHON=python3.11 $(MAKECMDGOALS)'."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "'$(PYTHON) -m venv' failed: install Python's venv module (on Debian the package python3-venv)."; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.run ## see one run from start to end: servers, plan, progress, result
	$(BIN)/flex demo

up: $(VENV)/.run ## run everything on this machine until Ctrl-C
	$(BIN)/flex up

test: $(VENV)/.dev ## every test, against real PostgreSQL and Valkey
	$(BIN)/pytest -n $(WORKERS)

lint: $(VENV)/.dev ## ruff, mypy, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## bring the code into form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev ## runs beside a bare Celery canvas, the relay, conditions; SCALE=0.1 ROUNDS=1 for a trial
	$(BIN)/python -m tests.bench.runs --json .flex/bench.json --scale $(SCALE) --rounds $(ROUNDS)
	$(BIN)/python -m tests.bench.relay --json .flex/bench.json
	$(BIN)/python -m tests.bench.conditions
	$(BIN)/python -m tests.bench.planner

bench-peers: $(VENV)/.dev ## LangGraph and DBOS on the same graph, in an environment of their own, if they can be had
	$(BIN)/python -m tests.bench.peers.compare --json .flex/bench-peers.json --scale $(SCALE) --rounds $(ROUNDS)

chaos: $(VENV)/.dev ## random faults for MINUTES=5 (SEED=n repeats), then every promise checked
	$(BIN)/python -m tests.support.chaos --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

docs: $(VENV)/.run ## write the reference pages that come from code and data
	$(BIN)/python -m docs.generate

lock: ## resolve the dependencies anew (needs uv); names no address
	$(LOCK) --extra embedded -o requirements.txt
	$(LOCK) --extra embedded --extra dev -o requirements-dev.txt

clean: ## remove the virtual environment, caches and the data folder
	rm -rf $(VENV) .flex .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
