# Everything but the interpreters is set up from here. REQUIRE=--require fails where a Python is missing.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
PYTHON ?= python3
ENVIRONMENTS := $(PYTHON) tests/environments.py
GENERATIONS := dk22 dk25 dk50 dk53 dk54 dk53lite dk54lite
UNIT := py36 py313
REQUIRE ?=

.PHONY: test check demo bench quality docs generations matrix containers clean

test:
	@echo "test: the tests, with the donkeycar that the Python here can run"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) --require $$name
	$(ENVIRONMENTS) $(REQUIRE) aws
	.environments/$$name/bin/pytest tests -m "not generations and not containers"

check:
	@echo "check: ruff, mypy and hadolint"
	$(ENVIRONMENTS) --require check
	.environments/check/bin/ruff check .
	.environments/check/bin/ruff format --check .
	.environments/check/bin/mypy
	.environments/check/bin/hadolint --trusted-registry docker.io container/Dockerfile

demo:
	@echo "demo: a car, a tub, a training job, and its model driving laps"
	$(PYTHON) demo/run.py

bench:
	@echo "bench: the measurements"
	$(PYTHON) benchmarks/run.py

quality:
	@echo "quality: models of every type drive the demo's track"
	$(PYTHON) benchmarks/quality.py

docs:
	@echo "docs: the reference and the table of costs, from the program"
	$(PYTHON) docs/make_reference.py
	$(PYTHON) docs/make_cost.py

generations:
	@echo "generations: the tests with every generation of donkeycar and of Python"
	$(ENVIRONMENTS) $(REQUIRE) aws stock $(UNIT) $(GENERATIONS)
	for name in $(UNIT); do
		[ ! -e .environments/$$name ] || .environments/$$name/bin/pytest tests -m "not generations and not containers"
	done
	.environments/$$($(ENVIRONMENTS) --pick)/bin/pytest tests -m generations

containers:
	@echo "containers: the training images, built and run without a network; as root, with buildah and debootstrap"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) --require $$name aws py313 dk22 dk54
	.environments/$$name/bin/pytest tests -m containers -s

matrix:
	@echo "matrix: every car from every training environment; writes docs/compatibility.md"
	$(ENVIRONMENTS) --require stock $(GENERATIONS)
	.environments/dk53/bin/python tests/matrix.py --write

clean:
	@echo "clean: the environments and what the tools keep"
	rm -rf .environments .demo .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
