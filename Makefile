# Two commands on a machine with nothing but Python 3.11 (or newer) and pip:
#   make demo    set up .venv, then go from real PBMC data to labelled cells and ranked genes
#   make test    set up .venv with the test tools, then run every check
# And one for the documentation:
#   make docs    set up .venv with Sphinx, then write docs/_build/html/index.html; warnings are errors
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP = .venv/bin/python -m pip --disable-pip-version-check

.PHONY: demo test docs clean

demo: .venv/.demo
	.venv/bin/sctabnet demo

test: .venv/.dev
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy
	OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1 .venv/bin/python -m pytest -q -n 2

docs: .venv/.docs
	.venv/bin/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "wrote docs/_build/html/index.html"

# A stamp file each, so that set-up is done once and again only when pyproject.toml changes.
# torch comes first and exactly: what follows finds it installed and fetches no other build of it.
.venv/.torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sctabnet needs Python 3.11 or newer; pass one with PYTHON=...")'
	@echo "Setting up .venv (once; a few minutes) ..."
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet torch==2.13.0
	@touch $@

.venv/.demo: .venv/.torch pyproject.toml
	$(PIP) install --quiet --editable .
	@touch $@

.venv/.dev: .venv/.torch pyproject.toml
	$(PIP) install --quiet --editable '.[dev]'
	@touch .venv/.demo $@

.venv/.docs: .venv/.torch pyproject.toml
	$(PIP) install --quiet --editable '.[docs]'
	@touch .venv/.demo $@

clean:
	rm -rf .venv demo runs docs/_build docs/api/generated docs/tutorials/*.ipynb .mypy_cache .ruff_cache .pytest_cache .hypothesis
