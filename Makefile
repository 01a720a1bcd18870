# Everything a developer runs. `make help` lists the targets. A machine needs Python 3.11 or newer and make.
SHELL := /bin/sh
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALLED := $(VENV)/.installed
CONFIG ?= examples/obelisk.toml
SEED ?=
SEEDS ?= 200
BENCH ?=
EXAMPLES ?= 500

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: install examples interface ## serve the examples: engine, HTTP gateway and web interface in one process
	@$(BIN)/obelisk server run --config $(CONFIG)

.PHONY: test
test: ## all tests; installs what they need first (INSTALL=no: says what is missing instead)
	@PYTHON="$(PYTHON)" sh tests/tools.sh
	@$(MAKE) --no-print-directory install examples
	@$(BIN)/python tests/run.py test

.PHONY: check
check: install ## formatting, lint, types, import rules, quick tests
	@$(BIN)/python tests/run.py check

.PHONY: audit
audit: ## known vulnerabilities of the locked packages (needs the pip-audit command and the network)
	@command -v pip-audit >/dev/null || { echo "pip-audit is needed: pipx install pip-audit" >&2; exit 1; }
	pip-audit --requirement requirements.lock --require-hashes --disable-pip

.PHONY: contract
contract: install examples ## requests made of the OpenAPI document against the examples on the real runtime, and a made-up shop (EXAMPLES=500 an operation)
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -rP tests/contract/test_contract.py

.PHONY: fuzz
fuzz: install ## hostile bytes for every parser (MINUTES=1 or INPUTS=1000000 for each target, TARGETS="json abi")
	$(BIN)/python tests/fuzz/fuzz.py $(TARGETS) $(if $(INPUTS),--inputs $(INPUTS)) $(if $(MINUTES),--minutes $(MINUTES))

.PHONY: hostile
hostile: install ## hostile guests, requests and servers next to a healthy call: p99 alone, next to them, ratio (CASES="followers --write")
	$(BIN)/python tests/bench/hostile.py $(CASES)

.PHONY: docs
docs: install ## the pages as a site: .cache/site/index.html
	$(BIN)/python docs/generate.py --check
	$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --nitpicky -b html docs .cache/site
	@echo ".cache/site/index.html"

.PHONY: bench
bench: install ## the same work on Obelisk, DBOS and Restate, in turn (BENCH="--quick", "--help": what can be asked)
	$(BIN)/python tests/bench/bench.py $(BENCH)

.PHONY: sim
sim: install ## the runtime on a simulated clock with injected faults (SEED=7: one run; SEEDS=1000: so many)
	@if [ -n "$(SEED)" ]; then OBELISK_SEED="$(SEED)" $(BIN)/python -m pytest tests/sim/test_sim.py; \
	else $(BIN)/python tests/sim/seeds.py 0 $(SEEDS); fi

.PHONY: regen
regen: install ## rewrite generated/, docs/reference/ and the golden files from their sources
	$(BIN)/obelisk gen wit examples/*/wit --out generated
	$(BIN)/python docs/generate.py
	BLESS=1 $(BIN)/python -m pytest tests/unit/codegen/pipeline/test_golden_trees.py

.PHONY: install
install: $(INSTALLED) ## the virtual environment, with exactly the locked packages

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked packages into $(VENV)"
	@$(PIP) install --no-deps --require-hashes --requirement requirements.lock   # the lock is whole: resolve nothing anew
	@cd src/obelisk && for folder in codegen runtime gateway wit; do \
	  test -e $$folder || ln -s ../../$$folder $$folder; done   # an unpacked source distribution has no links
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: examples
examples: install ## build the example components that are not component text
	@$(BIN)/python examples/build.py

.PHONY: interface
interface: install ## build the web interface into gateway/assets/ui; a server runs without it where that cannot be done
	@$(BIN)/python ui/build.py

.PHONY: ui
ui: install ## the web interface from its sources, over a gateway that runs (OBELISK_URL, http://127.0.0.1:8080)
	@$(BIN)/python ui/build.py --dev

.PHONY: dist
dist: install ## wheel and source distribution, and the wheel of the client alone
	@$(BIN)/python ui/build.py --strict
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m build --no-isolation --wheel --outdir dist packages/client

.PHONY: lock
lock: ## choose the newest allowed packages again (needs the uv command)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-emit-index-url --quiet --custom-compile-command "make lock" --output-file requirements.lock

.PHONY: clean
clean: ## remove build outputs and caches (not the environment, not data in .obelisk)
	rm -rf .cache .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .schemathesis build dist
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
