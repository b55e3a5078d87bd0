#!/usr/bin/env bash
# See to it that Qt can open windows: nothing to do with a display; without one, install Xvfb and the
# OpenGL and xcb libraries that Qt loads.
# Usage: setup_display.sh [--virtual]        (--virtual: a virtual display is wanted in any case)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/display.sh

if [ "$(uname -s)" != Linux ] || { [ "${1:-}" != --virtual ] && has_display; }; then
    exit 0
fi

# library that is looked for : package that brings it
needs=(
    libEGL.so.1:libegl1
    libOpenGL.so.0:libopengl0
    libdbus-1.so.3:libdbus-1-3
    libfontconfig.so.1:libfontconfig1
    libglib-2.0.so.0:libglib2.0-0
    libxcb-cursor.so.0:libxcb-cursor0
    libxcb-icccm.so.4:libxcb-icccm4
    libxcb-image.so.0:libxcb-image0
    libxcb-keysyms.so.1:libxcb-keysyms1
    libxcb-randr.so.0:libxcb-randr0
    libxcb-render-util.so.0:libxcb-render-util0
    libxcb-shape.so.0:libxcb-shape0
    libxcb-xinerama.so.0:libxcb-xinerama0
    libxcb-xkb.so.1:libxcb-xkb1
    libxkbcommon-x11.so.0:libxkbcommon-x11-0
)

PATH=$PATH:/sbin:/usr/sbin
known=$(ldconfig -p)
missing=()
for need in "${needs[@]}"; do
    case $known in
        *"${need%%:*} "*) ;;
        *) missing+=("${need#*:}") ;;
    esac
done
command -v Xvfb >/dev/null || missing+=(xvfb)
# The software renderer and a font are files that ldconfig does not list.
compgen -G "/usr/lib*/*/dri/swrast_dri.so" >/dev/null || compgen -G "/usr/lib*/dri/swrast_dri.so" >/dev/null \
    || missing+=(libgl1-mesa-dri)
compgen -G "/usr/share/fonts/*/*/*.ttf" >/dev/null || missing+=(fonts-dejavu-core)

if [ ${#missing[@]} -gt 0 ]; then
    scripts/apt_install.sh "${missing[@]}"
fi
