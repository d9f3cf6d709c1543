# Everything that is done with a checkout. `make help` lists it.

SHELL    := bash
.SHELLFLAGS := -euo pipefail -c
GOLANGCI := v2.15.0
NFPM     := v2.45.2
DIST     ?= dist
FUZZTIME ?= 30s
BENCH    ?= .
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/prometheus/common/version.Version=$(VERSION) -X github.com/prometheus/common/version.Revision=$(REVISION)

# Runs one stage and says how long it took.
timed = @start=$$SECONDS; echo "== $(1)"; { $(2); } || exit 1; echo "-- $(1): $$((SECONDS - start)) s"

.PHONY: help build test setup format vet lint packaging package bench fuzz chaos year
.NOTPARALLEL:

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

build: ## the binary, ./leadfloor
	go build -trimpath -ldflags '$(LDFLAGS)' -o leadfloor ./cmd/leadfloor

# One command on a fresh Debian as root. It ends with what go test itself prints.
test: setup ## all that must hold: build, format, vet, lint, the packages, and every test under the race detector against real servers
	$(call timed,build,go build ./...)
	@$(MAKE) --no-print-directory format vet lint packaging
	@echo "== test"
	@go test -race -count=1 -timeout 15m ./...

setup: ## install what the tests need (Debian, as root), or say what is missing
	$(call timed,setup,.ci/setup)

format: ## no file differs from what gofmt makes of it
	$(call timed,format,bad=$$(gofmt -l adf cmd deploy ingest metrics router); [ -z "$$bad" ] || { echo "not formatted by gofmt:" $$bad; exit 1; })

vet: ## go vet
	$(call timed,vet,go vet ./...)

lint: bin/golangci-lint-$(GOLANGCI) ## golangci-lint, at its pinned version
	$(call timed,lint,$< run ./... && cd deploy/packaging && $(CURDIR)/$< run ./...)

# Its modules are resolved apart from ours: go.mod names what leadfloor is made of.
bin/golangci-lint-$(GOLANGCI):
	GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	mv bin/golangci-lint $@

packaging: bin/nfpm-$(NFPM) ## try the unit, the packages, the image, the composition and the chart
	$(call timed,packaging,cd deploy/packaging && go vet ./... && go test -count=1 ./...)

# The tag is the version; between tags nobody should mistake a package for a release. Whoever committed it answers for it, unless MAINTAINER
# says otherwise. Two runs on one commit give the same bytes. Of a binary for another machine's processor the man page and the completions
# are asked of one for this.
package: export PACKAGE_VERSION := $(or $(patsubst v%,%,$(shell git describe --tags --match 'v[0-9]*' --abbrev=0 --exact-match 2>/dev/null)),0.0.0~$(REVISION))
package: export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct)
package: export MAINTAINER := $(or $(MAINTAINER),$(shell git log -1 --format='%cn <%ce>'))
package: export GOARCH := $(or $(GOARCH),$(shell go env GOARCH))
package: export STAGE := $(abspath $(DIST))/stage
package: bin/nfpm-$(NFPM) ## deb and rpm, in dist/; GOARCH=arm64 for another processor
	GOOS=linux CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(STAGE)/leadfloor ./cmd/leadfloor
	[ "$$GOARCH" = "$$(go env GOHOSTARCH)" ] && ln -f $(STAGE)/leadfloor $(STAGE)/asked || GOARCH= go build -o $(STAGE)/asked ./cmd/leadfloor
	cd deploy/packaging && GOARCH= go run ./generate -binary $(STAGE)/leadfloor -ask $(STAGE)/asked -changes $(CURDIR)/CHANGELOG.md -version "$$PACKAGE_VERSION" -maintainer "$$MAINTAINER" -out $(STAGE)
	for kind in deb rpm; do $< package --config deploy/package/nfpm.yaml --packager $$kind --target $(DIST); done

bin/nfpm-$(NFPM):
	GOBIN=$(CURDIR)/bin go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM)
	mv bin/nfpm $@

FAULTS   ?= 1000
MESSAGES ?= 5000
SEED     ?= 0
REDIS    ?= always
WAIT     ?= 1

chaos: ## two daemons while everything breaks; FAULTS, MESSAGES, SEED, REDIS=always|everysec|sentinel|cluster, WAIT=replicas
	go test ./cmd/leadfloor -run '^TestChaos$$' -v -timeout 3h -args -chaos.faults $(FAULTS) -chaos.messages $(MESSAGES) -chaos.seed $(SEED) -chaos.redis $(REDIS) -chaos.wait $(WAIT)

year: ## a year of 100,000 arrivals against the model of the law, on a real Redis; SEED
	LEADFLOOR_LONG=$(SEED) go test ./router/rdb -run '^TestYear$$' -v -timeout 2h

bench: ## benchmarks, nine rounds; BENCH=REGEXP chooses
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count 9 ./...

fuzz: ## every fuzz test for FUZZTIME each
	@for pkg in $$(go list ./...); do \
		for name in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "== $$pkg $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done
