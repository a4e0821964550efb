# Everything runs in .venv, which is made on first use.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/.installed

KILLS ?= 200

# glibc keeps the memory that a training step frees for the next one, in huge
# pages (docs/performance.md).
export GLIBC_TUNABLES ?= glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864

.PHONY: demo reproduce install test test-all faults plans docs lint format clean

demo: $(INSTALLED)  ## train a VAE/GAN on the embedded faces, and report
	$(BIN)/python -m experiments.train \
	  --config=experiments/configs/demo.py --workdir=runs/demo

reproduce: $(INSTALLED)  ## compare the paper's four models on the faces
	$(BIN)/python -m experiments.reproduce \
	  --config=experiments/configs/reproduce_faces.py --workdir=runs/reproduce

install: $(INSTALLED)

$(INSTALLED): requirements.txt setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

test: $(INSTALLED)  ## the fast tests: what every change must pass
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow and not shared and not faults and not tpu'

test-all: $(INSTALLED)  ## the slow tests too, and those on real data
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not faults and not tpu'

faults: $(INSTALLED)  ## kill runs and fill disks; KILLS=200 takes half an hour
	KILLS=$(KILLS) $(BIN)/python -m pytest -s -m faults

plans: $(INSTALLED)  ## compile for TPUs, without a TPU
	$(BIN)/python -m pip install --quiet --editable '.[tpu-plan]'
	$(BIN)/python -m pytest -m tpu

docs: .venv/.docs  ## the site, in build/site/index.html; the tutorial runs
	$(BIN)/python -m sphinx -W --keep-going -q -E docs build/site

.venv/.docs: $(INSTALLED) docs/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement docs/requirements.txt
	touch $@

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/shellcheck .ci/run experiments/cluster/*.sh

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build *.egg-info
