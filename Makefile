# Every check that CI runs is a target here. A fresh machine needs Go, npm, make and, for the browser tests, apt.

SHELL := bash
GO    ?= go
export CGO_ENABLED := 0

# The cache holds what set-up downloads. Removing it is always safe.
CACHE := $(CURDIR)/.cache

# A library that the environment names is used as it is; otherwise the pinned one is fetched once.
ifdef LOADLINE_LIBCHDB
LIBCHDB := $(LOADLINE_LIBCHDB)
else
LIBCHDB := $(CACHE)/libchdb/libchdb.so
endif
export LOADLINE_LIBCHDB := $(LIBCHDB)
AXE := $(CACHE)/axe/axe.min.js

# Each folder with a package-lock.json under a testdata folder is a Node program that tests run.
NODE_APPS ?= $(dir $(wildcard cmd/*/testdata/*/package-lock.json cmd/*/*/testdata/*/package-lock.json ingest/*/testdata/*/package-lock.json))

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X loadline/internal/selfmon.version=$(VERSION) -X loadline/internal/selfmon.commit=$(COMMIT)

PKGS         ?= ./...
TEST_FLAGS   ?= -timeout 15m -p 2
DEMO_FLAGS   ?=
BENCH_FLAGS  ?= -benchtime 1s
FUZZ_TIME    ?= 30s
SOAK_SECONDS ?= 1800
TOOL         := $(GO) tool -modfile=$(CURDIR)/tools.mod

# A module of its own: it needs Prometheus's database, which the product does not.
COMPLIANCE := query/promql/compliance

.PHONY: help demo build test compliance compliance-fast check bench bench-ingest bench-pages bench-slo bench-promql generate libchdb chromium node-apps screenshots fuzz soak race clean \
	check-format check-generate check-lint check-vulnerabilities

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: libchdb build ## run Loadline with demo traffic on http://127.0.0.1:8080
	./loadline demo $(DEMO_FLAGS)

build: ## build ./loadline, one static binary
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o loadline ./cmd/loadline

test: libchdb chromium $(AXE) node-apps compliance-fast ## run every test but compliance; a missing engine or browser is a failure
	LOADLINE_AXE=$(AXE) $(GO) test $(TEST_FLAGS) $(PKGS)

compliance: libchdb ## run Prometheus's test scripts and our list of queries on the engine, the storage and the running server
	cd $(COMPLIANCE) && $(GO) test -count 1 -timeout 60m -parallel 8 ./... # scripts wait more than they compute

compliance-fast: ## the same on the engine over samples in memory
	cd $(COMPLIANCE) && $(GO) test -timeout 15m -skip '(Storage|Server)$$' ./...

race: libchdb ## run the tests of the packages that need no browser under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(TEST_FLAGS) ./internal/... ./ingest/... ./query/...

bench: libchdb ## run the benchmarks of all packages, those of the running server aside
	$(GO) test -run '^$$' -bench . -benchmem $(BENCH_FLAGS) $(TEST_FLAGS) $$($(GO) list $(PKGS) | grep -v /e2e$$)

bench-ingest: libchdb ## CPU, bytes and latency of the running server under load, from a separate process
	$(GO) test -run '^$$' -bench '^BenchmarkIngest' -benchtime 1x -timeout 30m ./cmd/loadline/e2e

bench-pages: libchdb ## server time of every page over 10 million spans
	$(GO) test -run '^$$' -bench '^BenchmarkPages' -timeout 30m ./cmd/loadline/e2e

bench-slo: libchdb ## CPU and memory of 10,000 objectives over 30 days: a tick, a restart, a backtest, counting spans
	$(GO) test -run '^$$' -bench '^BenchmarkObjectives' -benchtime 30x -timeout 20m ./slo
	$(GO) test -run '^$$' -bench . -benchtime 1s -timeout 20m ./slo/ring ./slo/rule ./slo/backtest ./ingest/tally

bench-promql: libchdb $(CACHE)/debian/usr/bin/prometheus $(CACHE)/debian/usr/bin/victoria-metrics ## CPU and bytes of PromQL side by side with Prometheus and VictoriaMetrics, from their Debian packages
	cd $(COMPLIANCE) && $(GO) test -run '^$$' -bench . -benchtime 1x -timeout 120m ./sidebyside

screenshots: libchdb chromium $(AXE) ## take the pictures of the README
	LOADLINE_SCREENSHOTS=$(CURDIR)/web/testdata/screenshots LOADLINE_AXE=$(AXE) $(GO) test -count 1 ./web

soak: libchdb ## kill the server and its engine under load for SOAK_SECONDS (default 1800)
	@end=$$((SECONDS + $(SOAK_SECONDS))); while [ $$SECONDS -lt $$end ]; do \
		$(GO) test -count 1 -run '^TestKill' -timeout 15m -v ./cmd/loadline/e2e || exit 1; done

# ---- what the targets above need -----------------------------------------------------------------------------------

libchdb: $(LIBCHDB) ## fetch the engine library

$(CACHE)/libchdb/libchdb.so: deploy/npm-pins
	deploy/npm-file.sh libchdb $@

$(AXE): deploy/npm-pins
	deploy/npm-file.sh axe-core $@

# Debian's packages of what PromQL is measured against are unpacked and not installed.
$(CACHE)/debian/usr/bin/prometheus $(CACHE)/debian/usr/bin/victoria-metrics: $(CACHE)/debian/usr/bin/%:
	@command -v apt-get >/dev/null && command -v dpkg >/dev/null || { echo "error: no apt-get and dpkg found" >&2; \
		echo "hint: put the programs prometheus and victoria-metrics into $(CACHE)/debian/usr/bin" >&2; exit 1; }
	mkdir -p $(CACHE)/debian/$* && cd $(CACHE)/debian/$* && apt-get download -q $* && dpkg -x $*_*.deb $(CACHE)/debian && touch $@

chromium: ## install Chromium through apt when no browser is found
	@if command -v chromium chromium-browser google-chrome >/dev/null || [ -n "$${LOADLINE_CHROMIUM:-}" ]; then exit 0; fi; \
	command -v apt-get >/dev/null || { echo "error: no Chromium found" >&2; \
		echo "hint: install Chromium or Chrome so that 'chromium' or 'google-chrome' is in PATH" >&2; exit 1; }; \
	if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	set -x; $$sudo apt-get update -q && \
	$$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium

node-apps: $(NODE_APPS:%/=%/node_modules/.package-lock.json)

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund
	@touch $@

# ---- checks --------------------------------------------------------------------------------------------------------

check: check-format check-generate check-lint check-vulnerabilities ## format, generated code, vet, lint, layers, known vulnerabilities
	@echo "check: ok"

generate: ## regenerate *_templ.go
	$(TOOL) templ generate -path web

check-generate: generate
	@git diff --exit-code -- '*_templ.go' && test -z "$$(git ls-files --others --exclude-standard -- '*_templ.go')" || \
		{ echo "error: generated code is out of date" >&2; echo "hint: commit what 'make generate' wrote" >&2; exit 1; }

check-format:
	@bad=$$(git ls-files -co --exclude-standard -- '*.go' ':!*_templ.go' | xargs $(TOOL) gofumpt -l) && \
	test -z "$$bad" || { echo "error: not formatted: $$bad" >&2; echo "hint: go tool -modfile=tools.mod gofumpt -w FILE" >&2; exit 1; }

check-lint:
	$(GO) vet -stdmethods=false $(PKGS) # an iterator of the PromQL engine has a Seek of its own
	$(GO) test -count 1 ./internal
	$(TOOL) golangci-lint run --timeout 10m $(PKGS)
	cd $(COMPLIANCE) && $(GO) vet -stdmethods=false ./... && $(TOOL) golangci-lint run --timeout 10m ./...

# The vulnerability database is online. Without a network the rest of the check still counts, so only that one failure
# is a warning; a finding or any other failure stops the check.
check-vulnerabilities:
	@out=$$($(TOOL) govulncheck $(PKGS) 2>&1) && { echo "$$out" | tail -n 3; exit 0; }; rc=$$?; echo "$$out" >&2; \
	if echo "$$out" | grep -qE '^govulncheck: fetching vulnerabilities: .*(no such host|network is unreachable|connection refused|i/o timeout|server misbehaving)'; then \
		echo "WARNING: KNOWN VULNERABILITIES WERE NOT CHECKED: the database cannot be reached from here" >&2; exit 0; fi; exit $$rc

fuzz: libchdb ## run every fuzz target for FUZZ_TIME (default 30s) each
	@for pkg in $$($(GO) list $(PKGS)); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) $$pkg || exit 1; \
		done; done
	cd $(COMPLIANCE) && $(GO) test -run '^$$' -fuzz '^FuzzQueriesStorage$$' -fuzztime $(FUZZ_TIME) -parallel 1 .

clean: ## remove what builds and tests leave behind; the cache and data directories stay
	rm -f loadline coverage.out
	$(GO) clean -testcache
