# Everything runs in .venv, made here from python3 alone.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
JOBS ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test integration lint slow bench notebooks docs clean

demo: .venv/.base
	$(BIN)/nngraph study --out results/demo

test: .venv/.test
	$(BIN)/python -m nngraph.nulls._kernels
	$(BIN)/python -m nngraph.similarity._kernels
	$(BIN)/python -m pytest -n $(JOBS) -q -m "not integration"
	$(MAKE) lint

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

integration: .venv/.test
	$(BIN)/python -m pytest -q -m integration

slow: .venv/.base
	$(BIN)/nngraph study --as-published --out results/digits-as-published
	$(BIN)/nngraph study --data fashion-mnist --out results/fashion-mnist
	$(BIN)/nngraph study --data fashion-mnist --as-published --out results/fashion-mnist-as-published
	$(BIN)/nngraph reproduce --scale full --out results/ledger-full

notebooks: .venv/.test
	$(BIN)/jupyter execute --inplace notebooks/*.ipynb

docs: .venv/.docs
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/.test
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks

.venv/.base: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) -e .
	touch $@

.venv/.docs: .venv/.base
	$(PIP) -e ".[docs]"
	touch $@

.venv/.test: .venv/.base
	$(PIP) -e ".[test]"
	touch $@

clean:
	rm -rf .venv results docs/_build docs/api docs/notebooks .pytest_cache .mypy_cache .ruff_cache .hypothesis nngraph/*/_kernels/__pycache__
