# Latent Bits: the few commands that people use. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help run studies test test-all test-colab test-browser lab sync lint sweep readme
.PHONY: address site bench pins clean
.DELETE_ON_ERROR:

PYTHON ?= python3
# The folder of the packages, and what is installed into it: `make test-colab` names others.
PACKAGES := .venv
REQUIREMENTS := requirements.txt
INSTALLED := $(PACKAGES)/.installed
VENV := $(PACKAGES)/bin/python
LOG := $(PACKAGES)/install.log
AS_ROOT = $$([ "$$(id -u)" = 0 ] || echo sudo)
CODE := helpers tools tests notebooks_py benchmarks
# The kernel called python3 is the one of this environment, whatever else is installed.
export JUPYTER_PREFER_ENV_PATH := 1
# Two at a time: each computes on several cores, but for NumPy, whose threads wait busily.
TESTS = OPENBLAS_NUM_THREADS=1 $(VENV) -m pytest -n 2 --durations=15

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

run: $(INSTALLED) ## execute the walk, two notebooks at a time (TIMES=1: record times)
	@$(VENV) -m tools.commands run $(if $(TIMES),--times)

studies: $(INSTALLED) ## execute the studies, the account of real images too (trains: half an hour)
	@$(VENV) -m tools.commands run studies $(if $(TIMES),--times)

test: $(INSTALLED) ## unit tests, pairs in sync, README numbers, all notebooks, shortened (minutes)
	@$(TESTS) --dist loadfile --no-loadscope-reorder -m "not slow" \
	  --nbmake $(sort $(wildcard notebooks/*.ipynb)) tests

test-all: $(INSTALLED) ## the slow tests: tree mode, key reuse, a fresh clone
	@$(TESTS) --dist loadgroup -m slow tests

test-colab: ## the tests with the versions of Colab, in .venv-colab (minutes)
	@$(MAKE) test PACKAGES=.venv-colab REQUIREMENTS=tests/colab-requirements.txt

test-browser: $(INSTALLED) ## the notebooks in JupyterLab, in a headless Chromium (minutes)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { echo "Installing Chromium (details in $(LOG))"; \
	  { $(AS_ROOT) apt-get update && $(AS_ROOT) apt-get install -y chromium; } \
	  >>$(LOG) 2>&1; } || \
	  $(call stop,There is no Chromium and apt-get could not install it: install Chromium \
	  or Google Chrome and try again; details in $(LOG).)
	@$(VENV) -m pip install -r tests/browser/requirements.txt >>$(LOG) 2>&1 || \
	  $(call stop,Installing Playwright failed: check the network and try again; \
	  details in $(LOG).)
	@$(VENV) -m pytest tests/browser

lab: $(INSTALLED) ## open the notebooks in JupyterLab
	@$(VENV) -m jupyterlab --ServerApp.root_dir="$(CURDIR)" --LabApp.default_url=/lab/tree/notebooks

sync: $(INSTALLED) ## carry notebooks_py/*.py over to notebooks/*.ipynb (FORCE=1: over edits there)
	@$(VENV) -m tools.commands sync $(if $(FORCE),--force)

lint: $(INSTALLED) ## check the code with ruff
	@$(VENV) -m ruff check $(CODE)
	@$(VENV) -m ruff format --check $(CODE)

sweep: $(INSTALLED) ## seeds, plane, limit, CNN, clothes: what the notebooks only read (hours; resumes)
	@$(VENV) -m tools.commands sweep

readme: $(INSTALLED) ## put the numbers of figures/*.json into the README files
	@$(VENV) -m tools.commands readme

address: $(INSTALLED) ## REPO=owner/name: the address in badges and set-up cells
	@$(VENV) -m tools.commands address "$(REPO)"

site: $(INSTALLED) ## build site/: the notebooks as pages, and an explorer without a kernel
	@$(VENV) -m tools.commands site

bench: $(INSTALLED) ## speed and growth, with PyTorch beside it (half an hour; ONLY="throughput")
	@echo "Installing PyTorch into .venv-bench (5 GB; details in $(LOG))"
	@{ $(PYTHON) -m venv .venv-bench && .venv-bench/bin/python -m pip install \
	  -r requirements.txt -r benchmarks/requirements.txt; } >>$(LOG) 2>&1 || \
	  $(call stop,Installing PyTorch failed: check the network and the disk and try again; \
	  details in $(LOG).)
	@.venv-bench/bin/python benchmarks/bench.py $(ONLY)
	@$(VENV) -m tools.commands readme

pins: $(INSTALLED) ## in requirements.txt, refresh the versions below the line
	@$(VENV) -m pip install uv >>$(LOG) 2>&1 || \
	  $(call stop,Installing uv failed: check the network and try again; details in $(LOG).)
	@sed '/^# ---/q' requirements.txt >$(PACKAGES)/above
	@sed -n 's/^\([^ #=]*\)==.*/--no-emit-package \1/p' $(PACKAGES)/above | \
	  xargs $(VENV) -m uv pip compile --quiet --universal --python-version 3.11 --no-header \
	  --no-annotate $(PACKAGES)/above >$(PACKAGES)/below
	@cat $(PACKAGES)/above $(PACKAGES)/below >requirements.txt

clean: ## remove .venv, site, caches and whatever was generated or downloaded into data/
	@rm -rf .venv .venv-bench .venv-colab site tests/browser/screenshots
	@rm -rf .pytest_cache .ruff_cache .hypothesis
	@find helpers tools tests notebooks notebooks_py -depth \
	  \( -name __pycache__ -o -name .ipynb_checkpoints \) -exec rm -rf {} +
	@find data -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# Stop with one line that says what to do.
define stop
{ echo "$(1)" >&2; exit 1; }
endef

$(INSTALLED): $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  $(call stop,Latent Bits needs Python 3.11 or newer and $(PYTHON) is not one: \
	  install it or name it as in: make PYTHON=python3.13 $(or $(MAKECMDGOALS),run))
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	  $(call stop,$(PYTHON) cannot set up an environment: on Debian or Ubuntu install python3-venv.)
	@[ ! -L $(PACKAGES) ] || \
	  $(call stop,$(PACKAGES) is a link and Python sets up no environment behind one: \
	  remove the link and try again.)
	@mkdir -p $(PACKAGES) 2>/dev/null && cp /dev/null $(LOG) 2>/dev/null || \
	  $(call stop,Cannot write to $(CURDIR)/$(PACKAGES): make this folder writable or clone elsewhere.)
	@echo "Installing the packages into $(PACKAGES) (some minutes; details in $(LOG))"
	@$(PYTHON) -m venv $(PACKAGES) >>$(LOG) 2>&1 || \
	  $(call stop,Cannot create $(PACKAGES): remove what is there and try again; details in $(LOG).)
	@$(VENV) -m pip --version >>$(LOG) 2>&1 || \
	  $(call stop,$(PACKAGES) has no pip: remove $(PACKAGES) and try again; details in $(LOG).)
	@$(VENV) -m pip install -r $(REQUIREMENTS) >>$(LOG) 2>&1 || \
	  $(call stop,Installing the packages failed: check the network and the disk and try again; \
	  details in $(LOG).)
	@touch $@
