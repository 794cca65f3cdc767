# Users need two commands: make run and make test.  The others are for contributors.
# All of them first create the virtual environment, if it is missing or out of date, with the exact
# versions in requirements/, whose hashes are checked.  Only test-newest uses other versions.

PYTHON   ?= python3
VENV     ?= .venv
PORT     ?= 8045
BIN      := $(VENV)/bin
INSTALL  := -m pip install --quiet --disable-pip-version-check
# pip cannot install a folder while it checks hashes, so the project is installed last.
PROJECT  := --no-deps --no-build-isolation --editable .
# Installing the project writes into its own folder, so environments that are made at the same time
# do it in turn, where there is a flock.
IN_TURN  := $(if $(shell command -v flock),flock setup.py)
MP3      := --require-hashes --requirement requirements/mp3.txt
POSTGRES := --require-hashes --requirement requirements/postgres.txt
REDIS    := --require-hashes --requirement requirements/redis.txt
NO_MP3   := echo "There is no MP3 encoder for this platform: speech is wav and pcm only."
NO_PG    := echo "There is no PostgreSQL client for this platform: its tests are skipped."
SOURCES  := setup.cfg setup.py pyproject.toml
# One worker for each core, up to four; -n0 in PYTEST_OPTIONS runs the tests in one process.
# Workers get the files in the order of tests/conftest.py: what takes longest comes first.
PARALLEL := -n auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder
# Tests of words, names, imports and pages, which are the same with every Python.
READING  := test_words test_names test_imports test_architecture test_docs*
# What another Python runs of the tests, as NUMBER/COUNT: all, or one of several equal shares.
SHARE    ?= 1/1

.PHONY: run test lint types tests test-without-sdks test-failed test-newest test-clients lock-clients
.PHONY: test-browser test-conformance test-chaos bench instructions environments prices
.PHONY: test-deployment
.PHONY: traces redis lock clean
.PHONY: docs wheel release

run: $(VENV)/run.stamp
	$(BIN)/twistd -n --pidfile= antigravity --port $(PORT) --demo-if-empty

# Create both environments at the same time, because this is mostly waiting for downloads; and check
# the types while tests run, because both wait at times, and mypy uses one core.
test:
	@$(MAKE) --no-print-directory --jobs=2 environments
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory --jobs=2 types tests

environments: $(VENV)/test.stamp $(VENV)-previous/test.stamp

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/test.stamp
	$(BIN)/mypy

# Tests start many processes, so let Python write its bytecode even if the environment forbids it.
tests test-without-sdks: export PYTHONDONTWRITEBYTECODE :=
tests: environments
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST_OPTIONS)

# To test another Python in an environment of its own, without the tests that only read files:
#   make test-without-sdks PYTHON=python3.13 VENV=.venv-3.13
test-without-sdks: $(VENV)/test-without-sdks.stamp
	$(BIN)/python -m pytest $(PARALLEL) --without-sdks $(READING:%=--ignore-glob=tests/house/%.py) \
	  --share=$(SHARE) $(PYTEST_OPTIONS)

# Run the tests that failed in the last run again, one after another.
test-failed: export PYTHONDONTWRITEBYTECODE :=
test-failed:
	$(BIN)/python -m pytest -n0 --last-failed --last-failed-no-failures=none $(PYTEST_OPTIONS)

# Run all checks with the newest releases of all dependencies, in environments of their own.
test-newest: $(VENV)-newest/base.stamp $(VENV)-newest-previous/base.stamp
	$(VENV)-newest/bin/python $(INSTALL) --upgrade --upgrade-strategy eager --editable '.[mp3,postgres,test]'
	touch $(VENV)-newest/run.stamp $(VENV)-newest/test.stamp
	$(VENV)-newest-previous/bin/python $(INSTALL) --upgrade --upgrade-strategy eager \
	  --requirement requirements/previous.in
	touch $(VENV)-newest-previous/test.stamp
	$(VENV)-newest/bin/python -m pip list --disable-pip-version-check
	@$(MAKE) --no-print-directory --keep-going VENV=$(VENV)-newest lint types tests

# Test real clients: command line programs and libraries.  Needs npm, which fetches Node if it is too
# old; clients in Python get environments of their own.  Everything is installed into .clients.
# It prints how many cases of each client passed over each upstream protocol.
test-clients: $(VENV)/test.stamp
	$(BIN)/python -m pytest tests/clients $(PYTEST_OPTIONS)

# Write the lock files of clients that are libraries, in JavaScript and in Python.
# LOCK_OPTIONS=--upgrade selects the newest versions of all clients.
lock-clients: $(VENV)/test.stamp .venv-lock/lock.stamp
	$(BIN)/python -m tests.support.lock_clients $(LOCK_OPTIONS)
	.venv-lock/bin/python requirements/lock.py clients $(LOCK_OPTIONS)

# Run the official suites for MCP servers and for Open Responses.  Need npm, the second git too.
test-conformance: $(VENV)/test.stamp
	$(BIN)/python -m pytest -s tests/conformance $(PYTEST_OPTIONS)

# Send thousands of requests to failing accounts, and a session of five hundred turns (two minutes).
test-chaos: $(VENV)/test.stamp
	$(BIN)/python -m pytest -s tests/chaos $(PYTEST_OPTIONS)

# Build the pages of the documentation, which the gateway serves at /docs/; warnings are errors.
docs: $(VENV)-docs/docs.stamp
	rm -rf antigravity/documentation
	$(VENV)-docs/bin/sphinx-build -q -W --keep-going -d build/doctrees docs antigravity/documentation
	rm -rf antigravity/documentation/_sources antigravity/documentation/.buildinfo \
	  antigravity/documentation/objects.inv

# Build the wheel and the source distribution, with the pages of the documentation, into dist/.
wheel: docs $(VENV)/test.stamp
	$(BIN)/python -m build --no-isolation --outdir dist

# Build the newest commit's release into dist/: sdist, wheel, bill of materials, checksums.  Build it
# twice, and install it with pip, pipx and uv.  RELEASE_OPTIONS=--draft allows uncommitted changes.
release: $(VENV)-docs/docs.stamp $(VENV)/test.stamp $(VENV)-release/release.stamp
	$(BIN)/python -m release --docs-python $(VENV)-docs/bin/python --tools $(VENV)-release/bin \
	  $(RELEASE_OPTIONS)

# Open the dashboard in the system's Chromium; SCREENSHOTS=1 writes pictures of it into docs.
test-browser: $(VENV)/test-browser.stamp
	$(if $(SCREENSHOTS),SCREENSHOTS=1) $(BIN)/python -m pytest -rs tests/browser $(PYTEST_OPTIONS)

# Check the examples for compose, Kubernetes, nginx and Envoy in etc/ with these programs; nginx must
# be installed, the others come into an environment of their own.
test-deployment: $(VENV)/test.stamp $(VENV)-deployment/deployment.stamp
	$(BIN)/python -m pytest -rs tests/deployment $(PYTEST_OPTIONS)

# Compare the gateway with a plain proxy and other gateways; see docs/performance.rst (Linux only).
bench: $(VENV)/run.stamp
	$(BIN)/python -m bench $(BENCH_OPTIONS)

# Compare the instructions of fixed requests with bench/budgets.toml.  Needs valgrind.
# UPDATE=1 writes the budgets.
instructions: $(VENV)/run.stamp
	$(BIN)/python -m bench.instructions $(if $(UPDATE),--update)

# Install what traces need: the extra otel.
traces: $(VENV)/run.stamp
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/otel.txt

# Install what shared state on a Redis server needs: the extra redis.
redis: $(VENV)/run.stamp
	$(BIN)/python $(INSTALL) $(REDIS)

# Write the price list that ships with the gateway, from the installed genai-prices.
prices: $(VENV)/test.stamp
	$(BIN)/python -m tests.support.price_table

# Write requirements/*.txt for all platforms and Pythons, and keep the versions that still fit.
# LOCK_OPTIONS=--upgrade selects the newest versions.
lock: .venv-lock/lock.stamp
	.venv-lock/bin/python requirements/lock.py $(LOCK_OPTIONS)

# An environment is created again if PYTHON names another version than the one that it has.
define MADE_BY
$(if $(filter command environment,$(firstword $(origin PYTHON))),$(shell \
  test "$$($(PYTHON) -V 2>&1)" = "$$($(1)/bin/python -V 2>&1)" || echo other-python))
endef

other-python:

.SECONDEXPANSION:

%/base.stamp: $$(call MADE_BY,$$*)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "antigravity needs Python 3.11 or newer; name one with make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv --clear $*
	touch $@

$(VENV)/run.stamp: $(VENV)/base.stamp requirements/run.txt requirements/mp3.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/run.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(IN_TURN) $(BIN)/python $(INSTALL) $(PROJECT)
	touch $@

# The requirements of the tests include those of the gateway.
$(VENV)/test.stamp: $(VENV)/base.stamp requirements/test.txt requirements/mp3.txt \
    requirements/postgres.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/test.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(BIN)/python $(INSTALL) $(POSTGRES) || $(NO_PG)
	$(IN_TURN) $(BIN)/python $(INSTALL) $(PROJECT)
	touch $(VENV)/run.stamp $@

$(VENV)/test-without-sdks.stamp: $(VENV)/base.stamp requirements/test-without-sdks.txt \
    requirements/mp3.txt requirements/postgres.txt $(SOURCES)
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/test-without-sdks.txt
	$(BIN)/python $(INSTALL) $(MP3) || $(NO_MP3)
	$(BIN)/python $(INSTALL) $(POSTGRES) || $(NO_PG)
	$(IN_TURN) $(BIN)/python $(INSTALL) $(PROJECT)
	touch $(VENV)/run.stamp $@

# It only adds to what the tests need.
$(VENV)/test-browser.stamp: $(VENV)/test.stamp requirements/test-browser.txt
	$(BIN)/python $(INSTALL) --require-hashes --requirement requirements/test-browser.txt
	touch $@

# The official SDKs in their previous major versions, which many programs still use.
$(VENV)-previous/test.stamp: $(VENV)-previous/base.stamp requirements/previous.txt
	$(VENV)-previous/bin/python $(INSTALL) --require-hashes --requirement requirements/previous.txt
	touch $@

$(VENV)-docs/docs.stamp: $(VENV)-docs/base.stamp requirements/docs.txt $(SOURCES)
	$(VENV)-docs/bin/python $(INSTALL) --require-hashes --requirement requirements/docs.txt
	$(IN_TURN) $(VENV)-docs/bin/python $(INSTALL) $(PROJECT)
	touch $@

$(VENV)-release/release.stamp: $(VENV)-release/base.stamp requirements/release.txt
	$(VENV)-release/bin/python $(INSTALL) --require-hashes --requirement requirements/release.txt
	touch $@

$(VENV)-deployment/deployment.stamp: $(VENV)-deployment/base.stamp requirements/deployment.txt
	$(VENV)-deployment/bin/python $(INSTALL) --require-hashes --requirement requirements/deployment.txt
	touch $@

.venv-lock/lock.stamp: .venv-lock/base.stamp requirements/lock.txt
	.venv-lock/bin/python $(INSTALL) --require-hashes --requirement requirements/lock.txt
	touch $@

clean:
	rm -rf .venv .venv-* $(VENV) $(VENV)-previous build dist *.egg-info antigravity/documentation
