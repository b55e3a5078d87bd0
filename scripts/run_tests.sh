#!/usr/bin/env bash
# The tests: everything without a screen, then the screen. A Qt binding cannot be changed within a process, so each
# takes a run of its own. One process a core, and one more for the screen, whose tests wait a third of their time for
# threads and timers; each with one torch thread and a display of its own.
# Usage: run_tests.sh [--all] [PYTEST OPTION...]
#   Without --all: no slow test, the screen with PyQt6, and with PySide6 what is marked `bindings`.
#   With --all: slow tests too, the whole screen with both, and what can be made longer is.
set -uo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
usual="not gpu and not network"
quick="$usual and not slow" few="bindings and $usual and not slow"
if [ "${1:-}" = --all ]; then
    shift
    quick=$usual few=$usual
    export NAPARI_CFR_ICL_SOAK=${NAPARI_CFR_ICL_SOAK:-400} NAPARI_CFR_ICL_MATRIX=${NAPARI_CFR_ICL_MATRIX:-40}
    export NAPARI_CFR_ICL_KILLS=${NAPARI_CFR_ICL_KILLS:-6} NAPARI_CFR_ICL_TRAINING_KILLS=${NAPARI_CFR_ICL_TRAINING_KILLS:-3}
fi
failed=()
# Threads that wait for each other by spinning take three times as long on a machine that does other things too.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}

cores=$("$python" -c 'import os; print(min(8, os.cpu_count() or 1))')

# run NAME PROCESSES MARKS PYTEST-OPTION...
run() {
    local name=$1 processes=$2 marks=$3 status=0
    shift 3
    echo "=== $name"
    "$python" -m pytest --numprocesses "$processes" --dist worksteal -m "$marks" "$@" || status=$?
    # 5: what the options chose is not in this part.
    [ $status -eq 0 ] || [ $status -eq 5 ] || failed+=("$name")
}

# -p no:...: napari and pytest-qt would load Qt into tests whose subject must not know it.
run "without a screen" "$cores" "$quick" -p no:napari -p no:npe2 -p no:pytest-qt --no-xvfb --ignore=tests/gui "$@"
# napari refuses layer changes from other threads.
export NAPARI_ENSURE_PLUGIN_MAIN_THREAD=1
QT_API=pyside6 PYTEST_QT_API=pyside6 run "the screen with PySide6" $((cores + 1)) "$few" tests/gui "$@"
QT_API=pyqt6 PYTEST_QT_API=pyqt6 run "the screen with PyQt6" $((cores + 1)) "$quick" tests/gui "$@"

if [ ${#failed[@]} -gt 0 ]; then
    printf '=== failed: %s\n' "${failed[@]}" >&2
    exit 1
fi
