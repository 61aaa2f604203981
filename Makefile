# Everything that can be done with this checkout. `make` alone lists the targets.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

export POSTGRES_URL ?= postgres://postgres@127.0.0.1:5432/postgres
export MARIADB_URL ?= mysql://root@127.0.0.1:3306/test

# Processes for tests that mostly wait, for workers and brokers: more than there may be cores.
WAITING ?= 3

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# A stamp records the last installation. When pyproject.toml is newer, make installs again.
# The installation compiles everything at once. Otherwise each worker that a test starts would compile
# again where Python may not write its cache.
$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet uv

$(VENV)/.installed-%: pyproject.toml | $(BIN)/uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --editable . --group $*
	@touch $@

BENCH := $(VENV)/.installed-bench
DEMO := $(VENV)/.installed-demo
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs

.PHONY: demo
demo: $(DEMO) ## Place orders through HTTP, and show which receiver ran when and where
	$(BIN)/python -m demo_site.run

.PHONY: serve
serve: $(DEMO) ## Serve the same site for your browser, until Ctrl-C
	$(BIN)/python -m demo_site.run --serve

.PHONY: test
test: test-fast test-workers ## Run all tests

.PHONY: test-fast
test-fast: $(DEV) ## Run the tests that need no service
	$(BIN)/pytest --ignore tests/integration -n auto

.PHONY: test-workers
test-workers: $(DEV) ## Run the tests on real workers, brokers, PostgreSQL and MariaDB
	DATABASE_URL=$(POSTGRES_URL) $(BIN)/pytest tests/integration tests/outbox -n $(WAITING)
	DATABASE_URL=$(MARIADB_URL) $(BIN)/pytest tests/outbox -n 2
	DATABASE_URL=$(MARIADB_URL) $(BIN)/pytest tests/integration -m each_database -k redis -n $(WAITING)
	DATABASE_URL= $(BIN)/pytest tests/integration -m each_database -k redis -n $(WAITING)

.PHONY: lint
lint: $(DEV) ## Check style, format and which room may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: format
format: $(DEV) ## Correct what lint can correct by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: type
type: $(DEV) ## Check types
	$(BIN)/mypy
	$(BIN)/basedpyright

.PHONY: matrix
matrix: $(DEV) ## Run the tests on every supported Python, Django and Celery
	. .ci/pythons && $(BIN)/nox

.PHONY: ci
ci: ## Do exactly what CI does
	bash .ci/run

.PHONY: bench
bench: $(BENCH) ## Measure, in ratios against peers (QUICK=1: only show that it runs)
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--to benchmarks)

.PHONY: chaos
chaos: $(DEV) ## Count what faults do to real processes, in full, and write docs/faults.md (SOAK=600, SEED=, ONLY=, AGAIN=1, QUICK=1)
	$(BIN)/python -m tests.chaos

.PHONY: dist
dist: $(VENV)/.installed-release ## Build the package, and check it and its page
	rm -rf dist
	$(BIN)/python -m build --installer uv --quiet
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl

# The lock file has the hash of what is fetched. Nothing of it is run here: browsers run it.
MERMAID := docs/_site/node_modules/.package-lock.json
$(MERMAID): docs/_site/package-lock.json | $(DOCS)
	PATH="$(abspath $(BIN)):$$PATH" npm ci --prefix docs/_site --ignore-scripts --no-audit --no-fund --silent
	@touch $@

.PHONY: docs
docs: $(DOCS) $(MERMAID) ## Build the site into build/site
	rm -rf build/site
	$(BIN)/sphinx-build --fail-on-warning --fresh-env --quiet --doctree-dir build/doctrees docs build/site

.PHONY: pictures
pictures: $(VENV)/.installed-pictures ## Take the pictures of the demo for README and site
	$(BIN)/python docs/_site/pictures.py

.PHONY: hooks
hooks: $(DEV) ## Check style and types before each commit
	$(BIN)/pre-commit install

.PHONY: clean
clean: ## Remove everything that was made here, including the virtual environment
	rm -rf $(VENV) .nox .*_cache .hypothesis build dist docs/_site/node_modules var
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
