# Every target is one line of scripts/ or cargo; `make help` lists them.
SHELL := /bin/bash
ENV := . scripts/build-env.sh &&

.PHONY: help setup build demo test quick lint fuzz crash bench bench-micro packages clean-servers

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install system packages and unpack the test servers (idempotent)
	@scripts/setup.sh

build: ## the seachange binary, in target/debug
	@scripts/setup.sh --build
	@$(ENV) cargo build -p engine

demo: ## the walkthrough on a real MySQL: snapshot, stream, savepoint, crash, exact resume
	@scripts/demo.sh

test: ## everything: setup, build, unit tests, and every promise on real servers
	@scripts/test.sh

quick: ## the inner loop: format, lints and unit tests of all crates, under a minute when warm
	@$(ENV) cargo fmt --all --check
	@$(ENV) cargo clippy -q --workspace --all-targets -- -D warnings
	@$(ENV) cargo test -q --workspace --lib --bins

lint: ## format and lints of everything, tests included
	@scripts/setup.sh --build
	@$(ENV) cargo fmt --all --check
	@$(ENV) cargo clippy --workspace --all-targets -- -D warnings

fuzz: ## the property tests with many more cases (FUZZ_CASES, default 100000)
	@$(ENV) PROPTEST_CASES=$${FUZZ_CASES:-100000} cargo test --workspace --exclude tests --lib -- --nocapture

crash: ## the crash campaign for MINUTES (default 10): the job dies at every edge, nothing is lost or doubled
	@scripts/setup.sh
	@$(ENV) CRASH_MINUTES=$${MINUTES:-10} scripts/test.sh crash

bench: ## speed, as ratios within one run (benches/README.md)
	@$(ENV) benches/run.sh

bench-micro: ## each step by itself, in memory: events, rows, merge, GTIDs, checkpoints
	@$(ENV) cargo bench -p benches

packages: ## the Debian package and the image: built, and tried in a chroot and a container (as root)
	@scripts/setup.sh --build
	@$(ENV) cargo build -p engine
	@BUILT=1 tests/packages/deb.sh
	@BUILT=1 tests/packages/image.sh

clean-servers: ## remove the unpacked test servers and their templates
	rm -rf .servers
