# Every target sets itself up: Python 3.11 or 3.12, make and git are all that it needs.
PYTHON ?= $(shell for p in python3.11 python3.12 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1 && { echo $$p; break; }; done)
PARAMS ?= params/demo.yaml
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo bench test verify lab lint lock clean

demo: $(READY)
	$(BIN)/painlib demo $(PARAMS)

bench: $(READY)
	$(BIN)/painlib bench

test: $(READY) lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check painlib tests notebooks
	$(BIN)/ruff format --check painlib tests notebooks
	$(BIN)/mypy
	$(BIN)/nbstripout --verify notebooks/*.ipynb
	$(BIN)/codespell painlib tests notebooks params README.md CHANGELOG.md

verify: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m verify -n logical --maxprocesses 4 --dist load --maxschedchunk 1 --durations=0

lab: $(READY)
	$(BIN)/jupyter lab --notebook-dir=.

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "painlib needs Python 3.11 or 3.12; none was found. Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

# The pins of every platform in one file, without hashes (so that conda's pip section can read it) and without index hosts.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate --upgrade -o requirements.lock

clean:
	rm -rf .venv runs build *.egg-info
