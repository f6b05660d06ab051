# `make demo` and `make test` are the only set-up: both install what is missing. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

VENV ?= $(CURDIR)/.venv
export VENV
PYTHON_BIN := $(VENV)/bin/python
PYTEST := scripts/with_podman.sh $(PYTHON_BIN) -m pytest
# Processes that run tests side by side, and what is added to the command line of pytest.
JOBS ?= 2
ARGS ?=

LINES := 95
BRANCHES := 90

.PHONY: help setup images demo clean-demo test check lint types imports schemas docs coverage unit integration e2e faults \
	bench constraints wheel clean

help: ## List what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-12s %s\n", $$1, $$2 }'

setup: ## Install Podman (as root, where apt is there) and the virtual environment
	@scripts/setup.sh system venv

images: setup ## Build the container images that tests use, from Debian's packages
	@scripts/images.sh busybox postgres

demo: setup ## Bring up this repository's own fleet: a PostgreSQL and a web service
	@scripts/demo.sh up

clean-demo: ## Take the demo away: containers, volume, network, images, data
	@scripts/demo.sh down

test: check coverage ## Everything that must hold: style, types, imports, schemas, tests, coverage

check: lint types imports schemas

lint: setup ## Style and formatting
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: setup ## Strict types
	@$(VENV)/bin/mypy

imports: setup ## The direction of imports
	@$(VENV)/bin/lint-imports

schemas: setup ## The published schemas are those of the models
	@$(PYTHON_BIN) -m reconciler.events.schemas --check
	@$(PYTHON_BIN) -m reconciler.api.openapi --check

docs: setup ## Write what is generated of docs/: the commands and the reference
	@$(PYTHON_BIN) scripts/write_commands.py
	@$(PYTHON_BIN) scripts/write_reference.py

coverage: images ## All tests but the benchmarks, with coverage of lines and branches
	@rm -f .coverage .coverage.*
	@$(PYTEST) -n $(JOBS) --dist=worksteal --cov --cov-report= $(ARGS)
	@$(VENV)/bin/coverage json --quiet -o .coverage.json
	@$(PYTHON_BIN) scripts/check_coverage.py .coverage.json --lines $(LINES) --branches $(BRANCHES)

unit: setup ## Tests that touch no file, clock or socket
	@$(PYTHON_BIN) -m pytest tests/unit -n $(JOBS) $(ARGS)

integration: images ## Tests against SQLite and real Podman
	@$(PYTEST) tests/integration -n $(JOBS) $(ARGS)

e2e: images ## Tests of the installed command
	@$(PYTEST) tests/e2e -n $(JOBS) $(ARGS)

faults: images ## Crashes at every named place, broken sockets, full disks: the long form
	@FLEET_FAULTS=all $(PYTEST) tests/faults -n $(JOBS) $(ARGS)

soak: images ## Half an hour of killing beside a watcher; MINUTES=2 for the short form
	@scripts/with_podman.sh $(PYTHON_BIN) -m tests.faults.soak --minutes $(or $(MINUTES),30) $(ARGS)

bench: images ## Measure against bare calls and other tools
	@for file in tests/bench/*.py; do scripts/with_podman.sh $(PYTHON_BIN) "$$file"; done

constraints: setup ## Pin the releases that the virtual environment holds now
	@sed -n '1p' constraints.txt >constraints.new
	@$(PYTHON_BIN) -m pip freeze --exclude-editable --disable-pip-version-check >>constraints.new
	@mv constraints.new constraints.txt

wheel: setup ## Build the package into dist/
	@$(PYTHON_BIN) -m build --wheel

clean: ## Remove what was built; the virtual environment stays
	@rm -rf build dist .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
