# The front door. `make` alone says what there is.
PROFILE ?= auto
RUN ?=
MANIFEST ?=
PY := .venv/bin/python
export NO_ALBUMENTATIONS_UPDATE := 1
export SM_FRAMEWORK := tf.keras
export TF_CPP_MIN_LOG_LEVEL := 3

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test test-slow lint analysis clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo "  PROFILE=auto|smoke|cpu|gpu|paper   how large (auto: gpu with 10 GB of GPU memory or more, else cpu)"
	@echo "  RUN=runs/NAME                      where the run is kept (default: runs/ and the profile's name)"
	@echo "  MANIFEST=FOLDER                    your own data instead of the virtual cohort"

setup:  ## .venv, R and its packages; nothing to do when nothing changed
	@sh experiments/setup.sh

reproduce: setup  ## the main job: data, training, results, report
	@$(PY) experiments/reproduce.py --profile $(PROFILE) $(if $(RUN),--run "$(RUN)") $(if $(MANIFEST),--manifest "$(MANIFEST)") $(if $(FORCE),--force)

test: setup  ## fast tests, Python and R, with the smoke workflow
	$(PY) -m pytest -m "not slow" -n auto --maxprocesses 4 --dist loadfile
	Rscript r_analysis/tests/testthat.R

test-slow: setup  ## the slow tests
	$(PY) -m pytest -m "slow and not alone" -n 2 --dist loadfile
	$(PY) -m pytest -m "slow and alone"

lint: setup  ## flake8, isort, mypy, lintr
	$(PY) -m flake8 lirads_keras experiments tests
	$(PY) -m isort --check-only --quiet lirads_keras experiments tests
	$(PY) -m mypy lirads_keras experiments
	Rscript r_analysis/lint.R

analysis:  ## the R analysis alone, of RUN=runs/NAME or of the reference results; needs no Python
	Rscript r_analysis/run.R --results "$(if $(RUN),$(RUN)/results,r_analysis/reference)" --out "$(if $(RUN),$(RUN)/report,runs/reference-report)"

clean:  ## removes .venv and caches; keeps runs/ and data/
	rm -rf .venv .mypy_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
