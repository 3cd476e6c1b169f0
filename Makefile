# make demo · make test · make test-all · make invert PHOTO=me.jpg · make bench · make lint
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out

.PHONY: demo test test-all invert bench lint clean

demo: $(VENV)/.demo
	$(BIN)/python app.py

test: $(VENV)/.dev
	$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile -m "not slow" $(PYTEST_ARGS)

test-all: $(VENV)/.dev
	$(BIN)/ruff check .
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile $(PYTEST_ARGS)

invert: $(VENV)/.demo
	@test -n "$(PHOTO)" || { echo "Say which photo: make invert PHOTO=me.jpg" >&2; exit 2; }
	$(BIN)/python -m symgan_core invert "$(PHOTO)" --out "$(OUT)"

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

lint: $(VENV)/.dev
	$(BIN)/ruff check .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# One resolver run takes torch, torchvision and lpips together, so that their builds match.
$(VENV)/.demo: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements.txt
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) out .pytest_cache .ruff_cache
