# Everything that is done with a checkout. `make help` lists it.

SHELL    := bash
.SHELLFLAGS := -euo pipefail -c
GOLANGCI := v2.15.0
FUZZTIME ?= 30s
BENCH    ?= .
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(REVISION)

# Runs one stage and says how long it took.
timed = @start=$$SECONDS; echo "== $(1)"; $(2); echo "-- $(1): $$((SECONDS - start)) s"

.PHONY: help build test setup format vet lint bench fuzz
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

build: ## the binary, ./leadfloor
	go build -trimpath -ldflags '$(LDFLAGS)' -o leadfloor ./cmd/leadfloor

# One command on a fresh Debian as root. It ends with what go test itself prints.
test: setup ## all that must hold: build, format, vet, lint, and every test under the race detector against real servers
	$(call timed,build,go build ./...)
	@$(MAKE) --no-print-directory format vet lint
	@echo "== test"
	@LEADFLOOR_REAL=1 go test -race -count=1 -timeout 8m ./...

setup: ## install what the tests need (Debian, as root), or say what is missing
	$(call timed,setup,.ci/setup)

format: ## no file differs from what gofmt makes of it
	$(call timed,format,bad=$$(gofmt -l adf cmd deploy ingest metrics router); [ -z "$$bad" ] || { echo "not formatted by gofmt:" $$bad; exit 1; })

vet: ## go vet
	$(call timed,vet,go vet ./...)

lint: bin/golangci-lint-$(GOLANGCI) ## golangci-lint, at its pinned version
	$(call timed,lint,$< run ./...)

# Its modules are resolved apart from ours: go.mod names what leadfloor is made of.
bin/golangci-lint-$(GOLANGCI):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv bin/golangci-lint $@

bench: ## benchmarks, nine rounds; BENCH=REGEXP chooses
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count 9 ./...

fuzz: ## every fuzz test for FUZZTIME each
	@for pkg in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done
