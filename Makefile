# What README tells a newcomer, one target a step. Everything installs into .venv from requirements.lock, with hashes.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test check up bench lock clean

demo: .venv/installed       ## replay the 2026 World Cup through a real broker
	$(BIN)/touchline demo

up: .venv/installed         ## run everything in the foreground
	$(BIN)/touchline up

check: .venv/installed      ## lint, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Two processes side by side, each with a broker and a database of its own, take whole files: most tests wait for something.
test: check                 ## check, then every test against a real Kafka and a real Postgres
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

bench: .venv/installed      ## measure, and write dated results to tests/benchmarks/results
	$(BIN)/python -m tests.benchmarks

lock:                       ## resolve pyproject.toml anew into requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q uv==0.13.8
	UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile pyproject.toml --group pyproject.toml:dev \
		--universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet -o requirements.lock

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	touch $@

clean:                      ## remove what the targets above made
	rm -rf .venv .touchline
