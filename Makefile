# Every target sets itself up: a fresh clone with Python 3.11 or newer and make is enough.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready
OLDEST  = .venv-oldest
OLDEST_TESTS = tests/training tests/callbacks tests/models tests/optim tests/packed tests/glue \
               tests/hub
DOCS_READY = $(VENV)/.docs-ready
PIP     = $(BIN)/python -m pip install --quiet -c constraints.txt

# TORCH selects the build of torch: cpu, or default, which on Linux is the build for NVIDIA GPUs and
# takes gigabytes. The CPU build has its own version and index; the index is used if pip does not
# find that version without it.
TORCH  ?= $(if $(or $(shell command -v nvidia-smi),$(filter-out Linux,$(shell uname))),default,cpu)
CPU     = torch==$(shell sed -n 's/^torch==//p' constraints.txt)+cpu
CPU_INDEX = https://download.pytorch.org/whl/cpu

# `make reproduce-table` runs the sweeps in SWEEP, narrowed by the variables that are set, such as
# TASKS=rte,cola SEEDS=0..4. Without any of them, each scale narrows the sweeps as follows.
SCALE  ?= demo
ifeq ($(SCALE),demo)  # about ten minutes on 2 cores; trains even what results/ already contains
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

# `make bench` measures BENCH: steps, runs, roofline, all, or gpu, which needs neither data nor model.
# BENCH_ARGS are further arguments, such as BENCH_ARGS="--tasks rte --shape base"; `python -m
# benchmarks.bench --help` and `python -m benchmarks.gpu --help` list them.
BENCH  ?= all

.DEFAULT_GOAL := help
.PHONY: help setup quick test test-oldest stress lint docs reproduce-table bench clean

help: ## list the targets and what they do
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: $(READY) ## create .venv with the tested versions (TORCH=cpu or TORCH=default)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is older than 3.11: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(filter cpu,$(TORCH)),$(PIP) '$(CPU)' 2> /dev/null || $(PIP) --extra-index-url $(CPU_INDEX) '$(CPU)')
	$(PIP) -e '.[dev]'
	@touch $@

# One test process per core with one thread each, whose waiting threads leave the cores free.
ONE_THREAD = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE
PYTEST  = $(ONE_THREAD) $(BIN)/python -m pytest -n auto --dist worksteal

quick: $(READY) ## run the unit tests (about 1.5 minutes on 2 cores; no training, no network)
	$(PYTEST) -m 'not slow and not stress and not gpu'

test: $(READY) ## run all tests except the stress tests (9 minutes on 2 cores, no network)
	$(PYTEST) -m 'not stress and not gpu'
	$(if $(shell command -v nvidia-smi),$(BIN)/python -m pytest -m gpu)

test-oldest: ## test with the oldest supported versions, in .venv-oldest (minutes)
	test -d $(OLDEST) || $(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet -c constraints-oldest.txt -e '.[dev]'
	$(ONE_THREAD) $(OLDEST)/bin/python -m pytest -n auto --dist worksteal -m 'not stress' $(OLDEST_TESTS)

stress: $(READY) ## run the stress tests (many minutes)
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

reproduce-table: $(READY) ## train the missing runs of SWEEP at SCALE, then print its table
	$(if $(UNTOUCHED),@echo '$(PLAN)')
	@worst=0; for grid in $(GRIDS); do \
		$(BIN)/stablebert grid $$grid $(if $(WORKERS),--workers $(WORKERS)); status=$$?; \
		if [ $$status -gt 1 ]; then exit $$status; fi; \
		if [ $$status -eq 1 ]; then worst=1; fi; \
	done; \
	for grid in $(GRIDS); do $(BIN)/stablebert report $$grid || worst=$$?; done; \
	exit $$worst  # 1 if a run crashed: it is missing in the table, or every run of a table is
ifeq ($(SCALE),demo)
	@printf '%s\n' '' 'Next steps:' \
	'  make reproduce-table SEEDS=0..19        more seeds, narrower intervals' \
	'  make reproduce-table TASKS=sst2,qnli,qqp,mnli' \
	'  make reproduce-table SCALE=mini         real GLUE and a public BERT of 6 layers, from the hub' \
	'  make reproduce-table SCALE=paper        BERT-large, 20 seeds: needs GPUs'
endif

bench: $(READY) ## measure training speed against the alternatives (hours on a CPU)
	@$(BIN)/python -m $(if $(filter gpu,$(BENCH)),benchmarks.gpu,benchmarks.bench $(BENCH) \
	$(if $(DATA),--data $(DATA)) $(if $(MODEL),--model $(MODEL))) $(BENCH_ARGS)

clean: ## remove the virtual environments, caches and builds; keep runs/
	rm -rf $(VENV) $(OLDEST) site .pytest_cache .ruff_cache .mypy_cache *.egg-info dist build
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
