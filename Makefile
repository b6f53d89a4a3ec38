# Needs make and Python 3.11 or newer. Every target works as the first command in a fresh clone.
#   make test ARGS="tests/iatcore -k fourier"      make demo ARGS="--quick --out somewhere"

PYTHON ?= $(shell python3.11 -c "" 2>/dev/null && echo python3.11 || echo python3)
JOBS ?= 2
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

# A virtual environment that is absent, half made or broken counts as not installed, whatever its stamp says.
USABLE := $(shell $(BIN)/python -c "import pip" 2>/dev/null && echo yes)
ifneq ($(USABLE),yes)
.PHONY: $(STAMP)
endif

.PHONY: help env test demo lint style types public-types imports bench docs clean
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

help:
	@echo "make env     make $(VENV) and install the tested versions into it"
	@echo "make test    run the tests"
	@echo "make demo    run the demonstration"
	@echo "make lint    run ruff, pyright, the types of public names, the import contracts"
	@echo "make bench   run the benchmarks"
	@echo "make docs    build the site in docs/_build"
	@echo "make clean   remove what was built, but not $(VENV)"
	@echo
	@echo 'test, demo, bench and docs pass ARGS="..." on; test runs in JOBS=$(JOBS) processes.'

env: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@rm -f $@
ifneq ($(USABLE),yes)
	$(PYTHON) -m venv --clear $(VENV)
endif
	@echo "installing into $(VENV): some minutes the first time"
	$(BIN)/python -m pip install --quiet -e . -c constraints.txt
	@echo "compiling the kernels, and installing what development needs"
	@$(BIN)/python -m iatcore.precompile & compiling=$$!; \
	$(BIN)/python -m pip install --quiet -e ".[dev]" -c constraints.txt; installed=$$?; \
	wait $$compiling && exit $$installed
	@touch $@

test: $(STAMP)
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

demo: $(STAMP)
	$(BIN)/matact demo $(ARGS)

lint: $(STAMP)
	@$(MAKE) --no-print-directory --jobs $(JOBS) --output-sync=target style types public-types imports

style types public-types imports: $(STAMP)

style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types:
	$(BIN)/pyright

public-types:
	$(BIN)/python scripts/check_public_types.py

imports:
	$(BIN)/lint-imports --no-logo

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

docs: $(STAMP)
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build $(ARGS)

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache docs/_build
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -exec rm -rf {} +
