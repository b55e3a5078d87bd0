#!/usr/bin/env bash
# The tests of the GPU. Without one they end with a sentence and a failure, for tests that were skipped look like success.
# NAPARI_CFR_ICL_GPU_TESTS_DEVICE=cpu tries the tests themselves on a processor.
# Usage: test_gpu.sh [PYTEST OPTION...]
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python - "${NAPARI_CFR_ICL_GPU_TESTS_DEVICE:-cuda}" <<'PYTHON'
import sys
from napari_cfr_icl._errors import DeviceError
from napari_cfr_icl.engine.runtime.device import pick_device

try:
    pick_device(sys.argv[1])
except DeviceError as error:
    sys.exit(f"test-gpu: {error}")
PYTHON
exec .venv/bin/python -m pytest -m gpu -p no:napari -p no:npe2 -p no:pytest-qt --no-xvfb --durations 5 tests/gpu "$@"
