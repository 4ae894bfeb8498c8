# Everything runs from a virtual environment in .venv, built from the locks. Python 3.11 and make are enough.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
LOCKS := requirements.lock requirements-dev.lock
INSTALL := $(BIN)/python -m pip install --quiet --no-deps --no-compile
# byte code is made here, on all cores and without the tests of packages: a sandboxed child may not write it, and would
# compile what it imports at every start. Packages hold templates that are no Python, so its exit code says nothing
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x '/site-packages/.*/tests/' $(VENV)/lib heterodub flows model schemas tasks
export DO_NOT_TRACK = true
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup demo test check docs screenshots bench fuzz weights lock audit clean

setup: $(READY)

# --no-deps: the locks are complete, and two packages ask for what they do not need (tensorflow, a desktop OpenCV).
# What builds the project is in the lock too, so nothing is fetched that no hash stands for.
$(READY): $(LOCKS) pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --require-hashes --only-binary :all: $(LOCKS:%=-r %)
	$(INSTALL) --no-build-isolation --editable .
	$(COMPILE) || true
	touch $@

demo: $(READY)
	$(BIN)/python -m heterodub.flows.demo $(DEMO) $(if $(INGEST_ONLY),--ingest-only)

# a thread a process, for threads of several processes wait for each other; three, for many tests wait for servers
test: export OMP_NUM_THREADS = 1
test: export PYTHONDONTWRITEBYTECODE = # the tests' own is kept: hundreds of processes import them
test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(if $(LONG),,-m "not long")

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

# not mkdocs --quiet: its strict mode would count no warnings then
docs: $(READY) # the documentation as pages, in build/site; a dead link, or one to another host's files, is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	$(BIN)/python -m tests.site build/site

screenshots: $(READY) # takes the pictures of docs/images anew, from a finished `make demo`; needs Chromium
	$(BIN)/python -m tests.screenshots $(DEMO)

bench: $(READY)
	$(BIN)/python -m tests.bench

fuzz: $(READY) # what strangers hand in, damaged by chance; SEED and INPUTS may be given
	$(BIN)/python -m tests.fuzz --seed $(or $(SEED),1) --inputs $(or $(INPUTS),300)

weights: $(READY) # makes the models that ship again, from those of WORKSPACE; further options in WITH
	$(BIN)/python -m heterodub.flows.weights $(WORKSPACE) $(WITH)

lock: # what is installed now becomes the locks
	$(BIN)/python .ci/lock.py

audit: $(READY) # asks the package index for known holes in what is locked
	$(BIN)/uv tool run pip-audit==2.10.1 --strict --no-deps --disable-pip $(LOCKS:%=-r %)

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
