#!/usr/bin/env bash
# Run a command where it can open windows: on the display if there is one, otherwise on a virtual one
# that lives as long as the command.
# Usage: with_display.sh [--virtual] COMMAND...        (--virtual: do not use the user's display)
set -euo pipefail
. "$(dirname "$0")/display.sh"

virtual=no
if [ "${1:-}" = --virtual ]; then
    virtual=yes
    shift
fi
if [ "$(uname -s)" != Linux ] || { [ $virtual = no ] && has_display; }; then
    exec "$@"
fi

scratch=$(mktemp -d)
# -displayfd lets the server choose a free number and tell us, so that two runs never collide.
Xvfb -displayfd 3 -screen 0 1920x1200x24 -nolisten tcp 3>"$scratch/number" 2>"$scratch/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT
until [ -s "$scratch/number" ]; do
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$scratch/log" >&2
        echo "with_display: the virtual display did not start." >&2
        exit 1
    fi
    sleep 0.1
done

unset WAYLAND_DISPLAY
export DISPLAY=":$(cat "$scratch/number")" QT_QPA_PLATFORM=xcb XDG_SESSION_TYPE=x11
# A virtual display has no graphics card; the variables tell Mesa and us not to look for one.
export LIBGL_ALWAYS_SOFTWARE=1 NAPARI_CFR_ICL_VIRTUAL_DISPLAY=1
"$@"
