# m3i_mm: one command to install and pre-train, one to test.
#
#   make demo              pre-train on data/emoji, evaluate, draw (10 min)
#   make demo-downstream   fine-tune a detector and a segmentor on it
#   make test              the tests
#   make test-openmmlab    those for the original OpenMMLab releases
#   make test-deepspeed    those with DeepSpeed
#   make test-calibration  those that compare with lightly
#   make test-oldest       those of ops, weights and models on the oldest torch
#   make lint              ruff and mypy
#   make docs              the documentation site, in docs/_build
#
# VENV=DIR puts the environment elsewhere, PYTHON=python3.12 picks another
# interpreter (3.10 or newer).

VENV ?= .venv
OPENMMLAB_VENV ?= .venv-openmmlab
PYTHON ?= python3
DEMO_DIR ?= work_dirs/demo
PYTEST ?= -q -n 2 --dist loadfile

PACKAGING := setup.cfg setup.py pyproject.toml
export OMP_NUM_THREADS ?= $(shell nproc)

.PHONY: help env demo demo-downstream test lint test-deepspeed \
  test-calibration test-oldest test-openmmlab docs clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -14

# $(call install,VENV,LINE): MMCV is built in isolation and never taken from
# pip's cache, which may hold one compiled against another torch. Headless
# OpenCV comes last and overwrites the build that needs libGL.
define install
	@$(PYTHON) -c 'import sys, venv; assert sys.version_info >= (3, 10)' || \
	  { echo 'Python 3.10 or newer with venv is needed: PYTHON=...'; exit 1; }
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
	$(1)/bin/pip install --quiet --upgrade 'pip>=24'
	$(1)/bin/pip install --quiet -r requirements/$(2).txt \
	  -r requirements/dev.txt
	$(1)/bin/pip install --quiet --no-cache-dir --no-deps \
	  -r requirements/$(2)-mmcv.txt
	$(1)/bin/pip install --quiet --no-deps --force-reinstall \
	  opencv-python-headless==4.12.0.88
	$(1)/bin/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $(1)/.complete
endef

env: $(VENV)/.complete

$(VENV)/.complete: $(wildcard requirements/*.txt) $(PACKAGING)
	$(call install,$(VENV),onedl)

$(OPENMMLAB_VENV)/.complete: $(wildcard requirements/*.txt) $(PACKAGING)
	$(call install,$(OPENMMLAB_VENV),openmmlab)

demo: env
	$(VENV)/bin/python projects/emoji/demo.py --work-dir $(DEMO_DIR)

demo-downstream: env
	$(VENV)/bin/python projects/emoji/demo_downstream.py \
	  --work-dir $(DEMO_DIR)-downstream --pretrained $(DEMO_DIR)

test: env
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest $(PYTEST) tests

lint: env
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

$(VENV)/deepspeed/.complete: $(VENV)/.complete requirements/deepspeed.txt
	rm -rf $(VENV)/deepspeed
	DS_BUILD_OPS=0 $(VENV)/bin/pip install --quiet --no-deps \
	  --no-build-isolation --target $(VENV)/deepspeed \
	  -r requirements/deepspeed.txt
	@touch $@

test-deepspeed: $(VENV)/deepspeed/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=$(VENV)/deepspeed \
	  $(VENV)/bin/python -m pytest $(PYTEST) -m deepspeed \
	  tests/test_engine/test_large_batch.py

$(VENV)/calibration/.complete: $(VENV)/.complete requirements/calibration.txt
	rm -rf $(VENV)/calibration
	$(VENV)/bin/pip install --quiet --no-deps \
	  -r requirements/calibration.txt --target $(VENV)/calibration
	@touch $@

test-calibration: $(VENV)/calibration/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=$(VENV)/calibration \
	  $(VENV)/bin/python -m pytest $(PYTEST) -m calibration \
	  tests/test_models/test_pretrainers/test_lightly.py \
	  tests/test_projects/test_calibrate.py

$(VENV)/oldest/.complete: $(VENV)/.complete requirements/oldest.txt
	rm -rf $(VENV)/oldest
	$(VENV)/bin/pip install --quiet --target $(VENV)/oldest \
	  -r requirements/oldest.txt
	@touch $@

test-oldest: $(VENV)/oldest/.complete
	OMP_NUM_THREADS=1 PYTHONPATH=$(VENV)/oldest \
	  $(VENV)/bin/python -m pytest $(PYTEST) tests/test_ops \
	  tests/test_checkpoints tests/test_engine tests/test_models/test_pretrainers

test-openmmlab: $(OPENMMLAB_VENV)/.complete
	OMP_NUM_THREADS=1 $(OPENMMLAB_VENV)/bin/python -m pytest $(PYTEST) \
	  -m openmmlab tests

$(VENV)/.docs: $(VENV)/.complete requirements/docs.txt
	$(VENV)/bin/pip install --quiet -r requirements/docs.txt
	@touch $@

# a warning is an error: a link that leads nowhere, a docstring that breaks
docs: $(VENV)/.docs
	$(VENV)/bin/sphinx-build -q -W --keep-going -b html -c docs . docs/_build

clean:
	rm -rf $(VENV) $(OPENMMLAB_VENV) build dist *.egg-info
