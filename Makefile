# Everything a person does with libarmoriq. The work is done by cargo and by scripts/.

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=

export CARGO_TARGET_DIR ?= $(CURDIR)/target
dist := $(CARGO_TARGET_DIR)/dist
sources := Cargo.toml Cargo.lock build.rs engine/Cargo.toml $(shell find src engine/src -name '*.rs')

.DEFAULT_GOAL := help
.PHONY: help demo build install uninstall header abi test fuzz soak bench lint clean

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(firstword $(MAKEFILE_LIST)) | \
		awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "  PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) DESTDIR=$(DESTDIR)"

demo: ## run a C program against a local control plane
	@scripts/demo.sh

build: $(dist)/libarmoriq.a ## build the libraries that ship, into target/dist

$(dist)/libarmoriq.a: $(sources) include/armoriq.h scripts/build.sh scripts/localize.sh
	scripts/build.sh

install: $(dist)/libarmoriq.a ## put header, libraries, pkg-config and CMake files under PREFIX
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' scripts/install.sh install

uninstall: ## remove what install put there
	@PREFIX='$(PREFIX)' LIBDIR='$(LIBDIR)' DESTDIR='$(DESTDIR)' scripts/install.sh uninstall

header: ## write include/armoriq.h from src/ffi
	cargo xtask header

abi: ## write the snapshots of the ABI, where its version allows what changed
	cargo xtask abi
	cargo build --locked --package armoriq
	tests/abi/library.sh --write

test: ## run the whole suite
	@scripts/test.sh

fuzz: ## run the fuzz targets, FUZZ_SECONDS each
	@scripts/fuzz.sh

soak: ## mix calls from 16 threads for SOAK_SECONDS (600), against a service that fails
	@scripts/soak.sh

bench: ## measure what ships, and write docs/performance.md
	@scripts/bench.sh

lint: ## formatting, clippy and the header
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo xtask header --check

clean: ## remove what was built
	cargo clean
