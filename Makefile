# `make demo` shows a swarm of three hosts on this machine; `make test` installs what it needs and passes all tests.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo demo-down test lint seeds setup system clean

demo: setup
	@$(BIN)/python -m tools.demo up

# Needs nothing but Python: who removes wants nothing installed.
demo-down:
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m tools.demo down

# ALSO=PYTHON: what needs no engine with that Python as well.
test: setup .engine/bin/dockerd
	@tools/system test
	$(BIN)/python -m tools.suite $(if $(ALSO),--also $(ALSO))

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

seeds: setup
	$(BIN)/python -m swarmd.sim --seeds 50

# A current engine beside the system's, for the real tests.
.engine/bin/dockerd: | system
	tools/get-engine .engine

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml requirements.lock | system
	@PYTHON="$(PYTHON)" tools/setup $(VENV)

system:
	@tools/system

clean:
	rm -rf $(VENV) .engine dist
