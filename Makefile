# expertfs: `make demo` shows it, `make test` tests it, `make check` is what CI runs.
.PHONY: build docs install uninstall packages test-packages demo test test-clients test-agents check format vet lint test-race test-one-processor test-bare test-plain test-arm64 fuzz soak soak-short bench clean needs needs-build needs-mount

GO     ?= go
PREFIX ?= /usr/local
# Where mount(8) looks for programs that mount a type; nowhere else.
HELPERS ?= /sbin
BIN    := bin
# How much one fuzz target runs, in inputs or seconds, and how long the soak: by
# itself, and as a part of check.
FUZZTIME ?= 1500x
SOAKTIME ?= 10m
CHECKSOAK ?= 60s
# What is tested, and flags for that: make test PACKAGES=./fsys/... TESTFLAGS=-short
PACKAGES  ?= ./...
TESTFLAGS ?=
# How many packages are tested at a time: many tests wait about as long as they compute. With
# more of them what waits for a busy machine waits too long.
AT_ONCE ?= $(shell echo $$(($$(nproc) + 1)))
# A fixed deadline turns a hang into a failure. It is no measurement.
TEST = $(GO) test -timeout 15m -count 1 -p $(AT_ONCE)

# Git refuses to tell the commit of a tree that is another user's; Go then builds
# only when it is not asked to stamp the commit in.
ifneq ($(shell git rev-parse HEAD >/dev/null 2>&1 && echo yes),yes)
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false)
endif

build: needs-build
	$(GO) build -o $(BIN)/ ./cmd/...

# Programs, manual pages, completions, the systemd unit and mount.expertfs; DESTDIR is
# honoured. Uninstall takes away what install puts. Root often has no Go: then what
# was built is installed as it is.
install uninstall: $(shell ! command -v $(GO) >/dev/null && [ -x "$(BIN)/expertfs" ] && [ -x "$(BIN)/gptoss" ] || echo build)
	@DESTDIR="$(DESTDIR)" PREFIX="$(PREFIX)" HELPERS="$(HELPERS)" BIN="$(BIN)" scripts/install.sh $@

# A deb and an rpm; VERSION and GOARCH choose release and processors.
packages:
	@GO="$(GO)" VERSION="$(VERSION)" scripts/packages.sh $(BIN)/packages

# Writes the tables of docs/configuration.md anew.
docs: build
	@BIN="$(BIN)" scripts/docs.sh

# Installs, starts, upgrades and removes the deb, in a throw-away view of this machine.
test-packages:
	@GO="$(GO)" scripts/test-packages.sh

# Says what is missing on this machine, and how to get it, before anything fails
# obscurely; of the tests, which ones skip for it.
needs:
	@GO="$(GO)" scripts/needs.sh

needs-build needs-mount:
	@GO="$(GO)" scripts/needs.sh $(@:needs-%=%)

demo: needs-mount build
	@scripts/demo.sh $(BIN)

test: needs
	$(TEST) $(TESTFLAGS) $(PACKAGES)

# A real S3 gateway, for the test that mounts from one. It has a module of its own:
# it needs two hundred others, and some minutes to build.
.PHONY: gateway
gateway: needs-build
	$(GO) build -C scripts/gateway -o ../../$(BIN)/ github.com/versity/versitygw/cmd/versitygw

# What others have written to speak with such servers, against gptoss serve: npm
# packages of OpenAI, Anthropic, Vercel and LangChain. Needs Node 20 and the registry.
test-clients: needs
	GPTOSS_CLIENTS=1 $(TEST) -run TestClients ./cmd/gptoss

# The same, and coding agents too: Codex and opencode, 800 MB of packages.
test-agents: needs
	GPTOSS_CLIENTS=all $(TEST) -run TestClients ./cmd/gptoss

# The plain tests come last, so that a run ends with the test runner's own lines.
CHECKS := needs needs-mount format vet lint test-bare test-plain test-one-processor test-arm64 fuzz soak-short test-race test
check: $(CHECKS)

# The legs of check, for CI.
.PHONY: checks
checks:
	@echo $(CHECKS)

format:
	@bad="$$(gofmt -l *.go cmd fsys tiers policy checkpoint infer scripts)" || exit 1; \
	if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

# What differs between processors: assembly, and what the kernel is told and tells.
# Vetting all of it for another one compiles the client libraries of the tests too. Packages
# are made for arm64; of riscv64 only the portable twins of the assembly have to build.
NATIVE := . ./checkpoint/gguf ./checkpoint/q8 ./fsys/... ./infer ./infer/kernel ./infer/mapped ./policy/... ./tiers ./tiers/ram

vet:
	$(GO) vet ./...
	$(GO) vet -tags invariants ./tiers/...
	GOARCH=arm64 $(GO) build ./...
	GOARCH=arm64 $(GO) vet $(NATIVE)
	GOARCH=riscv64 $(GO) build $(NATIVE)

lint:
	$(GO) tool staticcheck ./...
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh scripts/packaging/*.sh .ci/run; \
	else echo "shellcheck is not installed: scripts are not linted (apt-get install shellcheck)"; fi
	@if command -v golangci-lint >/dev/null; then golangci-lint run ./...; \
	else echo "golangci-lint is not installed: staticcheck and vet alone have run (go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.14.0)"; fi

# The tests run once in full (test), and the quick ones again in ways that find what the
# one does not. Each way runs what it can find something in:
#   test-race           all packages: races, wrong pointers, broken invariants
#   test-one-processor  those in which goroutines wait for each other
#   test-plain          those that depend on who runs them: files, mounts, memory, processes
#   test-bare           those of them that use programs which a machine may lack
# Tests that take long are left out where it makes no difference to them: in test-race
# those of one goroutine, in the others those that are about computing, time, networks
# and browsers. scripts/makefile_test.go holds that they exist. What vet finds, vet and
# test find.
SYSTEM := . ./checkpoint/source/... ./cmd/... ./fsys/... ./infer/experts ./infer/mapped ./infer/prefix ./infer/weights ./scripts/... ./tiers/...
WAITING := $(SYSTEM) ./infer ./infer/batch ./infer/server
BARE := ./cmd/expertfs/... ./fsys/... ./scripts/...
QUICK = $(TEST) -short -vet=off
ALONE := TestHostileSchemas TestHostileGrammars TestRandomOneOf TestRandomSchemas TestRandomSchemasFlexible TestManyEntriesCostLittle \
	TestSharedMasks TestTwinsAllowTheSame TestGBNFMasks TestFarCounts TestObjectsParse TestForcedTokensLeaveTheLastChoice TestBoundsOfCounts
ONCE := $(ALONE) TestBench TestGateway TestPlacesThatCannotBeMounted TestAnUpstreamThatChangesOrFails TestOfflineWithAPartOfTheCache \
	TestTwoDrives TestPreferResident TestDocumentedPython TestPage TestSwitches TestPageAsksForTheKey TestUseFlashes TestChatPage TestChatPageAsksForTheKey \
	TestChatPageErrors TestChatPageForReaders TestChatPageLooks TestChatPageOfManyMessages TestChatPageServerGone TestChatPageStops TestChatPageWhileAnswering
but = -skip '^($(shell echo $(1) | tr ' ' '|'))$$'

# The detector uses C; programs that tests build have it as elsewhere. A binary with the
# detector sleeps for a second at its end, by default.
test-race:
	CGO_ENABLED=1 GORACE=atexit_sleep_ms=50 $(QUICK) -race -tags invariants -exec 'env CGO_ENABLED=$(or $(CGO_ENABLED),1)' \
		$(call but,$(ALONE)) ./...

# What is imported, the tests' libraries with it, before the tests themselves.
.PHONY: compile-race
compile-race:
	CGO_ENABLED=1 $(GO) build -race -tags invariants $$($(GO) list -deps -test -f '{{if not (or .Standard .ForTest (eq .Name "main"))}}{{.ImportPath}}{{end}}' ./...)

# Each test has one processor, and what builds it has all.
test-one-processor:
	$(QUICK) $(call but,$(ONCE)) -exec 'env GOMAXPROCS=1' $(WAITING)

# On a machine with nothing but Go.
test-bare:
	@GO="$(GO)" scripts/test-bare.sh

# As a user without privileges, in a copy of the tree.
test-plain:
	@GO="$(GO)" scripts/test-plain.sh

# What these two run in the places that they make.
.PHONY: test-inside-bare test-inside-plain
test-inside-bare: needs
	$(QUICK) $(call but,$(ONCE)) $(BARE)

test-inside-plain: needs
	$(QUICK) $(call but,$(ONCE)) $(SYSTEM)

# The arithmetic of arm64, under qemu on other processors.
test-arm64:
	@GO="$(GO)" ARM64="$(ARM64)" scripts/test-arm64.sh

fuzz:
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

soak: build
	EXPERTFS_SOAK=$(SOAKTIME) $(GO) test -timeout 0 -count 1 -tags invariants -run Soak -v ./fsys

soak-short:
	EXPERTFS_SOAK=$(CHECKSOAK) $(TEST) -tags invariants -run Soak ./fsys

# Kills a process 300 times that fills a cache, and looks at what each has left.
.PHONY: soak-kills
soak-kills:
	EXPERTFS_KILLS=300 $(GO) test -timeout 30m -count 1 -run TestKilledWhileFilling -v ./checkpoint/source/diskcache

# Measures what docs/benchmarks.md tells, writes it as data, and draws tables and
# pictures from the data; go run ./scripts/records list tells the parts and their times.
# LLAMA, LLAMA_AVX2 and LLAMA_MAPPED are folders with llama.cpp's llama-bench and
# llama-batched-bench (docs/benchmarks.md).
.PHONY: records records-draw
RECORDS = $(if $(LLAMA),-llama "$(LLAMA)") $(if $(LLAMA_AVX2),-llama-avx2 "$(LLAMA_AVX2)") $(if $(LLAMA_MAPPED),-llama-mapped "$(LLAMA_MAPPED)") \
	$(if $(PEER),-peer "$(PEER)") 	$(if $(WORK),-work "$(WORK)") $(if $(ROUNDS),-rounds $(ROUNDS)) $(if $(READAHEAD),-readahead $(READAHEAD)) \
	$(if $(ROUTING_120B),-routing-120b "$(ROUTING_120B)") $(if $(MACHINE),-machine "$(MACHINE)") $(if $(FORCE),-force) $(if $(AGAIN),-again) $(if $(MORE),-more)
records: build
	@$(GO) run ./scripts/records measure $(RECORDS) $(PARTS)

records-draw: needs-build
	@$(GO) run ./scripts/records draw

bench:
	$(GO) test -run '^$$' -bench . ./infer/kernel ./policy/...

clean:
	rm -rf $(BIN)
