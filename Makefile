# Two commands do everything: `make demo` and `make test`. Each sets up what it needs.
SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

.PHONY: help demo test browser java node postgres check lint types docs bench soak soak-worlds lock clean

help:
	@echo "make demo   set up, fill a shop with events, serve its living map (DEMO_LANGUAGE=fi|en, PORT=8000)"
	@echo "make test   set up, check style and types, run the tests"
	@echo "make bench  measure speed beside peers, write docs/benchmarks.md"
	@echo "make soak   long runs (kill at random moments, big worlds)"
	@echo "make soak-worlds  200 simulated shops: the proof of a rule against the truth"
	@echo "make docs   build the documentation into site/"

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Polku needs Python 3.11 or newer with venv (on Debian and Ubuntu: apt install python3 python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml $(VENV)/.core
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

DEMO_LANGUAGE ?= fi
PORT ?= 8000
demo: $(VENV)/.core
	$(BIN)/polku demo --folder demo --language $(DEMO_LANGUAGE) --port $(PORT) --live

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

check: lint types

browser: $(VENV)/.dev
	$(BIN)/python scripts/find_browser.py

java: $(VENV)/.dev
	$(BIN)/python scripts/find_java.py

node: $(VENV)/.dev
	$(BIN)/python scripts/find_node.py
	$(BIN)/python scripts/write_tracker.py --tools

postgres: $(VENV)/.dev
	$(BIN)/python scripts/find_postgres.py

# A third of a test's time is waiting, for servers and browsers: four keep two cores at work.
TEST_WORKERS ?= 4
test: $(VENV)/.dev check browser java node postgres
	$(BIN)/python -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder -m "not soak"

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak --timeout 7200

# Simulated shops whose truth is known: does the proof of a rule hold it as often as it says? Goes on where it stopped.
WORLDS ?= 200
soak-worlds: $(VENV)/.dev
	PYTHONPATH=tests $(BIN)/python tests/guidance/worlds.py $(WORLDS) --processes $$(nproc)

$(VENV)/.bench: bench/requirements.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@

BENCH_EVENTS ?= 20000000
bench: $(VENV)/.bench
	$(BIN)/python bench/run.py --events $(BENCH_EVENTS)

docs: $(VENV)/.dev
	$(BIN)/mkdocs build --strict

# Resolves the newest versions that pyproject.toml allows, for every platform, with hashes.
lock: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --upgrade -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header --no-annotate --upgrade -q -o requirements-dev.lock

clean:
	rm -rf $(VENV) demo site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
