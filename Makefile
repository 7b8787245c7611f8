# Every target sets itself up: a fresh clone with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
DOCS_READY = $(VENV)/.docs-ready
PIP     = $(BIN)/python -m pip install --quiet -c constraints.txt

# TORCH selects the build of torch: cpu, or default, which on Linux is the one for NVIDIA GPUs and takes
# gigabytes. The CPU build has its own version and index, which is used if pip does not find it.
TORCH  ?= $(if $(or $(shell command -v nvidia-smi),$(filter-out Linux,$(shell uname))),default,cpu)
CPU     = torch==$(shell sed -n 's/^torch==//p' constraints.txt)+cpu
CPU_INDEX = https://download.pytorch.org/whl/cpu

# `make reproduce-table` runs sweeps, narrowed by variables (TASKS=rte,cola SEEDS=0..4).
SCALE  ?= demo
ifeq ($(SCALE),demo)  # about ten minutes on a laptop; committed records do not count
SWEEP  ?= table1 bias_correction
TASKS  ?= rte,mrpc,stsb,cola
FRESH   = --fresh
SEEDS_table1 = 0..4
SEEDS_bias_correction = 0..9
UNTOUCHED = $(if $(SEEDS)$(METHODS)$(LENGTHS),,$(filter filefile,$(origin SWEEP)$(origin TASKS)))
PLAN = 140 runs of a small BERT, then two tables: about 10 minutes on 2 cores the first time
else
SWEEP  ?= table1
endif
ifeq ($(SCALE),mini)  # 24 runs; the CoLA and STS-B half took 7 minutes on 2 cores: docs/first-runs.md
TASKS   ?= rte_1k,mrpc_1k,stsb_1k,cola_1k
LENGTHS ?= 3epochs
SEEDS   ?= 0..2
endif
SEEDS_OF = $(or $(SEEDS),$(SEEDS_$(1)))
NARROW  = scale=$(SCALE) $(if $(TASKS),task=$(TASKS)) $(if $(METHODS),method=$(METHODS)) \
          $(if $(LENGTHS),length=$(LENGTHS)) $(if $(call SEEDS_OF,$(1)),seed=$(call SEEDS_OF,$(1))) \
          $(if $(DATA),data.source=$(DATA)) $(if $(MODEL),model.name=$(MODEL)) $(FRESH)
GRIDS   = $(foreach sweep,$(SWEEP),"$(sweep) $(call NARROW,$(notdir $(basename $(sweep))))")

# `make bench` measures BENCH=steps, runs, roofline or all; BENCH_ARGS="--tasks rte --shape base".
BENCH  ?= all

.DEFAULT_GOAL := help
.PHONY: help setup quick test stress lint docs reproduce-table bench clean

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

# One test process per core with one thread each; PASSIVE, so that waiting threads leave the cores free.
PYTEST  = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -n auto --dist worksteal

quick: $(READY) ## run the unit tests (under a minute; no training, no network)
	$(PYTEST) -m 'not slow and not stress and not gpu'

test: $(READY) ## run all tests except the stress tests (minutes, no network)
	$(PYTEST) -m 'not stress'

stress: $(READY) ## run the long tests
	$(BIN)/python -m pytest -m stress

lint: $(READY) ## check style, formatting, spelling and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy

docs: $(DOCS_READY) ## build the documentation site in site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

$(DOCS_READY): $(READY)
	$(PIP) -e '.[docs]'
	@touch $@

reproduce-table: $(READY) ## run what is missing of SWEEP at SCALE, then print its table
	$(if $(UNTOUCHED),@echo '$(PLAN)')
	@worst=0; for grid in $(GRIDS); do \
		$(BIN)/stablebert grid $$grid $(if $(WORKERS),--workers $(WORKERS)); status=$$?; \
		if [ $$status -gt 1 ]; then exit $$status; fi; \
		if [ $$status -eq 1 ]; then worst=1; fi; \
	done; \
	for grid in $(GRIDS); do $(BIN)/stablebert report $$grid || exit $$?; done; \
	exit $$worst  # crashed runs are missing in the table
ifeq ($(SCALE),demo)
	@printf '%s\n' '' 'Next steps:' \
	'  make reproduce-table SEEDS=0..19        more seeds, more certainty' \
	'  make reproduce-table TASKS=sst2,qnli,qqp,mnli' \
	'  make reproduce-table SCALE=mini         real GLUE and a six-layer BERT, from the hub' \
	'  make reproduce-table SCALE=paper        BERT-large, 20 seeds: a GPU or more'
endif

bench: $(READY) ## measure our speed against the alternatives, into results/bench (hours on a CPU)
	@$(BIN)/python -m benchmarks.bench $(BENCH) $(if $(DATA),--data $(DATA)) \
	$(if $(MODEL),--model $(MODEL)) $(BENCH_ARGS)

clean: ## remove .venv and caches; runs/ stays
	rm -rf $(VENV) site .pytest_cache .ruff_cache .mypy_cache *.egg-info dist build
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
