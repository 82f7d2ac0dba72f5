# make demo and make test need nothing but Python 3.10 to 3.12 and make; both set up .venv first.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The first of these that is new enough and not too new.
PYTHON ?= $(shell for python in python3 python3.12 python3.11 python3.10; do \
	$$python -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && echo $$python && break; \
	done)
# Two processes share two cores: one thread each.
TEST_THREADS := OMP_NUM_THREADS=1

.PHONY: demo test test-quick check lint types layers docs clean

demo: $(READY)
	$(BIN)/thermalctl demo

test: $(READY)
	$(TEST_THREADS) $(BIN)/python -m pytest -n 2 --dist worksteal

test-quick: $(READY)
	$(TEST_THREADS) $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

check: lint types layers

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

docs: $(READY)
	$(BIN)/python -m thermalctl.cli.reference docs/cli.md

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.10, 3.11 or 3.12 is needed; name it: make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@# OpenCV's ordinary wheels need a desktop's libraries; where those are missing, its headless build does.
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
		$(BIN)/python -m pip uninstall --quiet --yes opencv-python opencv-contrib-python; \
		$(BIN)/python -m pip install --quiet opencv-python-headless; }
	@touch $@

clean:
	rm -rf $(VENV) thermalctl_demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
