# Everything runs from a virtual environment in .venv, built from requirements.lock. Python 3.11 and make are enough.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := demo
export DO_NOT_TRACK = true
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: setup demo test check bench lock clean

setup: $(READY)

# --no-deps: the lock is complete, and two packages ask for what they do not need (tensorflow, a desktop OpenCV)
$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

demo: $(READY)
	$(BIN)/python -m flows.demo $(DEMO)

# a thread a process, for threads of several processes wait for each other; three, for many tests wait for servers
test: export OMP_NUM_THREADS = 1
test: $(READY)
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(if $(LONG),,-m "not long")

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m tests.bench

lock: # what is installed now becomes the lock
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > requirements.lock

clean:
	rm -rf $(VENV) $(DEMO) build *.egg-info
