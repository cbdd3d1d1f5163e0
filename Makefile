# Everything a person types in this repository. Each target sets up what it needs, once.
#
#   make demo     play the lab's day on this machine, in a folder of its own (DATA=/any/folder for your own files)
#   make test     the test suite; what needs a server that is not here is skipped with its reason
#   make check    ruff, mypy, the import contracts, the documentation
#   make bench    the speed table, side by side with dvc and others (ONLY=name SCALE=0.1 for a part)
#   make docs     build the documentation into site/
#   make clean    remove what the targets above made (not .cache/, which is slow to fetch)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST_ARGS ?= -n 2

.PHONY: demo test check bench docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.run
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python demo/article.py $(if $(DATA),--data "$(DATA)")

test: $(VENV)/.test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: $(VENV)/.run
	$(BIN)/python -m bench.run $(if $(ONLY),--only "$(ONLY)") $(if $(SCALE),--scale $(SCALE)) $(BENCH_ARGS)

docs: $(VENV)/.check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) site dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.cache/*' -prune -exec rm -rf {} +

# Each stamp says "installed since pyproject.toml last changed"; each builds on the one before.
$(VENV)/.run: pyproject.toml scripts/venv
	PYTHON="$(PYTHON)" scripts/venv $(VENV)
	$(PIP) 'pip>=25.1'
	$(PIP) --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) --group test
	@touch $@

$(VENV)/.check: $(VENV)/.test
	$(PIP) --group check --group docs
	@touch $@
