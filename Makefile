# Two commands for users (make run, make test); the others are for who works on the gateway.
# All of them make the virtual environment first, if it is not there or is out of date: with the
# exact versions in requirements/, whose hashes are checked.  Only test-newest takes others.

PYTHON   ?= python3
VENV     ?= .venv
PORT     ?= 8045
BIN      := $(VENV)/bin
INSTALL  := -m pip install --quiet --disable-pip-version-check
# pip takes no folder where hashes are demanded, so the project itself comes after its requirements.
PROJECT  := --no-deps --no-build-isolation --editable .
MP3      := --require-hashes --requirement requirements/mp3.txt
NO_MP3   := echo "There is no MP3 encoder for this platform: speech is wav and pcm only."
SOURCES  := setup.cfg setup.py pyproject.toml
# One worker for each core, but no more than there is work for; -n0 in PYTEST_OPTIONS does without.
PARALLEL := -n auto --maxprocesses=4 --dist=loadfile

.PHONY: run test lint types tests test-without-sdks test-newest test-clients test-conformance
.PHONY: test-chaos bench environments lock clean

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

# Tests start many processes: let Python keep what it compiled, wherever it is told not to.
tests test-without-sdks: export PYTHONDONTWRITEBYTECODE :=
tests: environments
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_OPTIONS)

# For other Pythons, beside the usual environment:
#   make test-without-sdks PYTHON=python3.13 VENV=.venv-3.13
test-without-sdks: $(VENV)/test-without-sdks.stamp
	$(BIN)/python -m pytest $(PARALLEL) --without-sdks $(PYTEST_OPTIONS)

# Everything again, with the newest releases of all that is needed, in environments of their own.
test-newest: $(VENV)-newest/base.stamp $(VENV)-newest-previous/base.stamp
	$(VENV)-newest/bin/python $(INSTALL) --upgrade --upgrade-strategy eager --editable '.[mp3,test]'
	touch $(VENV)-newest/run.stamp $(VENV)-newest/test.stamp
	$(VENV)-newest-previous/bin/python $(INSTALL) --upgrade --upgrade-strategy eager \
	  --requirement requirements/previous.in
	touch $(VENV)-newest-previous/test.stamp
	$(VENV)-newest/bin/python -m pip list --disable-pip-version-check
	@$(MAKE) --no-print-directory --keep-going VENV=$(VENV)-newest lint types tests

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

# Writes requirements/*.txt, which know all platforms and Pythons; it keeps the versions that fit.
# With LOCK_OPTIONS=--upgrade it takes the newest.
lock: .venv-lock/lock.stamp
	.venv-lock/bin/python requirements/lock.py $(LOCK_OPTIONS)

# An environment is made anew if another Python is asked for than the one that it has.
define MADE_BY
$(if $(filter command environment,$(firstword $(origin PYTHON))),$(shell \
  test "$$($(PYTHON) -V 2>&1)" = "$$($(1)/bin/python -V 2>&1)" || echo ask-for-python))
endef

ask-for-python:

.SECONDEXPANSION:

%/base.stamp: $$(call MADE_BY,$$*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "antigravity needs Python 3.11 or newer; say which with make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv --clear $*
	touch $@

$(VENV)/run.stamp: $(VENV)/base.stamp requirements/run.txt requirements/mp3.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/run.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(BIN)/python $(INSTALL) $(PROJECT)
	touch $@

# What is enough for the tests is enough to run.
$(VENV)/test.stamp: $(VENV)/base.stamp requirements/test.txt requirements/mp3.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/test.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(BIN)/python $(INSTALL) $(PROJECT)
	touch $(VENV)/run.stamp $@

$(VENV)/test-without-sdks.stamp: $(VENV)/base.stamp requirements/test-without-sdks.txt \
    requirements/mp3.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/test-without-sdks.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(BIN)/python $(INSTALL) $(PROJECT)
	touch $(VENV)/run.stamp $@

# The official SDKs in their previous major version, which many programs still pin.
$(VENV)-previous/test.stamp: $(VENV)-previous/base.stamp requirements/previous.txt
	$(VENV)-previous/bin/python $(INSTALL) --require-hashes --requirement requirements/previous.txt
	touch $@

.venv-lock/lock.stamp: .venv-lock/base.stamp requirements/lock.txt
	.venv-lock/bin/python $(INSTALL) --require-hashes --requirement requirements/lock.txt
	touch $@

clean:
	rm -rf .venv .venv-* $(VENV) $(VENV)-previous build dist *.egg-info
