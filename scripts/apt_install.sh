#!/usr/bin/env bash
# Install Debian or Ubuntu packages, as root or through sudo; otherwise say what to type.
# Usage: apt_install.sh PACKAGE...
set -euo pipefail

if ! command -v apt-get >/dev/null; then
    echo "setup: this system has no apt-get; please install the equivalents of: $*" >&2
    exit 1
fi

if [ "$(id -u)" -eq 0 ]; then
    as_root=(env)
elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo env)
else
    echo "setup: some system packages are missing. Please run this once, then try again:" >&2
    echo "  sudo apt-get install --no-install-recommends $*" >&2
    exit 1
fi

echo "setup: installing system packages: $*"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update && "${as_root[@]}" DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --no-install-recommends "$@"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "setup: apt-get failed; its last lines are above." >&2
    exit 1
fi
