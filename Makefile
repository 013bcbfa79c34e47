# make demo: install what is needed and do the main job. make test: install what is needed and run every check.
# make soak: thousands of faults in both frameworks, and a table of those tried, survived and lost (hours; docs/soak.md).
# make bench DATA=folder: install unfreeze and its peers in an environment of their own (9 GB) and run them side by side.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
BENCH_VENV ?= .venv-bench
# About half an hour on two cores; `python benchmarks/bench.py --help` says what else there is.
BENCH  ?= --peer-pictures 475 --repeats 1 --peer-epochs 1
# Families, and options: make soak SOAK='kills --framework torch --count 5'.
SOAK   ?=

.PHONY: demo test soak bench lint format clean

demo: $(VENV)/.installed
	$(BIN)/unfreeze demo

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

soak: $(VENV)/.installed-dev
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK)

bench: $(if $(DATA),$(BENCH_VENV)/.installed)
	@test -n '$(DATA)' || { echo "make bench DATA=folder: give a folder of pictures, {train,validation,test}/<class>/*" >&2; exit 2; }
	$(BENCH_VENV)/bin/python benchmarks/bench.py '$(DATA)' $(BENCH)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) $(BENCH_VENV)

$(VENV)/bin/python $(BENCH_VENV)/bin/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "unfreeze needs Python 3.11 or newer, this is " + sys.version'
	$(PYTHON) -m venv $(patsubst %/bin/python,%,$@)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[torch,fast]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[torch,tensorflow,fast,dev]'
	touch $@ $(VENV)/.installed

$(BENCH_VENV)/.installed: $(BENCH_VENV)/bin/python pyproject.toml benchmarks/requirements-peers.txt
	$(BENCH_VENV)/bin/python -m pip install --quiet --editable '.[torch,tensorflow,fast]' --requirement benchmarks/requirements-peers.txt
	touch $@
