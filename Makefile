# Two commands do everything: `make compare` and `make test`. Each first sees that .venv is what pyproject.toml asks for.
PYTHON ?= python3.11
RUN := .venv/bin/python

.PHONY: compare test wheel elsewhere lint docs pages figures bench clean

compare: .venv/installed
	$(RUN) -m analysis.compare_theory

# Two files of tests at a time, for fixtures that train are shared within a file; the longest come first, in the order
# that tests/conftest.py gives them. CI's log says which tests took longest.
test: .venv/installed
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(if $(CI),--durations=40)

# The wheel in a fresh environment, without torch, and the source distribution in one with it: three minutes, most of them pip's.
wheel: .venv/installed
	$(RUN) -m tests.wheel

# The same as other processors would run it, one after the other: about 40 minutes.
elsewhere: .venv/installed
	$(RUN) -m tests.elsewhere

lint: .venv/installed
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright

# All pages and the API of all packages: site/index.html. The tutorial's blocks are run, which takes most of the time.
docs: .venv/installed
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build

# The reports that are not kept in git, to results/pages: about five hours on two cores, and what is missing is said first.
pages: .venv/installed
	$(RUN) docs/data/pages.py

# All of the first paper's, at the scale that two cores train in half an hour.
figures: .venv/installed
	$(RUN) -m paper_figures fig

bench: .venv/installed
	$(RUN) -m benchmarks.bench_describe
	$(RUN) -m benchmarks.bench_decoder
	$(RUN) -m benchmarks.bench_ensemble
	$(RUN) -m benchmarks.bench_families
	$(RUN) -m benchmarks.bench_sweep
	$(RUN) -m benchmarks.bench_design
	$(RUN) -m benchmarks.bench_groups
	$(RUN) -m benchmarks.bench_scale
	$(RUN) -m benchmarks.bench_gallery
	$(RUN) -m benchmarks.bench_norm
	$(RUN) -m benchmarks.bench_league

.venv/installed: pyproject.toml constraints.txt
	test -x $(RUN) || $(PYTHON) -m venv .venv
	$(RUN) -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv results site
