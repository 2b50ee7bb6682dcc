# kq: everything a clone can do. Needs Python 3.11+ and make, nothing else; what more there is, is used when it is found.
#
#   make demo     a broker, a topic, this repository's own text in and out again
#   make test     all tests, quick ones first; foreign tools that are missing are named loudly
#   make lint     ruff and mypy --strict
#   make bench    kq beside Apache Kafka; see bench/README.md
#   make clean    removes .venv and caches

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
ARGS ?=

.PHONY: help demo test lint bench clean

help:
	@sed -n 's/^#   //p' Makefile

# One stamp a set of extras; it is renewed when pyproject.toml changes.
.venv/.made:
	@test -n "$(PYTHON)" || { echo "kq needs Python 3.11 or newer; set PYTHON=/path/to/python" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { \
		echo "python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@touch $@

.venv/.kq: .venv/.made pyproject.toml
	$(BIN)/python -m pip install -q --disable-pip-version-check -e .
	@touch $@

.venv/.kq-test: .venv/.kq
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[test]'
	@touch $@

.venv/.kq-bench: .venv/.kq
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[bench]'
	@touch $@

demo: .venv/.kq
	$(BIN)/kq demo README.md $(ARGS)

test: .venv/.kq-test
	$(BIN)/python -m pytest $(ARGS)

lint: .venv/.kq-test
	$(BIN)/ruff check -q .
	$(BIN)/ruff format --check -q .
	$(BIN)/mypy --strict --no-error-summary kq

bench: .venv/.kq-bench
	$(BIN)/python -m bench $(ARGS)

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
