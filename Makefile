# `make help` lists what can be done. Every target sets up what it needs; nothing is installed outside .venv.

PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
OUTLAY := $(BIN)/outlay
RUNTIME := .venv/.runtime-installed
DEVELOPMENT := .venv/.development-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes

# Each test process has databases of its own; more than eight of them wait for one another's disk.
TEST_PROCESSES ?= auto --maxprocesses=8

UV_COMPILE := .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
	--python-version 3.11

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) \
		| while IFS='|' read -r target text; do printf '%-16s %s\n' "$$target" "$$text"; done

.PHONY: run
run: $(RUNTIME) $(OUTLAY) ## Run the whole system in the foreground, data in ./var; Ctrl-C stops it
	@exec $(BIN)/python -m core run

.PHONY: demo
demo: $(RUNTIME) $(OUTLAY) ## Play a month of expenses against a running system and show the alerts
	@exec $(BIN)/python -m core demo $(ARGS)

.PHONY: migrate
migrate: $(RUNTIME) $(OUTLAY) ## Bring the database's schema up to date (make run does it by itself)
	@$(BIN)/python -m core migrate

.PHONY: test
test: $(DEVELOPMENT) ## Run all tests on throw-away servers; ARGS="-k budget" passes options to pytest
	@$(BIN)/python -m pytest -n $(TEST_PROCESSES) $(ARGS)

.PHONY: check
check: lint types ## Lint, format check, types and the architecture test
	@$(BIN)/ruff format --check .
	@$(BIN)/python -m pytest -q --noconftest tests/test_architecture.py

.PHONY: lint
lint: $(DEVELOPMENT) ## Look for mistakes with ruff
	@$(BIN)/ruff check .

.PHONY: format
format: $(DEVELOPMENT) ## Format the source, and mend what ruff can mend by itself
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

.PHONY: types
types: $(DEVELOPMENT) ## Check the types with mypy
	@$(BIN)/mypy

.PHONY: bench
bench: $(DEVELOPMENT) ## Measure the running system on PostgreSQL and write the tables
	@$(BIN)/python -m bench $(ARGS)

.PHONY: revision
revision: $(DEVELOPMENT) ## Write a new migration from the models: make revision m="add tags"
	@test -n "$(m)" || { echo 'Say what it changes: make revision m="add tags"' >&2; exit 2; }
	@$(BIN)/python -m core revision -m "$(m)"

.PHONY: lock
lock: ## Resolve the dependencies of pyproject.toml into the two requirements files
	@test -x .venv-lock/bin/uv || { $(PYTHON) -m venv .venv-lock \
		&& .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv; }
	@$(UV_COMPILE) pyproject.toml -o requirements.txt
	@$(UV_COMPILE) --extra dev -c requirements.txt pyproject.toml -o requirements-dev.txt

.PHONY: clean
clean: ## Remove what can be made again: environments, caches (never the data in ./var)
	@rm -rf .venv .venv-lock .mypy_cache .ruff_cache .pytest_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. The second stamp brings everything of the first along.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Outlay needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Name another: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; \
		echo "$(PYTHON) -m venv failed. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# What `outlay` is in the image, so that the documentation can call it by one name.
$(OUTLAY): Makefile | $(BIN)/python
	@printf '%s\n' '#!/bin/sh' 'bin=$$(dirname "$$0")' \
		'PYTHONPATH=$$(cd "$$bin/../.." && pwd) exec "$$bin/python" -m core "$$@"' > $@
	@chmod +x $@

$(RUNTIME): requirements.txt | $(BIN)/python
	@echo "Installing the packages of requirements.txt into .venv (this time only) …"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(DEVELOPMENT): requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing the packages of requirements-dev.txt into .venv (this time only) …"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $(RUNTIME) $@
