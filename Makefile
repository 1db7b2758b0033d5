# Bihuan 闭环. `make help` lists every target.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# each worker starts servers of its own: about 1.5 GB and one core each
WORKERS ?= -n 2

# tests start hundreds of processes: each would compile all our modules anew
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up test unit integration e2e soak lint types format docs bench clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

setup: $(READY) ## make the environment (.venv) from the lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Bihuan needs Python 3.11 or newer as '$(PYTHON)'."; \
	  echo "  Debian 12+/Ubuntu 24.04+: apt install python3 python3-venv"; \
	  echo "  macOS: brew install python; elsewhere: pyenv install 3.11"; \
	  echo "  then: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing (Debian: apt install python3-venv)."; exit 1; }
	@echo "==> making the environment in $(VENV) (once; about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@echo "==> installing the locked dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)
	@echo "==> ready"

demo: setup ## play one complaint through the whole loop, amid a day's crowd, and prove it
	@$(BIN)/bihuan demo

up: setup ## run PostgreSQL, Kafka and the six services until Ctrl-C
	@$(BIN)/bihuan up

test: setup ## pass every test: style, types, unit, contracts, real servers, scenarios
	@$(MAKE) --no-print-directory lint types
	@echo "==> unit tests, architecture, contracts"
	@$(BIN)/python -m pytest tests/unit tests/architecture tests/contracts -q $(WORKERS)
	@echo "==> tests on real PostgreSQL and Kafka"
	@$(BIN)/python -m pytest tests/e2e tests/integration -q $(WORKERS)

unit: setup ## pure tests, about a minute
	@$(BIN)/python -m pytest tests/unit tests/architecture -q $(WORKERS)

integration: setup ## one part at a time on real PostgreSQL and Kafka
	@$(BIN)/python -m pytest tests/integration -q $(WORKERS)

e2e: setup ## the whole system: scenarios, races, guarantees, real files
	@$(BIN)/python -m pytest tests/e2e -q $(WORKERS)

soak: setup ## kill services at random 200 times under load (BIHUAN_SOAK_KILLS, BIHUAN_SOAK_SEED)
	@BIHUAN_SOAK_KILLS=$${BIHUAN_SOAK_KILLS:-200} $(BIN)/python -m pytest tests/e2e/test_kills.py -k random -q -s

lint: setup ## ruff and import-linter
	@echo "==> style and dependency rules"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: setup ## mypy, strict
	@echo "==> types"
	@$(BIN)/mypy

format: setup ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: setup ## write the generated contracts and pages again
	@$(BIN)/python -m contracts.generate

bench: setup ## measure (see docs/benchmarks.md)
	@$(BIN)/python -m tests.bench.append
	@$(BIN)/python -m tests.bench.inbox
	@$(BIN)/python -m tests.bench.rebuild
	@$(BIN)/python -m tests.bench.state
	@$(BIN)/python -m tests.bench.verify
	@$(BIN)/python -m tests.bench.reports
	@$(BIN)/python -m tests.bench.archive
	@$(BIN)/python -m tests.bench.asked
	@$(BIN)/python -m tests.bench.system

clean: ## remove the environment and local state
	@rm -rf $(VENV) .bihuan .bihuan-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
