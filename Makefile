# expertfs: `make demo` shows it, `make test` tests it, `make check` is what CI runs.
.PHONY: build install demo test check format vet lint test-race test-one-processor fuzz soak soak-short bench clean needs

GO     ?= go
PREFIX ?= /usr/local
BIN    := bin
# How much one fuzz target runs, in inputs or seconds, and how long the soak: by
# itself, and as a part of check.
FUZZTIME ?= 1500x
SOAKTIME ?= 10m
CHECKSOAK ?= 60s
# A fixed deadline turns a hang into a failure. It is no measurement.
TEST := $(GO) test -timeout 15m -count 1

build: needs
	$(GO) build -o $(BIN)/ ./cmd/...

install: build
	install -D -m 0755 $(BIN)/expertfs $(DESTDIR)$(PREFIX)/bin/expertfs
	install -D -m 0755 $(BIN)/gptoss $(DESTDIR)$(PREFIX)/bin/gptoss
	ln -sf $(PREFIX)/bin/expertfs $(DESTDIR)$(PREFIX)/sbin/mount.expertfs

# Says what is missing on this machine, and how to get it, before anything fails obscurely.
needs:
	@GO="$(GO)" scripts/needs.sh

demo: build
	@scripts/demo.sh $(BIN)

test: needs
	$(TEST) ./...

# The plain tests come last, so that a run ends with the test runner's own lines.
check: needs format vet lint demo test-one-processor fuzz soak-short test-race test

format:
	@bad="$$(gofmt -l cmd fsys tiers policy checkpoint infer scripts)" || exit 1; \
	if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags invariants ./tiers/...
	GOARCH=arm64 $(GO) vet ./...

lint:
	$(GO) tool staticcheck ./...
	@if command -v shellcheck >/dev/null; then shellcheck scripts/*.sh .ci/run; \
	else echo "shellcheck is not installed: scripts are not linted (apt-get install shellcheck)"; fi

test-race:
	$(TEST) -race -tags invariants -short ./...

test-one-processor:
	GOMAXPROCS=1 $(TEST) -short ./...

fuzz:
	@GO="$(GO)" FUZZTIME=$(FUZZTIME) scripts/fuzz.sh

soak: build
	EXPERTFS_SOAK=$(SOAKTIME) $(GO) test -timeout 0 -count 1 -tags invariants -run Soak -v ./fsys

soak-short:
	EXPERTFS_SOAK=$(CHECKSOAK) $(TEST) -tags invariants -run Soak ./fsys

bench:
	$(GO) test -run '^$$' -bench . ./infer/kernel ./policy/...

clean:
	rm -rf $(BIN)
