# `make demo` shows a swarm of three hosts on this machine; `make test` installs what it needs and passes all tests.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo demo-down test lint seeds real setup system clean

demo: setup
	$(BIN)/python -m tools.demo up

demo-down: setup
	$(BIN)/python -m tools.demo down

test: setup .engine/bin/dockerd
	$(BIN)/python -m pytest tests

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

seeds: setup
	$(BIN)/python -m swarmd.sim --seeds 50

# A current engine beside the system's, for the real tests and the demo.
.engine/bin/dockerd:
	tools/get-engine .engine

setup: system $(VENV)/installed

$(VENV)/installed: pyproject.toml requirements.lock
	PYTHON="$(PYTHON)" tools/setup $(VENV)
	touch $@

system:
	@tools/system

clean:
	rm -rf $(VENV) .engine dist
