#!/usr/bin/env bash
# All tests: first everything without a screen, then the screen with each of the two Qt bindings.
# A Qt binding cannot be changed within a process, hence three of them. Fails if any of them fails.
# Usage: run_tests.sh [PYTEST OPTION...]
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
failed=()
# Threads that wait for each other by spinning take three times as long on a machine that does other
# things too; sleeping costs hardly anything on one that does not.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

# -p no:...: napari and pytest-qt would load Qt into tests whose subject must not know it.
echo "=== without a screen"
"$python" -m pytest -p no:napari -p no:npe2 -p no:pytest-qt --ignore=tests/gui "$@" || failed+=("without a screen")

for binding in pyqt6 pyside6; do
    echo "=== the screen with $binding"
    # The last variable makes napari refuse layer changes from other threads.
    QT_API=$binding PYTEST_QT_API=$binding NAPARI_ENSURE_PLUGIN_MAIN_THREAD=1 \
        scripts/with_display.sh --virtual "$python" -m pytest tests/gui "$@" || failed+=("$binding")
done

if [ ${#failed[@]} -gt 0 ]; then
    printf '=== failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "=== all passed"
