# `make tutorial` and `make test` work on a bare machine with Python 3.11 to 3.13.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell command -v $(name))))
BIN := .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := .venv/.ready
LANES := lane-colab lane-jax lane-lowest lane-newest
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: $(LANES) help tutorial test data notebooks results repository version lab demo site browser lint clean
.DEFAULT_GOAL := tutorial

help:  ## this list
	@awk -F ':.*  ## ' '/^[a-z$$][^=]*:.*  ## / { sub(/\$$\(LANES\)/, "lane-NAME", $$1); printf "make %-11s %s\n", $$1, $$2 }' Makefile

tutorial: $(READY)  ## run the series on few images, and keep it as HTML
	@$(BIN)/python notebooks/execute.py --profile smoke --output build

test: $(READY) lint  ## run unit tests and doctests, then every notebook under nbval
	@$(BIN)/pytest --numprocesses 2 --dist loadgroup --durations 10
	@$(BIN)/python notebooks/execute.py --check

$(LANES):  ## as users come: lane-colab, lane-jax, lane-lowest, lane-newest (PRE=1: pre-releases, too)
	@.ci/lane $(@:lane-%=%)

data: $(READY)  ## fetch CIFAR-10, unless it is here
	@$(BIN)/python -m cifar_utils data

notebooks: $(READY)  ## run the series in full, in place (more than an hour on two cores)
	@$(BIN)/python notebooks/execute.py --profile full

results: $(READY)  ## render the ledger's tables and figures/ from its records
	@$(BIN)/python -m cifar_utils results

repository:  ## URL=https://github.com/you/yours: change the address, wherever it stands
	@$(PYTHON) .ci/repository "$(URL)"

version:  ## VERSION=0.3.0: change the version, wherever it stands
	@$(PYTHON) .ci/version "$(VERSION)"

lab: $(READY)  ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab notebooks

demo: .venv/.demo  ## open a page on which photographs can be dropped
	@$(BIN)/python -m cifar_utils demo

site: .venv/.book  ## make the book, of notebooks, results and reference, in build/site
	@$(BIN)/python docs/build.py

browser: .venv/.browser  ## try the demo and JupyterLab in headless Chromium; screenshots in build/
	@$(BIN)/pytest --durations 0 tests/browser

lint: $(READY)  ## check the style of the code, a part of make test
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

clean:  ## remove .venv and build, but for unfinished trainings (build/runs)
	rm -rf .venv
	[ ! -d build ] || find build -mindepth 1 -maxdepth 1 ! -name runs -exec rm -rf {} +

# An environment whose Python is gone is made anew.
ifneq ($(shell $(BIN)/python -c 'print(1)' 2>/dev/null),1)
$(shell rm -f $(READY))
endif

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	  sys.exit(None if (3, 11) <= v < (3, 14) else \
	  f"Expected Python 3.11 to 3.13. Received: Python {v[0]}.{v[1]}. Name another: make PYTHON=python3.12 …")'
	@echo "Setting up .venv: TensorFlow and JupyterLab, about 1 GB to fetch. This takes some minutes."
	@$(BIN)/pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { echo "Expected a Python with the modules venv and ensurepip; Debian and Ubuntu have them in the package python3-venv."; exit 1; }
	@if $(BIN)/pip install --quiet --editable '.[notebooks,test]'; then touch $@; \
	else [ -e $@ ] && echo "Going on with the packages of before."; fi

# What only some targets need.
.venv/.book .venv/.demo .venv/.browser: .venv/.%: $(READY)
	@$(BIN)/pip install --quiet --editable '.[$*]' && touch $@
