# The study's commands; `make` alone lists them. Each sets up .venv first, can be run twice, and leaves the checkout clean
# (results go to data/out/, which git ignores) - except `make refresh`, which renews what is committed.

PYTHON ?= python3.11
PROFILE ?= laptop
PY := .venv/bin/python
NEWEST := .venv-newest/bin/python
CONNECTION := --ServerApp.kernel_websocket_connection_class=study.app.server.NoDelayConnection
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
SHARED_CORES := OMP_NUM_THREADS=1
PIP := -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help study test test-newest lab app page data figures bench soak refresh

help:
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s  %s\n", $$1, $$2}' $(MAKEFILE_LIST)

study: .venv/.stamp ## run every notebook, in order, into data/out/ (PROFILE=smoke, laptop or full; laptop unless told)
	@echo "study: running the notebooks, profile $(PROFILE)"
	@$(PY) notebooks/run.py --profile $(PROFILE)

test: .venv/.stamp ## lint, types, and every test
	@echo "test: ruff"
	@$(PY) -m ruff check
	@echo "test: pyright"
	@$(PY) -m pyright --pythonpath $(PY)
	@echo "test: pytest, in two processes of one thread each"
	@$(SHARED_CORES) $(PY) -m pytest -q -n 2 --dist loadscope --durations=10

test-newest: .venv-newest/.stamp ## the tests that need no browser, on the newest Python here and the newest versions of everything
	@$(NEWEST) -c 'import platform, torch; print("test: Python", platform.python_version() + ", torch", torch.__version__)'
	@$(SHARED_CORES) $(NEWEST) -m pytest -q -n 2 --dist loadscope --durations=10 --ignore tests/test_browser.py --ignore tests/test_page.py

lab: .venv/.stamp ## open JupyterLab on the first notebook
	@echo "lab: opening JupyterLab (Ctrl-C here ends it)"
	@$(PY) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) $(CONNECTION) notebooks/00_environment_and_data.ipynb

app: .venv/.stamp ## open the page on this machine alone: the explorer, and a place to draw and to speak
	@echo "app: serving the page (Ctrl-C here ends it)"
	@cd notebooks/page && JUPYTER_PATH="$(CURDIR)/notebooks/page:$(CURDIR)/.venv/share/jupyter" "$(CURDIR)/$(PY)" -m voila explorer.ipynb

page: .venv/.stamp ## write the page that needs no server: one HTML file, docs/index.html (or PAGE=where)
	@echo "page: writing it from the shipped weights"
	@$(PY) -m study.page $(PAGE)

data: .venv/.stamp ## get the public data files and prepare the arrays of both presets
	@echo "data: looking for the public files"
	@$(PY) -m mvae_lib.data

figures: .venv/.stamp ## redraw every figure from saved results into data/out/, no training
	@echo "figures: redrawing from saved results"
	@$(PY) -m study.plots

bench: .venv/.stamp $(if $(PEERS),bench/.venv/.stamp) ## time everything against the plain way and the floor (PEERS=1: and MultiVae; instead, BROWSER=1: the explorer's latency, and the static page's, BUSY=1: beside other work)
	@$(PY) -m bench.run $(if $(PEERS),--peers) $(if $(BROWSER),--browser) $(if $(BUSY),--busy)

soak: .venv/.stamp ## try hard what the study promises, for twenty minutes: broken files, kills, moves, two studies in a row
	@$(PY) -m bench.soak

refresh: .venv/.stamp ## renew the committed notebooks and figures (real data only)
	@echo "refresh: running the notebooks and renewing notebooks/ and figures/"
	@$(PY) notebooks/run.py --refresh

# The environment: a Python of 3.11 or later, the lock's exact pins, and the study itself, editable.
.venv/.stamp: requirements.lock pyproject.toml
	@if ! $(PY) -c '$(NEW_ENOUGH)' 2>/dev/null; then \
	    for py in "$(PYTHON)" python3 python3.13 python3.12 ''; do \
	        [ -n "$$py" ] && "$$py" -c '$(NEW_ENOUGH)' 2>/dev/null && break; \
	    done; \
	    [ -n "$$py" ] || { echo "This study needs Python 3.11 or later; neither '$(PYTHON)' nor 'python3' is that." \
	        "Install it, or say where it is: make PYTHON=/path/to/python3.11" >&2; exit 1; }; \
	    echo "setup: making .venv with $$py"; \
	    "$$py" -m venv --clear .venv; \
	fi
	@echo "setup: installing the pinned packages into .venv (a minute or two, and more on a slow line)"
	@$(PY) $(PIP) -r requirements.lock
	@$(PY) $(PIP) --no-deps --no-build-isolation -e .
	@touch $@

# A second one: the newest Python here (of pyenv's too), and the newest version of everything that pyproject.toml allows.
.venv-newest/.stamp: pyproject.toml
	@for py in python3 python3.11 python3.12 python3.13 python3.14 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.*/bin/python; do \
	    "$$py" -c '$(NEW_ENOUGH)' 2>/dev/null && "$$py" -c 'import sys; print(sys.version_info[1], sys.executable)'; \
	done | sort -n | tail -1 | cut -d ' ' -f 2- | { read -r py; \
	    [ -n "$$py" ] || { echo "There is no Python of 3.11 or later here." >&2; exit 1; }; \
	    echo "setup: making .venv-newest with $$py"; \
	    "$$py" -m venv --clear .venv-newest; }
	@echo "setup: installing the newest packages into .venv-newest (some gigabytes, where torch comes with CUDA)"
	@$(NEWEST) $(PIP) --upgrade setuptools
	@$(NEWEST) $(PIP) --upgrade --upgrade-strategy eager --no-build-isolation -e '.[study,test]'
	@touch $@

# The peers' own environment: the lock's pins, and MultiVae beside them; nothing of it reaches .venv.
bench/.venv/.stamp: .venv/.stamp bench/requirements.txt
	@echo "setup: installing MultiVae into bench/.venv"
	@$(PY) -m venv --clear bench/.venv
	@bench/.venv/bin/python $(PIP) -r requirements.lock
	@bench/.venv/bin/python $(PIP) --no-deps -r bench/requirements.txt
	@bench/.venv/bin/python $(PIP) --no-deps --no-build-isolation -e .
	@touch $@
