# What a user types. Everything is done by the lab's command (lab/cmd/lab);
# this file only builds that and says what there is.

.DEFAULT_GOAL := help
SHELL := /bin/bash

# Where the programs go (see lab/system/paths). Recipes take the path from the environment: it
# may have spaces. By the XDG specification a relative XDG_CACHE_HOME is void; the go
# command doesn't start with one.
ifneq ($(filter /%,$(firstword $(XDG_CACHE_HOME))),)
export HYBRID_LAB_BIN := $(value XDG_CACHE_HOME)/hybrid-lab/bin
else
unexport XDG_CACHE_HOME
export HYBRID_LAB_BIN := $(value HOME)/.cache/hybrid-lab/bin
endif
lab := "$$HYBRID_LAB_BIN"/lab
hybrid := "$$HYBRID_LAB_BIN"/hybrid

# Programs are for this machine, whatever the shell has exported. The settings are part
# of every compiled package's key in Go's cache: the same for programs and tests, so
# that nothing is compiled twice. lab/build/env.go has the same and says more.
host := $(shell cd / && GOTOOLCHAIN=local GOFLAGS= go env GOHOSTOS GOHOSTARCH 2>/dev/null)
export GOOS := $(word 1,$(host))
export GOARCH := $(word 2,$(host))
export GOAMD64 := v1
export GOFIPS140 := off
export GO111MODULE := on
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false
export GOWORK := off
unexport GOEXPERIMENT

# With CDPATH `cd` prints where it goes, also into what `make env` prints for the shell.
unexport CDPATH

# There is one lab, whatever -j says, which MAKEFLAGS may have.
.NOTPARALLEL:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { gsub(/\$$\$$/, "$$", $$2); printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: command ## start the lab and build the hybrid cloud in it
	@$(lab) up

.PHONY: preview
preview: command ## show what `make up` would change
	@$(lab) preview

.PHONY: destroy
destroy: command ## `pulumi destroy`: remove the hybrid cloud, and stop the lab
	@$(lab) destroy

.PHONY: down
down: command ## remove the lab's containers, networks, volumes and state; keep images and caches
	@$(lab) down

.PHONY: clean
clean: command ## `make down`, and remove images and caches too
	@$(lab) clean

.PHONY: status
status: hybrid ## clusters, mesh, federation, PostgreSQL and zone on one screen
	@eval "$$($(lab) env)" && $(hybrid) status

.PHONY: view
view: hybrid ## the same as a live picture in the browser
	@eval "$$($(lab) env)" && $(hybrid) view

.PHONY: picture
picture: hybrid ## write the README's picture, docs/view.svg, of what is up now
	@eval "$$($(lab) env)" && $(hybrid) view --svg docs/view.svg

.PHONY: mesh-status
mesh-status: hybrid ## show the mesh: peers, connections, encryption, addresses
	@eval "$$($(lab) env)" && $(hybrid) status --mesh

.PHONY: postgres-status
postgres-status: command ## show PostgreSQL's replication: each replica's cluster, state, lag
	@eval "$$($(lab) env)" && hybrid postgres status

# For machines of the clouds, whatever this one is. PLATFORM may be linux/arm64.
.PHONY: image
image: export PLATFORM ?= linux/amd64
image: go ## an image with `hybrid`, for hybrid:monitoring: make image IMAGE=registry.example.org/hybrid:1.0
	@[ -n "$$IMAGE" ] || { echo "which name? make image IMAGE=registry.example.org/hybrid:1.0" >&2; exit 1; }
	@GOOS=$${PLATFORM%/*} GOARCH=$${PLATFORM#*/} go build -ldflags '-s -w' -o bin/image/hybrid ./cmd/hybrid
	@docker build --platform "$$PLATFORM" --file cmd/hybrid/Dockerfile --tag "$$IMAGE" bin/image
	@echo "next: docker push $$IMAGE, which prints the digest"

.PHONY: env
env: command ## print shell settings: eval "$$(make -s env)"
	@$(lab) env

.PHONY: check
check: lint unit ## formatting, linters and unit tests; needs neither Docker nor the lab's programs

.PHONY: test
test: check e2e ## all tests, with a real `pulumi up` in the lab

# Compilers look for garbage less often, as in lab/build/env.go.
lint unit: export GOGC ?= 400

.PHONY: lint
lint: go
	@.ci/step "gofmt" .ci/gofmt
	@.ci/step "shellcheck" .ci/shellcheck
	@.ci/step "go vet: the program" go vet ./...
	@.ci/step "go vet: the lab" go -C lab vet ./...
	@.ci/step "go vet: Weave Net's part of the lab" go -C lab/upstream/weave vet ./...
	@.ci/step "go vet: Karmada's part of the lab" go -C lab/upstream/karmada vet ./crds
	@.ci/step "build staticcheck" go -C lab build -o "$$HYBRID_LAB_BIN"/staticcheck honnef.co/go/tools/cmd/staticcheck
	@.ci/step "staticcheck: the program" "$$HYBRID_LAB_BIN"/staticcheck ./...
	@cd lab && ../.ci/step "staticcheck: the lab" "$$HYBRID_LAB_BIN"/staticcheck ./...

# Without the linters' part of `go test`, which `make lint` does. The last test reads
# what the go command doesn't see: its result mustn't be cached.
.PHONY: unit
unit: go ## unit tests alone
	@.ci/need ssh openssh-client
	@.ci/need python3 python3
	@.ci/step "test the program" go test -vet=off ./...
	@cd lab && ../.ci/step "test the lab" go test -vet=off $$(go list ./... | grep -v -e /e2e$$ -e /dockertest$$)
	@.ci/step "test Weave Net's part of the lab" go -C lab/upstream/weave test -vet=off ./...
	@.ci/step "test Karmada's part of the lab" go -C lab/upstream/karmada test -vet=off -count=1 ./crds

.PHONY: prepare
prepare: command
	@$(lab) prepare

# One after the other: they use the one lab of this machine, and clear it away. Thousands of
# lines are said meanwhile: which tests failed, and what they said, is told again at the end.
.PHONY: e2e
e2e: prepare gotestsum ## the tests in the lab alone
	cd lab && "$$HYBRID_LAB_BIN"/gotestsum --format standard-verbose -- -count=1 -timeout 80m ./vm/dockertest
	cd lab && "$$HYBRID_LAB_BIN"/gotestsum --format standard-verbose -- -count=1 -timeout 80m ./e2e

# Everything, for some hours: with outages of five minutes, and what takes minutes to
# create.
.PHONY: e2e-long
e2e-long: command gotestsum ## the tests in the lab with all that takes longer: long outages, lost clusters
	@$(lab) prepare --next
	cd lab && HYBRID_E2E_LONG=1 "$$HYBRID_LAB_BIN"/gotestsum --format standard-verbose -- -count=1 -timeout 480m ./e2e

.PHONY: gotestsum
gotestsum: go
	@.ci/step "build gotestsum" go -C lab build -o "$$HYBRID_LAB_BIN"/gotestsum gotest.tools/gotestsum

.PHONY: go
go:
	@command -v go >/dev/null || { echo "no Go on the PATH: install Go 1.26 or newer (https://go.dev/doc/install) and try again" >&2; exit 1; }

# The go command finds out by itself whether there is something to build. The
# first time that is a minute's work, of which it says nothing.
.PHONY: command
command: go
	@go -C lab build -o $(lab) ./cmd/lab & pid=$$!; n=0; \
	while kill -0 $$pid 2>/dev/null; do \
		sleep 0.2; n=$$((n + 1)); \
		[ $$((n % 25)) != 0 ] || echo "  … build the lab's command ($$((n / 5))s)" >&2; \
	done; wait $$pid

.PHONY: hybrid
hybrid: command
	@go build -o $(hybrid) ./cmd/hybrid
