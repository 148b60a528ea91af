# The commands of development. `make help` lists the targets with one line each.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := 3.13 3.12 3.11
python_of = $(shell python$(1) -c 'import pip, sys; print(sys.executable)' 2>/dev/null)
PYTHON = $(firstword $(foreach version,$(VERSIONS),$(call python_of,$(version))))
NO_PYTHON := No Python 3.11, 3.12 or 3.13 with pip was found: install one (Debian 12 or 13, Ubuntu 24.04: \
	apt-get install python3 python3-pip) or name one that is elsewhere (make PYTHON=/path/to/python)
export UV_COMPILE_BYTECODE := 1
export UV_LINK_MODE := copy
export OMP_WAIT_POLICY := passive
export DO_NOT_TRACK := true
export MLFLOW_DISABLE_TELEMETRY := true
export PREFECT_SERVER_ANALYTICS_ENABLED := false

# What could depend on the version of Python: bytes of bundles, imports, processes that are started by name.
PORTABLE := tests/laws/interfaces tests/laws/forecasts tests/core/registry tests/core/betting tests/training/fitting tests/serving/fastpath \
	tests/flows/test_deployments.py tests/flows/cli/test_demo.py

# Packages that a bare machine lacks are installed by apt; without root, through sudo.
define apt_install
{ sudo=$$(test $$(id -u) = 0 || echo sudo); echo "installing $(1)"; $$sudo apt-get update -qq \
	&& DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $(1) >/dev/null; }
endef

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## */\1\t/' | expand -t 14

setup: $(VENV)/.installed ## create the environment in .venv from the hashed requirements, with the newest Python 3.11 to 3.13

$(VENV)/.installed: requirements/dev.txt requirements/uv.txt pyproject.toml $(wildcard deploy/wheel/*.py)
	$(eval PYTHON := $(PYTHON))$(if $(PYTHON),,$(error $(NO_PYTHON)))
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target .tools -r requirements/uv.txt
	test -x $(BIN)/python || .tools/bin/uv venv --quiet --python $(PYTHON) $(VENV)
	.tools/bin/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	.tools/bin/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import ctypes; ctypes.CDLL("libgomp.so.1")' 2>/dev/null || $(call apt_install,libgomp1)
	touch $@

demo: setup ## from a bare machine to a served forecast on real games; EXIT=1 stops after the answer
	$(BIN)/dbsbm demo $(if $(EXIT),--exit --port 0)

services: # install MariaDB, Redis and nginx for the tests if they are missing
	@command -v mariadbd >/dev/null || test -x /usr/sbin/mariadbd || $(call apt_install,mariadb-server)
	@command -v redis-server >/dev/null || $(call apt_install,redis-server)
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || $(call apt_install,nginx-light)

test: setup services ## run every test against private MariaDB and Redis processes
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder $(ARGS)

versions: setup services ## laws of interfaces and forecasts, bundles and demo on every other Python 3.11 to 3.13 that is there
	@used=$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	for version in $(VERSIONS); do test $$version != $$used || continue; \
		python=$$(PYENV_VERSION=$$version python$$version -c 'import pip, sys; print(sys.executable)' 2>/dev/null) \
			|| { echo "Python $$version is not there"; continue; }; \
		echo "Python $$version: $$python"; \
		$(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=$$python test ARGS="$(PORTABLE)" || exit 1; \
	done

dist: setup ## build the wheel and the sdist into dist/
	$(BIN)/hatchling build --clean --directory dist

test-fast: setup ## run the unit tests and laws that start no server and take no minutes
	$(BIN)/pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not server and not slow" $(ARGS)

check: setup ## check format, lint, types and import rules; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: setup ## format, and fix what the linter can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup services ## timings beside yardsticks and other model servers; ARGS=online for a million archived games, ARGS=real_path for the whole pipeline
	@command -v wrk >/dev/null || $(call apt_install,wrk)
	$(BIN)/python -m tests.bench $(ARGS)

bench-models: setup ## forecast every league beside the reference figures, into docs/results-models.md; ARGS="--tune 0" without tuning
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.bench.training.models $(ARGS)

chaos: setup services ## break things under load and write docs/results-faults.md; ARGS="--scale 0.1 F1 F9" for a part
	$(BIN)/python -m tests.chaos $(ARGS)

requirements: # compile the hashed requirements from pyproject.toml; one version of each library for all Pythons where there is one
	.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes --all-extras pyproject.toml -o requirements/dev.txt
	.tools/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes -c requirements/dev.txt pyproject.toml -o requirements/serving.txt
	for peer in mlflow mlserver bentoml; do .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes requirements/bench/$$peer.in -o requirements/bench/$$peer.txt; done
	echo uv | .tools/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes - -o requirements/uv.txt

.PHONY: help setup demo services test versions dist test-fast check fix bench bench-models chaos requirements
