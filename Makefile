# Sets up everything but the interpreters. With REQUIRE=--require a missing Python is an error.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
PYTHON ?= python3
ENVIRONMENTS := $(PYTHON) tests/environments.py
GENERATIONS := dk22 dk25 dk50 dk53 dk54 dk53lite dk54lite
UNIT := py36 py313
REQUIRE ?=
# Tests run side by side: a second thread of NumPy's would wait for the core of another one
export OPENBLAS_NUM_THREADS := 1
# Without compiled files every test would compile its own TensorFlow: 7.2 s for an import that takes 3.5
unexport PYTHONDONTWRITEBYTECODE

TESTS := bin/python -m pytest tests
PARALLEL := -n auto --maxprocesses 4
FILES := --dist loadfile --no-loadscope-reorder

.PHONY: test seconds minutes whole pythons check demo bench quality driving proof docs generations matrix containers clean

test:
	@echo "test: the tests of seconds and of minutes, with the donkeycar for the Python on this machine"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) $(REQUIRE) $$name aws
	.environments/$$name/$(TESTS) $(PARALLEL) $(FILES) -m "not whole"

seconds:
	@echo "seconds: the tests of pure functions and files"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) --require $$name
	.environments/$$name/$(TESTS) -m seconds

minutes:
	@echo "minutes: the tests with the AWS stand-in, the trainer and a browser"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) $(REQUIRE) $$name aws
	.environments/$$name/$(TESTS) $(PARALLEL) $(FILES) -m "minutes and not whole"

whole: pythons generations containers demo

pythons:
	@echo "pythons: what depends on the Python and its boto3, with the oldest and the newest"
	$(ENVIRONMENTS) $(REQUIRE) aws $(UNIT)
	for name in $(UNIT); do
		[ ! -e .environments/$$name ] || .environments/$$name/$(TESTS) --ignore tests/project $(PARALLEL) --dist loadfile -m "seconds or boto3"
	done

check:
	@echo "check: ruff, mypy and hadolint"
	$(ENVIRONMENTS) --require check
	.environments/check/bin/ruff check --no-cache .
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

driving:
	@echo "driving: models of both recipes drive tracks that they have not seen"
	$(PYTHON) benchmarks/driving.py --more

proof:
	@echo "proof: models of planted quality drive along their own tubs and on unseen tracks"
	$(PYTHON) benchmarks/proof.py

docs:
	@echo "docs: the reference and the table of costs, from the program"
	$(PYTHON) docs/make_reference.py
	$(PYTHON) docs/make_cost.py

generations:
	@echo "generations: the tests with every generation of donkeycar, and of the package itself"
	$(ENVIRONMENTS) $(REQUIRE) aws stock notebook check $(UNIT) $(GENERATIONS)
	.environments/$$($(ENVIRONMENTS) --pick)/$(TESTS) $(PARALLEL) --dist worksteal -m generations

containers:
	@echo "containers: the training images, built and run without a network; as root, with buildah and debootstrap"
	name=$$($(ENVIRONMENTS) --pick)
	$(ENVIRONMENTS) --require $$name aws py313 dk22 dk54
	.environments/$$name/$(TESTS) -m containers -s

matrix:
	@echo "matrix: every car from every training environment; writes docs/compatibility.md"
	$(ENVIRONMENTS) --require stock $(GENERATIONS)
	.environments/dk53/bin/python tests/matrix.py --write

clean:
	@echo "clean: the environments and what the tools keep"
	rm -rf .environments .demo .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
