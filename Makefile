# Every target does its own set-up, so the first thing to type may be any of them.
#
#   ARGS="…"     arguments for the program that 'make run', 'make bench' or 'make forensics' starts
#   COVERAGE=1   measure coverage. One build folder holds one kind of build: changing this recompiles everything,
#                so use the same value for 'test' and 'demo' when both are run
#   JOBS=2       how many compilations run at once
#   N=1000       how often 'make crash' kills; SEED=… repeats the blows of a run that printed it
#   APPENDS=…    how many entries 'make crash' appends at once

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

ARGS ?=
COVERAGE ?= 0
JOBS ?=
N ?= 1000
SEED ?=
APPENDS ?= 1000000
BUILD_FLAGS := $(if $(filter 1,$(COVERAGE)),--enable-code-coverage) $(if $(JOBS),-j $(JOBS))
BIN := .build/debug

.PHONY: help setup build run test demo bench crash forensics audit-exhaustive lint format coverage clean first-build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

setup: ## install the missing Debian packages and check the Swift toolchain
	@tools/setup.sh --demo

build: setup first-build ## build everything
	swift build $(BUILD_FLAGS)

run: setup first-build ## start the service with a private database; ARGS="…" is passed on
	swift build $(BUILD_FLAGS) --product lethe
	@exec $(BIN)/lethe dev $(ARGS)

test: setup first-build ## run the tests; COVERAGE=1 measures coverage
	swift test $(BUILD_FLAGS) --disable-xctest

demo: setup first-build ## walk through an erasure from request to certificate
	swift build $(BUILD_FLAGS) --product lethe
	swift build $(BUILD_FLAGS) --product dsar
	@tools/demo.sh $(BIN)

bench: setup ## measure, in release mode
	swift run $(if $(JOBS),-j $(JOBS)) -c release --package-path Benchmarks lethe-bench $(ARGS)

crash: setup first-build ## kill servers and databases N times under load; append a million entries at once
	LETHE_CRASH_KILLS=$(N) LETHE_CRASH_SEED=$(SEED) LETHE_APPENDS=$(APPENDS) \
	  swift test $(BUILD_FLAGS) --disable-xctest --filter 'CrashTests|JournalAppendTests'

forensics: setup ## erase somebody, rotate, and look for the key in every file that is left
	swift run $(if $(JOBS),-j $(JOBS)) -c release --package-path Benchmarks lethe-forensics $(ARGS)

audit-exhaustive: setup ## flip every bit of a 1,000-entry archive; ARGS="--entries 20" or "--sample 10000" is shorter
	swift run $(if $(JOBS),-j $(JOBS)) -c release --package-path Benchmarks audit-exhaustive $(ARGS)

lint: ## check format, layout, dependency arrows, links
	@tools/setup.sh --lint
	@tools/lint.sh

format: ## rewrite the sources in the house style
	@tools/setup.sh --lint
	swift format --in-place --recursive --parallel $(wildcard Sources Tests Benchmarks/Sources) Package.swift

coverage: ## run the tests and print a table of coverage per target
	@$(MAKE) test COVERAGE=1
	@tools/coverage.sh

clean: ## remove what was built; the data of 'make run' stays
	rm -rf .build Benchmarks/.build coverage
	rm -f *.profraw

first-build:
	@if [ ! -d $(BIN) ]; then echo "The first build compiles the packages we use as well: it takes 2 to 5 minutes."; fi
