# make demo · make test · make test-all · make invert PHOTO=me.jpg · make bench · make lint · make wheel · make lock · make audit · make sbom
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= out

# On Linux, PyPI's PyTorch brings 3 GB of CUDA. Without an NVIDIA driver it comes from PyTorch's CPU index, or from PyPI where that does not
# answer. TORCH_INDEX=URL names another index (such as https://download.pytorch.org/whl/cu130); TORCH_INDEX= takes what pip is set up for.
CUDA := $(or $(shell command -v nvidia-smi 2>/dev/null),$(wildcard /proc/driver/nvidia/version))
TORCH_INDEX ?= $(if $(CUDA),,$(if $(filter Linux,$(shell uname -s)),https://download.pytorch.org/whl/cpu))

# Ranges stand in pyproject.toml. LOCK=requirements.lock installs the very versions with which the tests passed last.
LOCK ?=
PINNED := $(if $(LOCK),-c $(LOCK))

.PHONY: demo test test-all invert bench lint wheel lock audit sbom clean

demo: $(VENV)/.demo
	$(BIN)/python app.py

test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder -m "not slow" $(PYTEST_ARGS)

test-all: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

invert: $(VENV)/.demo
	@test -n "$(PHOTO)" || { echo "Say which photo: make invert PHOTO=me.jpg" >&2; exit 2; }
	$(BIN)/symgan invert "$(PHOTO)" --out "$(OUT)"

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python

wheel: $(VENV)/.demo
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

# The newest versions that the ranges allow and pip takes, from an environment in which the tests have passed.
lock: $(VENV)/.dev
	$(BIN)/python -m tests.lock > requirements.lock.new && mv requirements.lock.new requirements.lock

# The tools have an environment of their own, so that what they need is neither audited nor listed.
audit: $(VENV)/audit/bin/pip-audit
	$< --requirement requirements.lock --no-deps --disable-pip --strict

sbom: $(VENV)/audit/bin/cyclonedx-py
	mkdir -p dist
	$< requirements requirements.lock --pyproject pyproject.toml --output-reproducible --of JSON -o dist/symgan.cdx.json

$(VENV)/audit/bin/pip-audit $(VENV)/audit/bin/cyclonedx-py: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet 'pip-audit>=2.7,<3' 'cyclonedx-bom>=6,<8'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

# torch and torchvision are chosen together, so that their builds match; pip then leaves them alone.
$(VENV)/.torch: requirements.txt | $(BIN)/python
	grep '^torch' requirements.txt > $(VENV)/torch.txt
	$(if $(TORCH_INDEX),@echo "PyTorch from $(TORCH_INDEX); make TORCH_INDEX= takes PyPI's")
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install -qq --retries 1 --extra-index-url $(TORCH_INDEX) $(PINNED) -r $(VENV)/torch.txt)
	touch $@

$(VENV)/.demo: requirements.txt pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install --quiet $(PINNED) -e '.[demo]'
	touch $@

$(VENV)/.dev: requirements.txt pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install --quiet $(PINNED) -e '.[demo,train,dev]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) out dist build symgan.egg-info .pytest_cache .ruff_cache
