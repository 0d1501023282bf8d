# Everything from a fresh machine with Python 3.10 or later and git: `make demo`, `make test`.
#
#   make test ARGS="-k frames"      pass arguments on to pytest
#   make test PYTHON=python3.11     choose the Python that .venv is made with (run `make clean` to change it)

PYTHON ?= python3
VENV   ?= .venv
ARGS   ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

.DEFAULT_GOAL := help
.PHONY: help demo test lint docs wheel check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s%s\n", $$1, $$2 }' Makefile

docs: export OMP_NUM_THREADS = 1 # the small models of the practical are slower with more

demo: $(VENV)/installed ## the main job on the embedded corpus, into runs/demo
	$(BIN)/speechinterp demo --out runs/demo $(ARGS)

test: $(VENV)/installed ## all tests; ARGS are passed on to pytest
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile $(ARGS)

lint: $(VENV)/installed-lint ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/installed-docs ## the documentation, into docs/_build/html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q docs docs/_build/html

wheel: $(VENV)/installed ## sdist and wheel, into dist
	$(PIP) build
	$(BIN)/python -m build --outdir dist .

check: lint test docs ## lint, test and docs

clean: ## remove what make made; results in runs stay
	rm -rf $(VENV) dist build docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/installed: pyproject.toml
	@command -v $(PYTHON) >/dev/null \
	    || { echo "No $(PYTHON) here. Install Python 3.10 or later, or name yours: make PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "$$($(PYTHON) --version) is too old: 3.10 or later is needed. Name another: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "$(PYTHON) has no venv. On Debian or Ubuntu: sudo apt install python3-venv. Or name another: make PYTHON=python3.11"; exit 1; }
	@echo "Installing into $(VENV): about 6 GB, some minutes, once."
	$(PYTHON) -m venv $(VENV)
	$(PIP) -e ".[align,test]"
	@touch $@

$(VENV)/installed-%: $(VENV)/installed
	$(PIP) -e ".[align,$*]"
	@touch $@
