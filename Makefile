# A fresh machine needs python3 (3.11 to 3.13), make and the package index, nothing else.
SHELL := /bin/bash
VENV := .venv
PYTHON_IN_VENV := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# Programs fall back to the account's own home directory when HOME is unset, but not when it is empty.
ifeq ($(strip $(HOME)),)
unexport HOME
endif

# A virtual environment knows its absolute path, so a checkout that was moved needs a new one.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif

.DEFAULT_GOAL := help
.PHONY: help setup demo rig test lint format docs bench accuracy lock clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

setup: $(STAMP) ## a virtual environment with a working .venv/bin/finops-ai

$(STAMP): .ci/setup requirements.lock pyproject.toml
	@.ci/setup $(VENV)

demo: setup ## the whole loop on generated exports
	$(VENV)/bin/finops-ai demo

rig: setup ## real servers for the tests (emulators, Prometheus, the FOCUS validator), as far as the machine allows
	@.ci/rig/install

test: rig lint ## linters, types, layers and every test
	$(PYTHON_IN_VENV) -m pytest tests -n 2 --dist loadgroup

lint: setup ## linters, types and layers
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports --no-logo

format: setup ## put the code into the house's shape
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

docs: setup ## write the generated parts of docs/ again
	$(PYTHON_IN_VENV) -m tests.house.generated --write

bench: setup ## speed and memory as ratios to bare engines; several minutes
	$(PYTHON_IN_VENV) -m tests.benchmarks

BENCH ?= ../shared/bench

accuracy: setup ## forecast and detection scored beside the baselines on BENCH (default ../shared/bench), daily dev split
	$(VENV)/bin/finops-ai evaluate forecast --input $(BENCH)/dev/daily --output .accuracy/forecast.csv
	$(VENV)/bin/finops-ai evaluate detection --input $(BENCH)/dev/daily --output .accuracy/detection.csv
	cd $(BENCH) && for task in forecast detection; do \
	  $(CURDIR)/$(PYTHON_IN_VENV) -m costbench.score $$task dev/daily $(CURDIR)/.accuracy/$$task.csv; \
	  $(CURDIR)/$(PYTHON_IN_VENV) -m costbench.score $$task dev/daily $(CURDIR)/.accuracy/$$task.csv --by archetype; done

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

lock: ## pin every dependency again (needs uv)
	$(LOCK) --group dev pyproject.toml -o requirements.lock
	$(LOCK) --no-annotate --constraint requirements.lock pyproject.toml -o requirements-runtime.lock

clean: ## remove the environment and local state
	rm -rf $(VENV) .finops .finops-demo
