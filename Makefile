# help comes first, so that a plain "make" shows it.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

GO ?= go
BIN := $(CURDIR)/.bin
LINT_VERSION := v2.15.0
LINT := $(BIN)/golangci-lint-$(LINT_VERSION)
VULN_VERSION := v1.9.0
VULN := $(BIN)/govulncheck-$(VULN_VERSION)
S3_VERSION := v1.8.0
S3 := $(BIN)/versitygw-$(S3_VERSION)
PEBBLE_VERSION := v2.10.1
PEBBLE := $(BIN)/pebble-$(PEBBLE_VERSION)
TESTENV := $(GO) run ./internal/testenv -install

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the tour of everything on private servers
	$(GO) run ./examples/recordstore

.PHONY: demo-tls
demo-tls: $(PEBBLE) ## The same with domains of the tenants' own and HTTPS, by a private authority
	$(GO) run ./examples/recordstore -tls

.PHONY: test
test: $(S3) $(PEBBLE) ## Run all tests with -race on private servers, installing what is missing
	$(TESTENV) -- $(GO) test -race -count=1 -timeout 30m ./...

.PHONY: check
check: format vet lint layout vuln tidy ## Run all checks that are not tests

.PHONY: format
format: ## Check the formatting
	@files=$$(find . -name '*.go' -not -path './.*' -print0 | xargs -0 gofmt -l); \
	if [[ -n "$$files" ]]; then echo "gofmt would change:"; echo "$$files"; exit 1; fi

.PHONY: vet
vet: ## Run go vet, and our own tool for hosts
	$(GO) vet ./...
	$(GO) run ./isolation/scopecheck/cmd/scopecheck ./...

.PHONY: lint
lint: $(LINT) ## Run the linters of .golangci.yml
	$(LINT) run ./...

# The go command cannot name what it installs, so the version goes into the
# file's name here: a new version is a new file.
$(LINT):
	GOBIN=$(BIN) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(BIN)/golangci-lint $@

$(VULN):
	GOBIN=$(BIN) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION)
	mv $(BIN)/govulncheck $@

# The S3 server of the tests of storage.
$(S3):
	GOBIN=$(BIN) $(GO) install github.com/versity/versitygw/cmd/versitygw@$(S3_VERSION)
	mv $(BIN)/versitygw $@

# The certificate authority of the tests of tenant/domain.
$(PEBBLE):
	GOBIN=$(BIN) $(GO) install github.com/letsencrypt/pebble/v2/cmd/pebble@$(PEBBLE_VERSION)
	mv $(BIN)/pebble $@

.PHONY: layout
layout: ## Check who imports whom
	$(GO) test -count=1 ./internal/layout

# Its status 3 means "found something"; any other failure is that it could not
# work, for want of its database on a machine without network.
.PHONY: vuln
vuln: $(VULN) ## Look for known vulnerabilities, where their database can be reached
	@status=0; $(VULN) ./... || status=$$?; \
	case $$status in \
	0) ;; \
	3) exit 3 ;; \
	*) echo "note: govulncheck could not run (status $$status); nothing was checked for known vulnerabilities" ;; \
	esac

.PHONY: tidy
tidy: ## Check that go.mod and go.sum are tidy
	$(GO) mod tidy -diff

.PHONY: bench
bench: $(S3) ## Run the benchmarks, with the data on disk
	$(TESTENV) -disk -- $(GO) run ./internal/bench

.PHONY: soak
soak: $(S3) $(PEBBLE) ## Run the long trials with -race
	PARTYWALL_SOAK=full $(TESTENV) -disk -- $(GO) test -race -count=1 -timeout 2h -run "Soak|KilledAtEveryPoint|EndToEnd" ./isolation ./storage ./provisioning ./internal/trial/...
	PARTYWALL_SOAK=full $(GO) test -count=1 -run 'TestSimulation$$' -v ./tenant/domain/autotls/pace

.PHONY: attack
attack: ## Attack the wall in every way that we know of, on every PostgreSQL that can be had
	@mkdir -p $(BIN)
	$(TESTENV) -- $(GO) run ./internal/trial/attack -dir $(BIN)

.PHONY: cover
cover: $(S3) $(PEBBLE) ## Run all tests and print each package's coverage
	@mkdir -p $(BIN)
	$(TESTENV) -- $(GO) test -count=1 -timeout 30m -coverpkg=./... -coverprofile=$(BIN)/cover.out ./...
	@$(COVER_TABLE) $(BIN)/cover.out | sort
	@$(GO) tool cover -func=$(BIN)/cover.out | tail -n 1

# A profile over all packages holds each block once per tested package; a block
# counts as covered when any of them ran it.
define COVER_TABLE
awk 'NR > 1 { statements[$$1] = $$2; if ($$3 > 0) hit[$$1] = 1 } \
	END { \
		for (block in statements) { \
			package = block; sub(/\/[^\/]*$$/, "", package); sub(/^github.com\/partywall\/partywall\/?/, "", package); \
			all[package] += statements[block]; if (hit[block]) covered[package] += statements[block] \
		} \
		for (package in all) printf "%-36s %5.1f%%\n", package, 100 * covered[package] / all[package] \
	}'
endef

.PHONY: clean
clean: ## Remove tools, reports and test results
	rm -rf $(BIN)
	$(GO) clean -testcache
