# Sourced by the scripts that need a screen. Defines has_display.

# True where windows can be shown: any system but Linux, Wayland, or an X server that is really there
# (DISPLAY often survives in a shell whose server is gone).
has_display() {
    [ "$(uname -s)" != Linux ] && return 0
    [ -n "${WAYLAND_DISPLAY:-}" ] && return 0
    case ${DISPLAY:-} in
        "") return 1 ;;
        :*)
            local number=${DISPLAY#:}
            [ -S "/tmp/.X11-unix/X${number%%.*}" ]
            ;;
        *) return 0 ;;
    esac
}
