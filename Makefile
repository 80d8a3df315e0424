# Every command a developer needs; `make help` lists them.
PYTHON ?= python3
MINUTES ?= 3
SIDE_BY_SIDE := --numprocesses 2 --dist worksteal
LONG := browser contract deployment packaging reliability
BIN := .venv/bin
export DAGSTER_HOME := $(CURDIR)
export RUNTIME__DLTHUB_TELEMETRY := false

.DEFAULT_GOAL := help
.PHONY: setup demo dev sandbox test reliability contract deployment packaging browser screenshots soak lint types layers validate check audit bench docs site lock clean help

setup: .venv/installed ## Make .venv from requirements.lock (needs Python 3.11 to 3.13)

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed, this is %d.%d: name one with `make PYTHON=python3.12 ...`" % sys.version_info[:2])'
	@echo "Installing what requirements.lock names into .venv; the first time takes a minute or two."
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Load all nine resources of a sandbox API into data/invoicing.duckdb and check them
	$(BIN)/python -m invoice_assets_tests.demo

dev: setup ## Start dagster dev, and the sandbox API unless .env names a real one
	$(BIN)/python -m invoice_assets_tests.dev

sandbox: setup ## Run the sandbox API alone and write a ready-made .env where there is none
	$(BIN)/python -m invoice_assets_tests.sandbox --env-file .env

test: setup ## Run the test suite
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) $(patsubst %,--ignore=invoice_assets_tests/%,$(LONG))

reliability: setup ## Break real loads and look what comes of them: faults, crashes, histories, odd input, secrets
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) invoice_assets_tests/reliability

contract: setup ## Hold DuckDB, PostgreSQL and Delta tables to what every warehouse must do (docs/destinations.md)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) invoice_assets_tests/contract

deployment: setup ## Load four organisations through PostgreSQL, Redis and Celery workers that are killed (docs/deploy.md)
	$(BIN)/python -m pytest invoice_assets_tests/deployment

packaging: setup ## Build the wheel and the site, run the demo and `make dev`, add a resource as its page has it
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) invoice_assets_tests/packaging

browser: setup ## Do what a person does in the Dagster UI, in Chromium: materialise, backfill, switch on, check
	$(BIN)/python -m pytest invoice_assets_tests/browser

screenshots: setup ## The same, and keep the pictures that the README and the docs show
	$(BIN)/python -m pytest invoice_assets_tests/browser --images docs/images

soak: setup ## Disturb a deployment for MINUTES (3), with faults, changes and restarts, and look at what is left
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

lint: setup ## Check style and format with ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types with mypy, strictly
	$(BIN)/mypy

layers: setup ## Check that imports go one way
	$(BIN)/lint-imports

validate: setup ## Load the definitions as Dagster does
	$(BIN)/dagster definitions validate

check: test reliability contract deployment packaging browser soak lint types layers validate site ## Everything that CI runs

audit: setup ## Ask an advisory service about every locked dependency (needs the network)
	$(BIN)/uv tool run pip-audit --strict --disable-pip --requirement requirements.lock

bench: setup ## Measure everything against the targets and the peers, and write benchmarks/RESULTS.md (takes half an hour)
	$(BIN)/python -m benchmarks.check_cost
	$(BIN)/python -m benchmarks

docs: setup ## Write the parts of the docs that derive from the catalog, faults, metrics, reports, destinations
	$(BIN)/python -m docs.catalog_tables
	$(BIN)/python -m docs.fault_tables
	$(BIN)/python -m docs.metric_tables
	$(BIN)/python -m docs.report_queries
	$(BIN)/python -m docs.destination_tables
	$(BIN)/python -m docs.table_reference
	$(BIN)/python -m docs.decision_list

site: setup ## Build the docs as a site into build/site; a broken link is an error
	NO_MKDOCS_2_WARNING=true $(BIN)/python -m mkdocs build

lock: setup ## Resolve the dependencies anew into requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --no-strip-extras --generate-hashes --no-emit-index-url --no-header --upgrade --output-file requirements.lock

clean: ## Remove everything that make has made: .venv, data and caches
	rm -rf .venv data build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'
