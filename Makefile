# The study's commands; `make` alone lists them. Each sets up .venv first, can be run twice, and leaves the checkout clean
# (results go to data/out/, which git ignores) - except `make refresh`, which renews what is committed.

PYTHON ?= python3.11
PROFILE ?= laptop
PY := .venv/bin/python
PROMPT := --ServerApp.kernel_websocket_connection_class=mvae_lib.widgets.prompt.Prompt
IS_311 := import sys; sys.exit(sys.version_info[:2] != (3, 11))

.DEFAULT_GOAL := help
.PHONY: help study test lab app data figures bench refresh

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: .venv/.stamp ## run every notebook, in order, into data/out/ (PROFILE=smoke, laptop or full; laptop unless told)
	@echo "study: running the notebooks, profile $(PROFILE)"
	@$(PY) notebooks/run.py --profile $(PROFILE)

test: .venv/.stamp ## lint, types, and every test
	@echo "test: ruff"
	@$(PY) -m ruff check
	@echo "test: pyright"
	@$(PY) -m pyright --pythonpath $(PY)
	@echo "test: pytest"
	@$(PY) -m pytest -q

lab: .venv/.stamp ## open JupyterLab on the first notebook
	@echo "lab: opening JupyterLab (Ctrl-C here ends it)"
	@$(PY) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(PROMPT) notebooks/00_environment_and_data.ipynb

app: .venv/.stamp ## open the page on this machine alone: the explorer, and a place to draw and to speak
	@echo "app: serving the page (Ctrl-C here ends it)"
	@cd notebooks/page && JUPYTER_PATH="$(CURDIR)/notebooks/page:$(CURDIR)/.venv/share/jupyter" $(CURDIR)/$(PY) -m voila explorer.ipynb

data: .venv/.stamp ## get the public data files and prepare the arrays of both presets
	@echo "data: looking for the public files"
	@$(PY) -m mvae_lib.data

figures: .venv/.stamp ## redraw every figure from saved results into data/out/, no training
	@echo "figures: redrawing from saved results"
	@$(PY) -m mvae_lib.figures.redraw

bench: .venv/.stamp $(if $(PEERS),bench/.venv/.stamp) ## time everything against the plain way and the floor (PEERS=1: and MultiVae; BROWSER=1: the explorer's latency instead)
	@$(PY) -m bench.run $(if $(PEERS),--peers) $(if $(BROWSER),--browser)

refresh: .venv/.stamp ## renew the committed notebooks and figures (real data only)
	@echo "refresh: running the notebooks and renewing notebooks/ and figures/"
	@$(PY) notebooks/run.py --refresh

# The environment: Python 3.11, the lock's exact pins, and the study itself, editable.
.venv/.stamp: requirements.lock pyproject.toml
	@if ! $(PY) -c '$(IS_311)' 2>/dev/null; then \
	    for py in $(PYTHON) python3 ''; do \
	        [ -n "$$py" ] && "$$py" -c '$(IS_311)' 2>/dev/null && break; \
	    done; \
	    [ -n "$$py" ] || { echo "This study needs Python 3.11; neither '$(PYTHON)' nor 'python3' is that." \
	        "Install it, or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	    echo "setup: making .venv with $$py"; \
	    "$$py" -m venv --clear .venv; \
	fi
	@echo "setup: installing the pinned packages into .venv (a minute or two, and more on a slow line)"
	@$(PY) -m pip install -qq --disable-pip-version-check -r requirements.lock
	@$(PY) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The peers' own environment: the lock's pins, and MultiVae beside them; nothing of it reaches .venv.
bench/.venv/.stamp: .venv/.stamp bench/requirements.txt
	@echo "setup: installing MultiVae into bench/.venv"
	@$(PY) -m venv --clear bench/.venv
	@bench/.venv/bin/python -m pip install -qq --disable-pip-version-check -r requirements.lock
	@bench/.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps -r bench/requirements.txt
	@bench/.venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
