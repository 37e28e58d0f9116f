# Two commands matter: `make demo` and `make test`. Both make the environment first, and only once.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export TORCHINDUCTOR_CACHE_DIR ?= $(CURDIR)/.venv/inductor

demo: $(READY)  ## pre-train, evaluate and draw; DATA=path for your own shapes
	$(BIN)/pointssl demo $(if $(DATA),--data "$(DATA)")

test: $(READY)  ## the whole test suite
	$(BIN)/pytest -n 2

check: $(READY)  ## lint, format, types, import contracts, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests benchmarks examples
	$(BIN)/lint-imports
	$(BIN)/codespell src tests docs benchmarks examples README.md CONTRIBUTING.md LOG.md CHANGELOG.md

fix: $(READY)  ## mend what the linter can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## speed against the textbook formulations, in one run; writes results/
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/views.py
	$(BIN)/python benchmarks/interactions.py

results: $(READY)  ## write the README's tables from results/, and docs/modules.md
	$(BIN)/python benchmarks/tables.py
	$(BIN)/python docs/modules.py

viewer:  ## bundle the script of the pages from viewer/src, where Node is
	cd viewer && npm ci --silent && npm run --silent build

mutants: $(READY)  ## plant small faults one at a time and see whether the tests notice; writes results/mutants.json
	$(BIN)/python -m tests.mutants.run

cases: $(READY)  ## situations from public bug reports, rebuilt; writes results/cases.json
	$(BIN)/python -m tests.reliability.cases

fuzz: $(READY)  ## damage thousands of files at random; writes results/fuzz.json
	$(BIN)/python -m tests.reliability.fuzz

crash: $(READY)  ## kill every command before every file event; writes results/crash.json
	$(BIN)/python -m tests.reliability.crash

# A virtual environment that was interrupted has no mark and is made again.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(READY)

.PHONY: demo test check fix bench results viewer mutants cases fuzz crash
