# codedeploy-agent: see "make help".

# Nothing but Go, make, git and a shell is needed; CGO stays off so that the binary is static.
export CGO_ENABLED := 0
# Not linked because not used: HTTP/2 (agent/network says why) and the compressor of the log's rotation.
export TAGS := nethttpomithttp2,timberjack_nozstd
export GOFLAGS += -tags=$(TAGS)
STATICCHECK_VERSION := v0.8.2
# The newest that can be built from the module proxy alone.
NFPM_VERSION := v2.45.2

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo development)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
# The commit's date, not the build's: the same commit gives the same bytes.
DATE    ?= $(shell git show -s --format=%cI HEAD 2>/dev/null || echo unknown)
# Functions are padded to 16 bytes, as on arm64; the linker's 32 of amd64 are 0.1 MB of nothing.
export LINK := -s -w -buildid= -funcalign=16
# Calls are not inlined where a deployment and a poll do not notice: 0.4 MB. docs/performance.md says what it costs.
SMALL := github.com/aws github.com/spf13 github.com/kardianos github.com/smallstep mvdan.cc
export COMPILE := $(SMALL:%=-gcflags=%/...=-l)
LDFLAGS := $(LINK) -X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(DATE)

EPOCH_SECONDS ?= $(shell git show -s --format=%ct HEAD 2>/dev/null || echo 0)

.PHONY: packages test-packages reproduce-packages lint-packages build demo test chaos fleet lint clean help swap hostile fuzz bench size

build: ## build bin/codedeploy-agent, static, stripped and reproducible
	go build -trimpath -buildvcs=false $(COMPILE) -ldflags '$(LDFLAGS)' -o bin/codedeploy-agent ./cmd/codedeploy-agent

NFPM ?= $(CURDIR)/bin/tools/nfpm-$(NFPM_VERSION)
$(CURDIR)/bin/tools/nfpm-$(NFPM_VERSION):
	GOBIN=$(CURDIR)/bin/tools go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$(NFPM_VERSION)
	mv $(CURDIR)/bin/tools/nfpm $@

packages: $(NFPM) ## build deb, rpm, apk and tarballs for amd64 and arm64, checksums and bills of materials in bin/packages
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' EPOCH_SECONDS='$(EPOCH_SECONDS)' NFPM='$(NFPM)' OUT=bin/packages packaging/build.sh
	@ls -l bin/packages

# The root of the containers is kept here from one run to the next.
PACKAGES_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/codedeploy-agent
PACKAGES_RUN ?= .
test-packages: $(NFPM) ## install, upgrade, remove and boot the packages in containers (root; systemd-container, debootstrap; some 8 minutes)
	PACKAGES_CACHE='$(PACKAGES_CACHE)' NFPM='$(NFPM)' go test -count 1 -timeout 60m -v -run '$(PACKAGES_RUN)' ./packaging

reproduce-packages: $(NFPM) ## build the packages twice and compare them
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' EPOCH_SECONDS='$(EPOCH_SECONDS)' NFPM='$(NFPM)' OUT=bin/packages-1 packaging/build.sh
	VERSION='$(VERSION)' COMMIT='$(COMMIT)' DATE='$(DATE)' EPOCH_SECONDS='$(EPOCH_SECONDS)' NFPM='$(NFPM)' OUT=bin/packages-2 packaging/build.sh
	diff -r bin/packages-1 bin/packages-2
	cat bin/packages-2/SHA256SUMS
	rm -r bin/packages-1 bin/packages-2

# hclfmt reads what Packer reads.
HCL_VERSION := v2.24.0
lint-packages: packages ## build the packages and lint them, the unit and the Packer template, each where its linter is installed
	packaging/lint.sh bin/packages
	GOFLAGS=-mod=mod go run github.com/hashicorp/hcl/v2/cmd/hclfmt@$(HCL_VERSION) -check packaging/image/codedeploy-agent.pkr.hcl >/dev/null

demo: build ## play three deployments, blue/green included, on this machine
	go run ./examples/demo -agent bin/codedeploy-agent

# The race detector needs a C compiler; a machine without one still runs every test.
test: ## run all tests, with the race detector where there is a C compiler
	@if command -v "$$(go env CC)" >/dev/null; then \
		set -x; CGO_ENABLED=1 go test -race -parallel 8 -timeout 15m ./...; \
	else \
		echo "no C compiler ($$(go env CC)): running the tests without the race detector"; \
		go test -parallel 8 -timeout 15m ./...; \
	fi

chaos: ## kill and fault the agent at every step of a deployment, compare with an undisturbed one (some minutes)
	CHAOS=all go test -run 'TestChaos|TestKillDuringHook|TestReboot|TestServiceAway' -timeout 60m -parallel 4 -v ./cmd/codedeploy-agent | \
		grep -E '^(--- |FAIL|ok)|^ +(--- FAIL|[a-z_]+\.go:[0-9]+:)'

# Not the race detector's: a process of another user races with the installer.
SWAP_FOR ?= 60s
swap: ## another user swaps directories for links while root installs, for SWAP_FOR (needs root)
	SWAP_FOR=$(SWAP_FOR) go test -count 1 -run TestSwap -timeout 60m -v ./agent/install

hostile: ## deploy every hostile case and print the table of what came of them
	go test -count 1 -run 'TestHostile$$' -v ./cmd/codedeploy-agent | \
		awk '/^ *\|/ || /^ok/ || /FAIL|_test.go/ { sub(/^ +/, ""); print } /^FAIL/ { failed = 1 } END { exit failed }'

# Each input may take a second of the processor and 256 MiB; what breaks a target is kept in its testdata and is a seed from then on.
FUZZTIME ?= 10s
# What is unpacked thousands of times is unpacked in memory where there is a file system in memory, programs are run elsewhere.
FUZZDIR := $(shell test -w /dev/shm && echo /dev/shm || echo /tmp)
fuzz: ## fuzz every target for FUZZTIME, one after another
	@failed=; for dir in $$(grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for target in $$(go test -list '^Fuzz' $$dir | grep '^Fuzz'); do \
			echo "$$target in $$dir"; \
			GOTMPDIR=$${TMPDIR:-/tmp} TMPDIR=$(FUZZDIR) go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s $$dir || failed="$$failed $$target"; \
		done; \
	done; if [ -n "$$failed" ]; then echo "FAILED:$$failed"; exit 1; fi

fleet: ## simulate ten thousand hosts after an outage of the service
	go test -run TestFleetAfterOutage -v ./agent

# PEER is another agent's command line, BENCH holds more options: see docs/performance.md.
bench: build ## measure the built agent beside tar, unzip, cp and chown, and what it costs when idle (PEER=..., BENCH=...)
	go run ./cmd/measure bench -agent bin/codedeploy-agent -json bin/bench.json $(if $(PEER),-peer '$(PEER)') $(BENCH)

SIZE_LIMIT ?= 13000000
size: build ## list what is linked; fails beyond SIZE_LIMIT bytes, or if the linker cannot leave out unused methods
	go run ./cmd/measure size -agent bin/codedeploy-agent -limit $(SIZE_LIMIT)

lint: ## check formatting, vet for three systems, staticcheck
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "not gofmt-clean:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...
	go run honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION) ./...

clean: ## remove what was built
	rm -rf bin

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
