# Nothing but calls of cmake, ctest and scripts: the build itself is CMakeLists.txt. `make help` lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
DEMO ?= 1

##@ First steps
.PHONY: run
run: release ## Collector, agent and a demonstration workspace with one harmless reverse shell; Ctrl-C ends all. DEMO=0: only watch
	@DEMO=$(DEMO) packaging/dev/run build/release

.PHONY: test
test: dev fuzz ## Build and run every test, a minute of each fuzz target first; live ones need root and BTF, and must run when CI=true
	ctest --preset dev

##@ Build
.PHONY: deps
deps: ## Install what packaging/build-deps.txt names
	@packaging/install-deps

.PHONY: build dev
build: dev ## Same as dev
dev: deps ## Build with debug information into build/dev
	cmake --preset dev
	cmake --build build/dev -j $(JOBS)

.PHONY: release
release: deps ## Build optimised into build/release, without tests
	cmake --preset release -DPICKET_TESTS=OFF
	cmake --build build/release -j $(JOBS)

.PHONY: shipped
shipped: deps ## Build what is shipped into build/shipped and show that it is static, watches and alerts (root)
	cmake --preset shipped -DPICKET_TESTS=ON
	cmake --build build/shipped -j $(JOBS) --target acceptance_static acceptance_standalone acceptance_ev1
	ctest --preset shipped -R '^(STATIC|STANDALONE|EV1)$$'

.PHONY: fuzz
fuzz: deps ## Build the fuzz targets with clang and run each for a minute
	cmake --preset fuzz
	cmake --build build/fuzz -j $(JOBS) --target fuzz_targets
	ctest --preset fuzz -j $(JOBS)

.PHONY: asan tsan
asan: deps ## Unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
	cmake --preset asan
	cmake --build build/asan -j $(JOBS)
	ctest --preset asan -L unit
tsan: deps ## Unit tests under ThreadSanitizer
	cmake --preset tsan
	cmake --build build/tsan -j $(JOBS)
	ctest --preset tsan -L unit

##@ Ship
.PHONY: packages
packages: deps ## Debian packages into build/packages, judged by lintian
	@packaging/install-deps lintian
	cmake --preset shipped -DPICKET_TESTS=OFF
	cmake --build build/shipped -j $(JOBS) --target picketd picket-collector picketctl picket_documents
	cmake --preset release -DPICKET_TESTS=OFF
	cmake --build build/release -j $(JOBS)
	packaging/deb build/packages build/shipped build/release

.PHONY: images
images: packages ## Container images and their bills of materials into build/images
	packaging/image/build agent build/shipped build/images
	packaging/image/build collector build/release build/images

##@ Measure
.PHONY: bench
bench: deps ## Print cost, latency and memory against no agent in the same run (root)
	cmake --preset release -DPICKET_TESTS=ON
	cmake --build build/release -j $(JOBS)
	tests/bench/run build/release

.PHONY: soak
soak: deps ## Ten thousand workspaces come and go: does the agent's memory stay flat? SOAK="--starts N --containers N" (root; long)
	cmake --preset release -DPICKET_TESTS=ON
	cmake --build build/release -j $(JOBS)
	build/release/bench_soak $(SOAK)

##@ Upkeep
.PHONY: fresh
fresh: ## Prove `make run` and `make test` in a new Debian 12 with nothing but git and make (root; long)
	tests/fresh/run

.PHONY: fmt
fmt: ## Format all C and C++ sources
	git ls-files '*.h' '*.c' '*.cpp' | grep -v '^bpf/kernel.h$$' | xargs clang-format -i

.PHONY: clean
clean: ## Remove build and run folders
	rm -rf build run

.PHONY: help
help: ## Show this
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+( [a-z-]+)*:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
