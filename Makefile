# Every command sets up what it needs: Python >= 3.11, make and git are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SOURCE ?=
DATA ?=
AS_OF ?=
PART ?=
ONLINE ?=
OUT ?= trace.json
BASE ?=
NIGHT ?=
# Folders of tests go to workers in the order that tests/conftest.py gives them: sorted by number of tests, the few long nights
# of tests/flows would come last and alone.
PYTEST := $(BIN)/python -m pytest --no-loadscope-reorder
NUMERIC := tests/models tests/evaluate tests/train tests/gate
# Python compiles what it imports; the rest of the packages, a minute of work, nobody does.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Compiled modules are kept, whatever the shell says: a night starts dozens of interpreters of the same code.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup hooks nightly check test test-vectors coverage trace lint format lock audit sbom docs serve deploy benchmark-r0 benchmark-scale benchmark-features benchmark-night benchmark-training benchmark-gpu benchmark-debias benchmark-watchtime benchmark-feedback benchmark-sequence benchmark-gate benchmark-techjam benchmark-kuaivideo benchmark-within-user benchmark-backbones benchmark-efficiency benchmark-representation clean

help: ## list the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  make \1\t\2/' | expand -t 32

setup: $(STAMP) ## make the environment from the lock file

$(STAMP): pyproject.toml requirements.lock requirements.cpu.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"dwell needs Python 3.11 or newer, this is {v[0]}.{v[1]}: set PYTHON=...") if v < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	@# The lock names every package, so nothing is left to resolve, and the hashes of its files, so nothing else is taken for it.
	$(INSTALL) --require-hashes --requirement requirements.cpu.lock || echo "no CPU build of torch at hand: taking the one of the index"
	$(INSTALL) --require-hashes --requirement requirements.lock
	$(INSTALL) --no-build-isolation --editable .
	@touch $(STAMP)

hooks: $(STAMP) ## let git call the same commands: lint before a commit, check before a push
	$(BIN)/pre-commit install --hook-type pre-commit --hook-type pre-push

nightly: $(STAMP) ## run one night and print its decision (SOURCE=kuairand DATA=path AS_OF=2022-05-04)
	$(BIN)/dwell nightly $(if $(SOURCE),--source $(SOURCE)) $(if $(DATA),--data $(DATA)) $(if $(AS_OF),--as-of $(AS_OF))

check: lint ## lint, types and the fast tests: the loop while one writes
	$(PYTEST) -n 2 -m "not slow"

test: lint ## lint, types and all tests
	$(PYTEST) -n 2

test-vectors: $(STAMP) ## the fast numeric tests without vector kernels; `make test` runs them with those of AVX2
	ATEN_CPU_CAPABILITY=default $(PYTEST) -n 2 -m "not slow" $(NUMERIC)

coverage: $(STAMP) ## which lines the fast tests run
	rm -rf .coverage
	mkdir .coverage
	$(BIN)/coverage run -m pytest -n 2 --no-loadscope-reorder -m "not slow"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

trace: $(STAMP) ## hash all that three small nights write into OUT=file.json; BASE=file.json says in what it differs
	$(BIN)/python -m tests.flows.trace $(OUT)
	$(if $(BASE),$(BIN)/python -m tests.flows.trace --compare $(BASE) $(OUT))

lint: $(STAMP) ## lint, format and types of everything
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(STAMP) ## write requirements.lock from what pyproject.toml resolves to now
	infra/lock.sh

audit: $(STAMP) ## what is installed fits together; ONLINE=1 also asks for known vulnerabilities
	infra/audit.sh $(if $(ONLINE),online)

sbom: $(STAMP) ## the bill of materials of the locked environment as CycloneDX JSON, .dwell/sbom.cdx.json
	$(BIN)/python -m infra.sbom

docs: $(STAMP) ## the documentation as a website in .dwell/manual, the tour run and every link checked (NIGHT=nights/SOURCE/AS_OF shows its report)
	$(BIN)/python -m manual $(if $(NIGHT),--night $(NIGHT))

serve: $(STAMP) ## a Prefect server on 127.0.0.1:4200 and a worker, until Ctrl-C
	$(BIN)/dwell serve

deploy: $(STAMP) ## register work pool and deployments with that server
	$(BIN)/dwell deploy

benchmark-r0: $(STAMP) ## KuaiRand-Pure, protocol R0 (DATA=path/to/KuaiRand-Pure); about an hour on 2 cores
	$(BIN)/dwell benchmark benchmarks/kuairand_r0 $(if $(DATA),--data $(DATA))

benchmark-scale: $(STAMP) ## time and memory of every stage for growing simulated nights (ROWS="100000 1000000")
	$(BIN)/python -m benchmarks.scale $(ROWS)

benchmark-features: $(STAMP) ## CPU time and memory of the features stage, beside Polars and DuckDB, and of a day more (ROWS=3000000)
	$(BIN)/python -m benchmarks.features $(if $(ROWS),--rows $(ROWS))

benchmark-night: $(STAMP) ## a second night by who spends its CPU time: stages, DVC, Prefect's server, the run (PART="small default"; small)
	$(BIN)/python -m benchmarks.night $(or $(PART),small)

benchmark-training: $(STAMP) ## samples a CPU-second trains on, beside the same network in plain torch and in packages (DWELL_PEERS=their environment)
	$(BIN)/python -m benchmarks.training

benchmark-gpu: $(STAMP) ## samples/s of the nightly MMoE on a CUDA device, beside its bandwidth and its products; without one it says so
	$(BIN)/python -m benchmarks.gpu

benchmark-debias: $(STAMP) ## debiasing on Coat, Open Bandit, simulated and real logs (DATA=../shared/data PART="coat synthetic")
	$(BIN)/python -m benchmarks.debias $(PART) $(if $(DATA),--data $(DATA))

benchmark-watchtime: $(STAMP) ## watch-time heads, trunks, balances, and what each step of a recipe gives (PART="heads ladder")
	$(BIN)/python -m benchmarks.watchtime $(PART) $(if $(DATA),--data $(DATA))

benchmark-feedback: $(STAMP) ## feedback-aware histories: with skips and without (DATA=path/to/KuaiRand-Pure PART=simulated)
	$(BIN)/python -m benchmarks.feedback $(PART) $(if $(DATA),--data $(DATA))

benchmark-sequence: $(STAMP) ## sequence models (SINE and its relatives) on real and simulated logs (PART="kuairand simulator")
	$(BIN)/python -m benchmarks.sequence $(PART) $(if $(DATA),--data $(DATA))

benchmark-within-user: $(STAMP) ## ranking terms inside a user's day: planted order, permuted labels, KuaiRand R0 (PART="planted")
	$(BIN)/python -m benchmarks.within_user $(PART) $(if $(DATA),--data $(DATA))

benchmark-representation: $(STAMP) ## codes of content on videos nobody has seen; proposers of videos; vectors learned before a fit; users with few rows (DATA=../shared/data PART="cold_start retrieval")
	$(BIN)/python -m benchmarks.representation $(PART) $(if $(DATA),--data $(DATA))

benchmark-backbones: $(STAMP) ## gates by scene and user, BST, HSTU, OneTrans at equal CPU (DATA=../shared/data PART="planted r0")
	$(BIN)/python -m benchmarks.backbones $(PART) $(if $(DATA),--data $(DATA))

benchmark-efficiency: $(STAMP) ## what the model reads: against permutation, planted noise, pruning (PART="fields")
	$(BIN)/python -m benchmarks.efficiency $(PART) $(if $(DATA),--data $(DATA))

benchmark-gate: $(STAMP) ## the gate over a year of nights: false promotions, power, drift (PART="power drift"); about 25 minutes
	$(BIN)/python -m benchmarks.gate $(PART)

benchmark-techjam: $(STAMP) ## TechJam 2026, track 2, on KuaiRand-Pure beside the published ladder (PART="public days_at_hand")
	$(BIN)/python -m benchmarks.kuairand_techjam $(PART) $(if $(DATA),--data $(DATA))

benchmark-kuaivideo: $(STAMP) ## clicks on KuaiVideo_x1 beside the published ladder (PART="public days_at_hand")
	$(BIN)/python -m benchmarks.kuaivideo_x1 $(PART) $(if $(DATA),--data $(DATA))

clean: ## remove what nights wrote in this workspace (the registry and the archive stay)
	rm -rf data artifacts metrics plots .dwell run.yaml dvc.lock
