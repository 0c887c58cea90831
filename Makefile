# All that a fresh machine needs is python3 (3.10 or later) with venv, and make.
#
#   make demo             set up, then serve a Redis-speaking Twisted-style server inside an asyncio application
#   make test             set up, then run the tests on stdlib asyncio and on uvloop
#   make test-slow        run those that start whole programs of others, which take seconds each
#   make conformance      run Twisted's own tests against our modules and on our reactor (ARGS=--fast: most)
#   make check            lint, types, layers, package build, the README's commands
#   make bench            measure it beside Twisted, asyncio and uvloop (ARGS="--quick echo": some of it, fast)
#   make bench-docs       measure everything, and write the results and plots into docs/, for those there are
#   make clean            remove everything these targets made

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
# One more than there are processors: some tests wait more than they work.
WORKERS = $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# What Python has compiled is kept, also where it is told not to: the tests are compiled once and not by each of
# their workers, and hundreds of processes begin with the same modules.
export PYTHONPYCACHEPREFIX := $(abspath $(VENV))/pycache
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow conformance check lint format types layers package readme bench bench-docs \
	coverage clean

help:
	@sed -n 's/^#   //p' Makefile

# The stamp, not the directory, says that the install ended well: an interrupted one is done again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else \
	"Python %d.%d is too old: 3.10 or later is needed. Write: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (a minute or so, once) ..."
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/python examples/demo.py --loop uvloop
	$(BIN)/python examples/demo.py --loop asyncio

test: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m "not slow" $(ARGS)

test-slow: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal -m slow $(ARGS)

conformance: $(STAMP)
	$(BIN)/python -m tests.conformance $(ARGS)

check: lint types layers package readme

lint: $(STAMP)
	$(BIN)/python -m ruff check .

format: $(STAMP)
	$(BIN)/python -m ruff check --fix --select I .
	$(BIN)/python -m ruff format .

types: $(STAMP)
	$(BIN)/python -m mypy

layers: $(STAMP)
	$(BIN)/lint-imports

# The wheel is built from the sdist, so this also shows that the sdist is complete; the rest, that type checkers of
# other projects will see our types, and that "twisted-compat bench" has all it needs.
WHEEL_HAS := twisted_compat/py.typed twisted_compat/_benchmarks/__main__.py \
	twisted_compat/_benchmarks/examples/resp_server.py

package: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	@for file in $(WHEEL_HAS); do \
		$(BIN)/python -m zipfile --list dist/*.whl | grep "^$$file " >/dev/null || { echo "The wheel lacks $$file."; exit 1; }; \
	done
	rm -rf build/wheel
	$(BIN)/python -m zipfile --extract dist/*.whl build/wheel
	cd build/wheel && PYTHONPATH=. $(abspath $(BIN))/python -m twisted_compat bench --list timers | grep timers-reset

readme: $(STAMP)
	$(BIN)/python -m pytest tests/test_readme.py

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

bench-docs: $(STAMP)
	$(BIN)/python -m benchmarks --json docs/benchmarks/results.json --plots docs/benchmarks --page docs/benchmarks.md \
		$(ARGS)

coverage: $(STAMP)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(ARGS)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

clean:
	rm -rf $(VENV) dist build .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .nox .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
