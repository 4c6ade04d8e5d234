# Every way to run, check and look after Tidemark. Each target makes or repairs .venv first when it needs one.
# Written for GNU make 3.81 (macOS) and for folders with spaces in their names: only relative paths are used.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
BIN := .venv/bin
PACKAGES := agents api ledger ops runtime schemas
FILE ?=
ARGS ?=
SEEDS ?= 1000
FIRST ?= 1
export FILE

.PHONY: help run test check check-full lint bench bench-matching bench-api bench-sockets sim drills doctor status clean \
	install runserver migrate dump-data seeder create-superuser shell show-urls prepare-compose build up up-force down lock

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' Makefile

# Running

run: ## start everything in the foreground and print the address
	@bin/install run
	@test -z "$$PYTHONDONTWRITEBYTECODE" || $(BIN)/python -m compileall -q $(PACKAGES) # else each process compiles all
	@exec $(BIN)/tidemark up $(ARGS)

runserver: ## start the API alone, on servers that already run
	@bin/install run
	@exec $(BIN)/python -m api $(ARGS)

status: ## show every process, its state and its lag
	@bin/install run
	@$(BIN)/tidemark status $(ARGS)

doctor: ## find every problem before anything starts, with the command that mends it
	@bin/install run
	@$(BIN)/tidemark doctor $(ARGS)

install: ## make .venv with the tools that tests and checks need
	@bin/install dev

# The books

migrate: ## apply the migrations that are missing
	@bin/install run
	@$(BIN)/tidemark migrate $(ARGS)

seeder: ## add the demo data, or restore a dump: make seeder FILE=dump.json
	@bin/install run
	@$(BIN)/tidemark seed $${FILE:+"$$FILE"} $(ARGS)

dump-data: ## write the data to a file that seeder restores: make dump-data FILE=dump.json
	@bin/install run
	@$(BIN)/tidemark dump $${FILE:+"$$FILE"} $(ARGS)

create-superuser: ## make an admin; asks for the name and the password
	@bin/install run
	@$(BIN)/tidemark admin create $(ARGS)

shell: ## an async Python with the connections open
	@bin/install run
	@$(BIN)/tidemark shell $(ARGS)

show-urls: ## list every route and who may use it
	@bin/install run
	@$(BIN)/tidemark urls $(ARGS)

# Checking

test: ## run the tests against real servers; make test ARGS="-k book" runs some
	@bin/install dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(ARGS)

lint: ## check style, format, types and the shell scripts' syntax
	@bin/install dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@for script in bin/* .ci/run; do sh -n "$$script" || exit 1; done

check: lint test ## lint, types and tests: what must pass before a push

check-full: lint ## everything: slow tests too, a second Python, the proof of a fresh install
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)
	@bin/test-second-python
	@$(BIN)/python tests/install/prove.py

bench: ## measure speed and print tables
	@bin/install dev
	@$(BIN)/tidemark bench $(ARGS)

bench-matching: ## measure the engine part by part, and the recovery of 1,000,000 commands
	@bin/install dev
	@$(BIN)/tidemark bench matching $(ARGS)

bench-sockets: ## measure from an execution to 500 sockets
	@bin/install dev
	@$(BIN)/tidemark bench sockets $(ARGS)

bench-api: ## measure the API: reads per core, settled orders, one order alone
	@bin/install dev
	@$(BIN)/tidemark bench api $(ARGS)

sim: ## run the simulator over many seeds: make sim SEEDS=1000 FIRST=1
	@bin/install dev
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS) --first $(FIRST) $(ARGS)

drills: ## practise every recovery under load: make drills ARGS="--only kill-wallet older-backup"
	@bin/install dev
	@$(BIN)/python -m tests.drills $(ARGS)

# Containers

prepare-compose: ## write config.env with random secrets, unless there is one
	@bin/prepare-compose

build: ## build the image
	@bin/compose build

up: ## start everything in containers
	@bin/compose up --detach --wait

up-force: ## build again and start everything anew in containers
	@bin/compose up --detach --wait --build --force-recreate

down: ## stop the containers; the data stays
	@bin/compose down

# The project

lock: ## write the locks anew from pyproject.toml; UPGRADE=1 takes newer versions
	@bin/lock

clean: ## remove the environment and everything that was made; data folders stay
	@rm -rf .venv .venv-second .venv.lock .venv-second.lock build dist .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
	@find $(PACKAGES) tests -name __pycache__ -type d -prune -exec rm -rf {} +
