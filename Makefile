# Each verb sets up everything that it needs (a virtual environment, packages and, where there is
# no display, a virtual one) and is quick the second time. Pass more with ARGS: make test ARGS="-k zoom".

VENV := .venv
BIN := $(VENV)/bin

.PHONY: help demo test test-all test-gpu lint bench bench-gpu docs clean

help:
	@echo "make demo    click objects out of the sample images (without a display: a driven demo, pictures in demo/)"
	@echo "make test    the tests, in a quarter of an hour: the screen with PyQt6, and with PySide6 where they differ"
	@echo "make test-all  every test: the slow ones too, and the whole screen with both"
	@echo "make test-gpu  what a CUDA GPU computes against the processor, in a few minutes"
	@echo "make lint    ruff, mypy, import direction, plugin manifest"
	@echo "make bench   milliseconds per click and memory"
	@echo "make bench-gpu  milliseconds per pass, click and training step on a CUDA GPU, in seven minutes"
	@echo "make docs    the documentation, into site/"
	@echo "make clean   remove what the verbs above have made"

demo: $(VENV)/.ready-demo
	scripts/setup_display.sh
	scripts/with_display.sh $(BIN)/napari-cfr-icl demo $(ARGS)

test: $(VENV)/.ready-test
	scripts/setup_display.sh --virtual
	scripts/run_tests.sh $(ARGS)

test-all: $(VENV)/.ready-test
	scripts/setup_display.sh --virtual
	scripts/run_tests.sh --all $(ARGS)

test-gpu: $(VENV)/.ready-test
	scripts/test_gpu.sh $(ARGS)

lint: $(VENV)/.ready-lint
	scripts/lint.sh

bench: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/run.py $(ARGS)

bench-gpu: $(VENV)/.ready-bench
	$(BIN)/python benchmarks/gpu.py $(ARGS)

docs: $(VENV)/.ready-docs
	$(BIN)/mkdocs build --strict $(ARGS)

clean:
	rm -rf $(VENV) .tox build dist site demo .mypy_cache .pytest_cache .ruff_cache

# The stamp is older than pyproject.toml when the dependencies may have changed.
$(VENV)/.ready-%: pyproject.toml scripts/setup_venv.sh
	scripts/setup_venv.sh $(VENV) $*
	@touch $@
