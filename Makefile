# Everything starts here. `make demo` and `make test` do all set-up themselves.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO ?= demo
# Thousands of small registries that sync to disk: in memory, where there is plenty of it.
PLENTY := $(shell df -m --output=avail /dev/shm 2>/dev/null | awk 'NR == 2 && $$1 > 2000')
FAST := $(if $(PLENTY),PYTEST_DEBUG_TEMPROOT=/dev/shm) $(BIN)/python -m pytest -q -n auto \
  -m "not docker and not slow" -o tmp_path_retention_policy=failed

.PHONY: help setup engine base-image demo test test-fast test-all check bench clean

help: ## Show what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(STAMP) engine base-image ## Virtual environment, Docker engine, base image

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; }
	@echo "· Virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@# Only its data file is read (CDNOW); its own dependencies are not needed.
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt --no-deps lifetimes
	@touch $@

engine:
	@.ci/engine

base-image: engine ## The image that all of ours start from
	@.ci/base-image

demo: setup ## The whole story on real data (KEEP=1 leaves the sandbox up)
	@PATH="$(CURDIR)/$(BIN):$$PATH" KEEP="$(KEEP)" .ci/demo "$(DEMO)"

test: setup ## Everything but what is marked slow
	@$(FAST)
	@$(BIN)/python -m pytest -q -m "docker and not slow"

test-fast: $(STAMP) ## What needs neither engine nor minutes
	@$(FAST)

test-all: setup ## Also what takes minutes
	@$(BIN)/python -m pytest -q

check: $(STAMP) ## Format, lint, types, architecture, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_docs.py

bench: setup ## The numbers, as ratios against named baselines (FULL=1: also what takes minutes)
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.bench --write $(if $(FULL),--full)

clean: ## Remove the virtual environment and caches
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache
