# Two commands for users (make run, make test); the others are for who works on the gateway.
# All of them make the virtual environment first, if it is not there or is out of date.

PYTHON ?= python3
VENV   ?= .venv
PORT   ?= 8045
BIN    := $(VENV)/bin

.PHONY: run test lint types tests test-clients test-conformance test-chaos bench environments clean

run: $(VENV)/run.stamp
	$(BIN)/twistd -n --pidfile= antigravity --port $(PORT) --demo-if-empty

# Both environments are made at once: that is mostly waiting for downloads.
test:
	@$(MAKE) --no-print-directory --jobs=2 environments
	@$(MAKE) --no-print-directory lint types tests

environments: $(VENV)/test.stamp $(VENV)-previous/test.stamp

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

# One worker for each core, but no more than there is work for; -n0 in PYTEST_OPTIONS does without.
# Tests start many processes: let Python keep what it compiled, wherever it is told not to.
tests: export PYTHONDONTWRITEBYTECODE :=
tests: environments
	$(BIN)/python -m pytest -n auto --maxprocesses=4 --dist=loadfile $(PYTEST_OPTIONS)

# Real command line clients, driven headless; needs npm. Node is fetched by npm if it is too old.
test-clients: $(VENV)/test.stamp
	$(BIN)/python -m pytest tests/clients $(PYTEST_OPTIONS)

# The official conformance suite for MCP servers; needs npm, as test-clients does.
test-conformance: $(VENV)/test.stamp
	$(BIN)/python -m pytest -s tests/conformance $(PYTEST_OPTIONS)

# Thousands of requests at accounts that fail, and a session of five hundred turns: two minutes.
test-chaos: $(VENV)/test.stamp
	$(BIN)/python -m pytest -s tests/chaos $(PYTEST_OPTIONS)

# What the gateway costs beside a plain proxy, see bench/README.rst: under two minutes, Linux only.
bench: $(VENV)/run.stamp
	$(BIN)/python -m bench $(BENCH_OPTIONS)

$(VENV)/base.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "antigravity needs Python 3.11 or newer; say which with make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/run.stamp: $(VENV)/base.stamp setup.cfg setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[mp3]' \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

# What is enough for the tests is enough to run.
$(VENV)/test.stamp: $(VENV)/base.stamp setup.cfg setup.py pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $(VENV)/run.stamp $@

# The official SDKs in their previous major version, which many programs still pin.
$(VENV)-previous/test.stamp: tests/interop/previous.txt
	$(PYTHON) -m venv $(VENV)-previous
	$(VENV)-previous/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-previous build dist *.egg-info
