# Latent Bits: the few commands that people use. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run studies test test-all test-browser lab sync lint sweep readme address site bench clean
.DELETE_ON_ERROR:

PYTHON ?= python3
INSTALLED := .venv/.installed
VENV := .venv/bin/python
AS_ROOT = $$([ "$$(id -u)" = 0 ] || echo sudo)
CODE := helpers tools tests notebooks_py benchmarks
# The kernel called python3 is the one of this environment, whatever else is installed.
export JUPYTER_PREFER_ENV_PATH := 1
# Two at a time: each computes on several cores.
TESTS = $(VENV) -m pytest -n 2 --durations=15

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: $(INSTALLED) ## execute notebooks 01 to 04 and show the headline results
	@$(VENV) -m tools.commands run

studies: $(INSTALLED) ## execute the studies 05 to 07 on their own data (trains: half an hour)
	@$(VENV) -m tools.commands run 05 06 07

test: $(INSTALLED) ## unit tests, pairs in sync, README numbers, all notebooks, shortened (minutes)
	@$(TESTS) --dist loadfile --no-loadscope-reorder -m "not slow" \
	  --nbmake $(sort $(wildcard notebooks/*.ipynb)) tests

test-all: $(INSTALLED) ## the slow tests: tree mode, key reuse, a fresh clone
	@$(TESTS) --dist loadgroup -m slow tests

test-browser: $(INSTALLED) ## the notebooks in JupyterLab, in a headless Chromium (minutes)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { echo "Installing Chromium (details in .venv/install.log)"; \
	  { $(AS_ROOT) apt-get update && $(AS_ROOT) apt-get install -y chromium; } \
	  >>.venv/install.log 2>&1; } || \
	  $(call stop,There is no Chromium and apt-get could not install it: install Chromium \
	  or Google Chrome and try again; details in .venv/install.log.)
	@$(VENV) -m pip install -r tests/browser/requirements.txt >>.venv/install.log 2>&1 || \
	  $(call stop,Installing Playwright failed: check the network and try again; \
	  details in .venv/install.log.)
	@$(VENV) -m pytest tests/browser

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	@$(VENV) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks

sync: $(INSTALLED) ## carry notebooks_py/*.py over to notebooks/*.ipynb (FORCE=1: over edits there)
	@$(VENV) -m tools.commands sync $(if $(FORCE),--force)

lint: $(INSTALLED) ## check the code with ruff
	@$(VENV) -m ruff check $(CODE)
	@$(VENV) -m ruff format --check $(CODE)

sweep: $(INSTALLED) ## seeds, plane, limit, CNN: what the notebooks only read (hours; resumes)
	@$(VENV) -m tools.commands sweep

readme: $(INSTALLED) ## put the numbers of figures/*.json into README.md
	@$(VENV) -m tools.commands readme

address: $(INSTALLED) ## REPO=owner/name: the address in badges and set-up cells
	@$(VENV) -m tools.commands address "$(REPO)"

site: $(INSTALLED) ## build site/: the notebooks as pages, and an explorer without a kernel
	@$(VENV) -m tools.commands site

bench: $(INSTALLED) ## speed and growth, with PyTorch beside it (half an hour; ONLY="throughput")
	@echo "Installing PyTorch into .venv-bench (5 GB; details in .venv/install.log)"
	@{ $(PYTHON) -m venv .venv-bench && .venv-bench/bin/python -m pip install \
	  -r requirements.txt -r benchmarks/requirements.txt; } >>.venv/install.log 2>&1 || \
	  $(call stop,Installing PyTorch failed: check the network and the disk and try again; \
	  details in .venv/install.log.)
	@.venv-bench/bin/python benchmarks/bench.py $(ONLY)
	@$(VENV) -m tools.commands readme

clean: ## remove .venv, site, caches and whatever was generated or downloaded into data/
	@rm -rf .venv .venv-bench site .pytest_cache .ruff_cache .hypothesis tests/browser/screenshots
	@find helpers tools tests notebooks notebooks_py -depth \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
	@find data -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# Stop with one line that says what to do.
define stop
{ echo "$(1)" >&2; exit 1; }
endef

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  $(call stop,Latent Bits needs Python 3.11 or newer and $(PYTHON) is not one: \
	  install it or name it as in: make PYTHON=python3.13 $(or $(MAKECMDGOALS),run))
	@mkdir -p .venv 2>/dev/null && cp /dev/null .venv/install.log 2>/dev/null || \
	  $(call stop,Cannot write to $(CURDIR)/.venv: make this folder writable or clone elsewhere.)
	@echo "Installing the packages into .venv (some minutes; details in .venv/install.log)"
	@$(PYTHON) -m venv .venv >>.venv/install.log 2>&1 || \
	  $(call stop,Cannot create .venv: on Debian or Ubuntu install python3-venv; \
	  details in .venv/install.log.)
	@$(VENV) -m pip install -r requirements.txt >>.venv/install.log 2>&1 || \
	  $(call stop,Installing the packages failed: check the network and the disk and try again; \
	  details in .venv/install.log.)
	@touch $@
