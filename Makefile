# Two commands do everything: `make compare` and `make test`. Each first sees that .venv is what pyproject.toml asks for.
PYTHON ?= python3.11
RUN := .venv/bin/python

.PHONY: compare test lint figures bench clean

compare: .venv/installed
	$(RUN) -m analysis.compare_theory

test: .venv/installed
	$(RUN) -m pytest

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright

figures: .venv/installed
	$(RUN) -m paper_figures --all

bench: .venv/installed
	$(RUN) -m benchmarks.bench_describe
	$(RUN) -m benchmarks.bench_ensemble

.venv/installed: pyproject.toml constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv results
