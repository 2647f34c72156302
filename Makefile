# `make` lists the targets; the work is in bin/.
.DEFAULT_GOAL := help
.PHONY: help run test campaigns coverage faults test-machines fuzz interop mutants check agent agent-iso test-iso story drill bench reset pictures setup format lint types contracts templates lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## the marketplace with sample data and practice payments, on http://127.0.0.1:8000 (PORT=… for another port)
	@exec bin/run

test: ## the tests, in minutes; T='tests/market -k bids' runs some of them
	@exec bin/test $(T)

campaigns: ## the tests with very many cases: every page in the browser, every role at every address, nonsense in every field, kills, the restore drill
	@exec bin/campaigns

coverage: ## all tests with the campaigns, and which lines they reach (a third slower)
	@exec bin/coverage

test-machines: ## the agent in QEMU: NVMe, SATA, SCSI, USB, SD, one boot (two to four minutes); POWER_CUTS=30 cuts its power
	@exec bin/test-machines

faults: ## kills, errors at every block and forensic samples against the wipe agent (five minutes or more)
	@exec bin/faults

fuzz: ## schemathesis against the API, long and otherwise each time (N=examples for each operation)
	@exec bin/fuzz $(N)

interop: ## what a market issues, revokes and logs, checked offline with other people's libraries (needs node and npm; a minute)
	@exec bin/interop

mutants: ## a million mutants of certificates against the gate (N=how many, SEED=which)
	@exec bin/mutants $(N)

check: ## what the build runs: format, lint, types, contracts, templates, the agent alone, tests
	@exec bin/check

agent: ## the wipe agent as one file, for Debian 12's python3: var/wipe-agent
	@exec bin/agent

story: ## the journey from quote to settlement, step by step (SABOTAGE=wipe, certificate or ledger must fail)
	@exec bin/story

drill: ## a market at work, a backup, everything lost, a restore: is it all there?
	@exec bin/drill

agent-iso: ## the bootable image of the wipe agent, from Debian packages, into var/agent-iso
	@exec bin/agent-iso

test-iso: ## boot that image in an emulated PC and wipe its disk from the bench screen (KEEP=1: the image of last time)
	@exec bin/test-iso

bench: ## the benchmark table with ratios (ONLY=name for one)
	@exec bin/bench

reset: ## delete the marketplace's data and begin anew (asks; YES=1 answers)
	@exec bin/reset

pictures: ## photograph the pages for the README (needs chromium)
	@exec bin/pictures

setup: ## .venv with everything, by hash
	@exec bin/setup dev

format: ## put the code into its usual form
	@exec bin/format

lint: ## ruff
	@exec bin/lint

types: ## mypy
	@exec bin/types

contracts: ## who may import whom
	@exec bin/contracts

templates: ## do the templates parse, is their HTML in order
	@exec bin/templates

lock: ## resolve requirements*.in anew (needs uv)
	@exec bin/lock
