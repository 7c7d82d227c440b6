# posd: `make demo` shows a payment from the card to the ledger, `make test` runs
# everything that must hold. Both need Go and make; the race detector needs gcc.

GO     ?= go
BIN    := bin
GOARM  := GOOS=linux GOARCH=arm GOARM=7 CGO_ENABLED=0
GOARM64:= GOOS=linux GOARCH=arm64 CGO_ENABLED=0
# Enrolment speaks HTTP/1.1: without HTTP/2 the agent is 0.4 MB smaller.
STRIP  := -trimpath -ldflags="-s -w" -tags nethttpomithttp2
QEMU   := $(shell command -v qemu-arm-static 2>/dev/null)

.PHONY: help demo test lint race postgres cross arm bench load simulate chaos mutants fuzz build clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## one sale after another on simulated hardware, through every part; STAY=1 leaves it running
	@$(BIN)/demo $(if $(STAY),-stay)

build: ## the programs, into bin/
	@mkdir -p $(BIN)
	@$(GO) build -o $(BIN)/ ./cmd/...

test: lint cross race postgres arm ## everything that must hold

lint: ## formatting, vet, staticcheck
	@out=$$($(GO) tool gofumpt -l .); test -z "$$out" || { echo "gofumpt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags crashpoints ./cmd/posd
	$(GO) tool staticcheck ./...

cross: ## the terminals' architectures, without cgo
	$(GOARM) $(GO) build $(STRIP) -o $(BIN)/arm/ ./cmd/...
	$(GOARM64) $(GO) build $(STRIP) -o $(BIN)/arm64/ ./cmd/...

race: ## every test, with the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...

postgres: ## the host's tests again, on PostgreSQL instead of SQLite; skipped where it is not installed, but not in CI
	POSD_TEST_DB=postgres $(GO) test ./host-sim/...

arm: ## emv, device and store on an emulated ARM, where qemu-user-static is installed
ifeq ($(QEMU),)
	@echo "qemu-arm-static is not installed (Debian: qemu-user-static): the ARM tests were skipped"
else
	$(GOARM) $(GO) test -short -exec $(QEMU) ./emv/... ./device/... ./store/...
endif

bench: build ## the figures of the README, one table; VM=script measures in an emulated terminal too
	@$(BIN)/bench $(if $(VM),-vm $(VM))

load: build ## the host under 1,000 terminals: raw TLS, listener, durable sales on SQLite and on PostgreSQL, idle connections
	@$(BIN)/load

simulate: ## SEEDS=n runs of terminal, host and network with faults at every step (default 1000), from FIRST=seed
	$(GO) test ./cmd/internal/simulate -run '^TestSimulate$$' -v -timeout 60m -seeds=$(or $(SEEDS),1000) -first=$(or $(FIRST),1)

chaos: ## kill -9 of agent and host N=n times (default 200) while they work, over real files and TLS
	$(GO) test ./cmd/posd -run '^TestKillAtRandom$$' -v -timeout 60m -kills=$(or $(N),200)

mutants: ## faults planted in kernel and settlement, and how many of them the tests find
	$(GO) run ./build/mutants

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	@set -e; for p in $$(grep -rl --include=*_test.go '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$p/*_test.go | cut -c6-); do \
	    echo "$$p $$f"; $(GO) test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),30s); done; done

clean: ## what was built
	rm -rf $(BIN) dist
