#!/usr/bin/env bash
# Everything that reads the code without running it. Goes on after a finding, so that one run shows all.
set -uo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
status=0
check() {
    echo "=== $*"
    "$bin/$@" || status=1
}

check ruff check .
check ruff format --check .
check mypy
check lint-imports
check npe2 validate src/napari_cfr_icl/napari.yaml
exit $status
