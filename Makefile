# Every target sets itself up: a fresh clone with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
PIP     = $(BIN)/python -m pip install --quiet -c constraints.txt

# TORCH chooses the build of torch: cpu, or default, which on Linux is the one for NVIDIA GPUs and
# takes gigabytes. The CPU build has a version and an index of its own, asked where pip lacks it.
TORCH  ?= $(if $(or $(shell command -v nvidia-smi),$(filter-out Linux,$(shell uname))),default,cpu)
CPU     = torch==$(shell sed -n 's/^torch==//p' constraints.txt)+cpu
CPU_INDEX = https://download.pytorch.org/whl/cpu

# What `make reproduce-table` runs.
SCALE  ?= mini
TASKS  ?= rte mrpc stsb cola
METHODS ?= standard reinit
SEEDS  ?= 0 1 2
DATA   ?=
MODEL  ?=
CHOSEN  = scale=$(SCALE) $(if $(DATA),data.source=$(DATA)) $(if $(MODEL),model.name=$(MODEL))

.DEFAULT_GOAL := help
.PHONY: help setup test stress lint reproduce-table clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(READY) ## create .venv with the tested versions (TORCH=cpu or TORCH=default)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is older than 3.11: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(filter cpu,$(TORCH)),$(PIP) '$(CPU)' 2> /dev/null || $(PIP) --extra-index-url $(CPU_INDEX) '$(CPU)')
	$(PIP) -e '.[dev]'
	@touch $@

test: $(READY) ## run the tests (minutes, no network)
	$(BIN)/python -m pytest -m 'not stress'

stress: $(READY) ## run the long tests
	$(BIN)/python -m pytest -m stress

lint: $(READY) ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

reproduce-table: $(READY) ## train TASKS x METHODS x SEEDS at SCALE; finished runs are kept
	@for seed in $(SEEDS); do for task in $(TASKS); do for method in $(METHODS); do \
	  $(BIN)/stablebert train $(CHOSEN) task=$$task method=$$method seed=$$seed || exit $$?; \
	done; done; done

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache *.egg-info dist build
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
