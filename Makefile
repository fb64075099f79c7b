# The checkout's commands. Needs Python 3.11 to 3.13, make and git; everything else is made or fetched on first use.
# `make PYTHON=/path/to/python3.12 ...` names the Python to use.

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory
.SUFFIXES:

# Any Python 3 starts tools/bootstrap.py, which finds a suitable one or says what to do. PYTHON asks for a certain one.
ifneq ($(PYTHON),)
export PYTHON
endif
FOUND := $(firstword $(foreach name,$(PYTHON) python3 python3.13 python3.12 python3.11 python,$(shell command -v $(name) 2>/dev/null || :)))
START := $(or $(FOUND),$(error No Python found on PATH. Install Python 3.11, 3.12 or 3.13 with its venv module))
VENV := .venv/bin

.PHONY: help venv venv-lab venv-min demo operator test test-fast test-crash test-compat lint format fresh bench digests \
	bundle operator-base lab-build lab-up lab-down clean

help: ## Show this list
	@$(START) -I tools/make_help.py $(MAKEFILE_LIST)

venv:
	@$(START) -I tools/bootstrap.py

venv-lab:
	@$(START) -I tools/bootstrap.py --lab

venv-min:
	@$(START) -I tools/bootstrap.py dev compat

demo: lab-build ## Upgrade a StarRocks cluster on a real control plane, then watch a bad upgrade be rolled back
	@tests/lab/demo

operator: export ANSIBLE_COLLECTIONS_PATH ?= $(CURDIR)/.venv/collections
operator: export ROLLOUT_PLAYBOOKS ?= $(CURDIR)/.venv/collections/ansible_collections/steady/rollout/playbooks/operator
operator: export ROLLOUT_CONFIG ?= $(CURDIR)/operator/config
operator: export PYTHONPATH := $(CURDIR)/operator
operator: venv ## Look after the cluster of the current kubeconfig, without Go or an image (ARGS=--help)
	@$(VENV)/python -m reactor --watches-file operator/watches.yaml --metrics-bind-address 127.0.0.1:8443 \
		--health-probe-bind-address 127.0.0.1:6789 $(ARGS)

test: venv-lab ## Run every check and test; the last line counts them
	@$(VENV)/python tools/run_tests.py all

test-fast: venv ## Run the tests that need no lab, in under a minute
	@$(VENV)/python tools/run_tests.py fast

test-crash: lab-build ## Kill the runner at every I/O edge of an upgrade; continues where it was stopped
	@$(VENV)/python tools/run_tests.py crash

test-compat: lab-build venv-min ## Run unit tests and some upgrades on the oldest supported ansible-core and client
	@$(VENV)/python tools/run_tests.py compat

lint: venv ## Run every linter, type checker and consistency check
	@$(VENV)/python tools/lint.py

format: venv ## Lay out the Python code as `make lint` wants it
	@$(VENV)/ruff check --fix --select I . && $(VENV)/ruff format .

fresh: venv ## Run `make demo` and `make test` as a newcomer: fresh clone, empty home, bare PATH (ARGS=demo)
	@$(VENV)/python tools/try_fresh.py $(ARGS)

bundle: venv ## Write build/bundle for the Operator Lifecycle Manager (needs kubectl, or KUBECTL=...)
	@$(VENV)/python tools/make_bundle.py

operator-base: venv-lab ## Say what the tag of the operator's base image means today, as an argument for its build
	@PYTHONPATH=tests/lab $(VENV)/python tools/operator_base.py

bench: lab-build ## Measure an upgrade against the bound and the peers, and write the figures to a file
	@tests/bench/run

digests: venv-lab ## Show the digests of the images that migrate databases, where there is a network (ARGS=crane=...)
	@PYTHONPATH=tests/lab $(VENV)/python tools/digests.py $(ARGS)

lab-build: venv-lab
	@PYTHONPATH=tests/lab $(VENV)/python -m steadylab.build >/dev/null

lab-up: lab-build ## Start a lab with a StarRocks cluster; the last line is the path of its kubeconfig (ARGS=...)
	@tests/lab/up $(ARGS)

lab-down: venv ## Stop the lab, or every lab with ARGS=--all
	@tests/lab/down $(ARGS)

clean: ## Remove what the commands above left in the checkout, but not the lab's cache
	@git -c core.excludesFile= clean -fdXq
