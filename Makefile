# siprec. `make` lists what can be done.

CARGO ?= cargo
PREFIX ?= /usr/local
DESTDIR ?=
# Passed on: make run ARGS="--set server.address=:5070"
ARGS ?=
# A slice of the mutants only: make soak MUTANTS="--shard 1/20"
MUTANTS ?=

# The table of vendors' messages that tests/corpus.rs leaves: tests that pass say nothing by themselves.
CORPUS_RESULTS = $(or $(CARGO_TARGET_DIR),target)/corpus-results.txt

.DEFAULT_GOAL := help
.PHONY: help run test check bench soak build install install-systemd completions openapi compiler peers

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: compiler ## Build and serve: SIP on :5060, recordings in ./siprec-data (ARGS="--config F" ...)
	$(CARGO) run --release --locked -- $(ARGS)

test: compiler ## All tests that end in minutes; installs the peers they need (SIPp, tshark, object stores ...)
	@rm -f "$(CORPUS_RESULTS)"
	@$(MAKE) --no-print-directory peers & $(CARGO) test --workspace --locked --no-run; built=$$?; wait $$! && exit $$built
	.ci/tests --locked $(ARGS); status=$$?; cat "$(CORPUS_RESULTS)" 2>/dev/null; exit $$status

check: compiler ## Formatting, lints, documentation, licences and advisories of dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --locked --quiet
	.ci/deny

bench: compiler peers ## Benchmarks
	$(CARGO) bench --workspace --locked $(ARGS)
	$(CARGO) test --release --locked --test load -- --ignored --nocapture --test-threads=1

soak: compiler peers ## The tests that take hours
	SIPREC_SOAK=1 $(CARGO) test --release --locked --test crash --test robustness --test storage $(ARGS) -- --nocapture --test-threads=1
	SIPREC_SOAK=1 $(CARGO) test --release --locked --lib archive::
	$(CARGO) test --release --locked --test soak -- --ignored --nocapture --test-threads=1
	.ci/mutants $(MUTANTS)

build: compiler ## The release binary: target/release/siprec
	$(CARGO) build --release --locked

install: build ## Install to PREFIX (/usr/local): binary, man pages, completions, sample configuration
	install -D -m 755 target/release/siprec $(DESTDIR)$(PREFIX)/bin/siprec
	install -D -m 644 completions/siprec.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/siprec
	install -D -m 644 completions/_siprec $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_siprec
	install -D -m 644 completions/siprec.fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/siprec.fish
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 packaging/man/*.1
	install -D -m 644 siprec.example.yaml $(DESTDIR)$(PREFIX)/share/doc/siprec/siprec.example.yaml

install-systemd: install ## As root: install, and a systemd service with its user, /etc/siprec and /var/lib/siprec
	packaging/install-systemd "$(DESTDIR)" "$(PREFIX)"

openapi: ## Write docs/openapi.json anew after the API has changed
	UPDATE_OPENAPI=1 $(CARGO) test --locked --test api_document the_copy

completions: ## Write completions/, packaging/man and tests/help anew after the command line has changed
	UPDATE_COMPLETIONS=1 $(CARGO) test --locked --test cli generated

compiler:
	@command -v $(CARGO) >/dev/null || { echo "siprec is built with Rust 1.95 or newer: https://rustup.rs" >&2; exit 1; }
	@.ci/need cc=gcc

# Debian puts PostgreSQL's server where no PATH leads.
INITDB = $(or $(firstword $(wildcard /usr/lib/postgresql/*/bin/initdb)),initdb)

peers:
	@.ci/need sipp=sip-tester tshark=tshark tcpdump=tcpdump sox=sox flac=flac opusinfo=opus-tools python3=python3 sipsak=sipsak ip=iproute2 nft=nftables iptables-nft-restore=iptables openssl=openssl chromium=chromium tmux=tmux \
		"$(INITDB)=postgresql" zsh=zsh fish=fish ffmpeg=ffmpeg gst-launch-1.0=gstreamer1.0-tools,gstreamer1.0-plugins-base,gstreamer1.0-plugins-good,gstreamer1.0-plugins-bad
	@.ci/storage/install
	@.ci/schemathesis/install
	@.ci/issuer/install
