# `make tutorial` and `make test` work on a bare machine with Python 3.11 to 3.13.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: tutorial test data notebooks results lab lint clean
.DEFAULT_GOAL := tutorial

tutorial: $(READY)  ## run the series on few images, and keep it as HTML
	@$(BIN)/python notebooks/execute.py --profile smoke --output build

test: $(READY) lint  ## unit tests, doctests, then every notebook under nbval
	@$(BIN)/pytest --numprocesses 2
	@$(BIN)/python notebooks/execute.py --check

data: $(READY)  ## fetch CIFAR-10, unless it is here
	@$(BIN)/python -m cifar_utils data

notebooks: $(READY)  ## run the series in full, in place (80 minutes on two cores)
	@$(BIN)/python notebooks/execute.py --profile full

results: $(READY)  ## render the README's tables and figures/ from the ledger
	@$(BIN)/python -m cifar_utils results

lab: $(READY)
	@$(BIN)/jupyter lab notebooks

lint: $(READY)
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

clean:  ## leaves build/runs, where unfinished trainings are kept
	rm -rf .venv $(filter-out build/runs,$(wildcard build/*))

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	  sys.exit(None if (3, 11) <= v < (3, 14) else \
	  f"Expected Python 3.11 to 3.13. Received: Python {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 …")'
	@echo "Setting up .venv: TensorFlow and JupyterLab, about 1 GB to fetch. This takes some minutes."
	@$(PYTHON) -m venv .venv || { echo "Expected a Python with the modules venv and ensurepip; Debian and Ubuntu have them in the package python3-venv."; exit 1; }
	@$(BIN)/pip install --quiet --editable '.[notebooks,test]'
	@touch $@
