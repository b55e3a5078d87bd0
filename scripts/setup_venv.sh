#!/usr/bin/env bash
# Make the virtual environment if there is none, and install what one of the Makefile's verbs needs.
# Usage: setup_venv.sh FOLDER demo|test|lint|bench|docs        (PYTHON=... chooses the interpreter)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
verb=$2

die() {
    echo "setup: $*" >&2
    exit 1
}

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
        if recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    die "Python 3.11 or newer is needed and was not found; set PYTHON=/path/to/python3."
}

make_venv() {
    local python=$1
    # Debian keeps what venv needs in a package of its own.
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        scripts/apt_install.sh "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    fi
    "$python" -m venv "$venv" || die "'$python -m venv' does not work on this machine."
}

if ! recent "$venv/bin/python"; then
    python=$(find_python)
    echo "setup: making $venv with $("$python" --version)"
    make_venv "$python"
fi

pip() {
    "$venv/bin/python" -m pip --disable-pip-version-check "$@"
}

# Dependency groups need pip 25.1.
if ! pip install --help | grep -q -- --group; then
    pip install --quiet --upgrade "pip>=25.1"
fi

case $verb in
    demo) wanted=(--editable ".[pyqt6]") ;;
    test) wanted=(--editable . --group gui-test) ;;
    lint) wanted=(--editable . --group lint --group gui-test) ;;
    bench) wanted=(--editable . --group bench) ;;
    docs) wanted=(--editable . --group docs) ;;
    *) die "unknown verb '$verb'" ;;
esac
echo "setup: installing packages for 'make $verb' (PyTorch is large; the first time takes some minutes)"
pip install --quiet "${wanted[@]}"
