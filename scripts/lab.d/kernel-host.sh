# shellcheck shell=bash disable=SC2154
# lab.d/kernel-host.sh: this machine's own kernel, on request. Sourced by scripts/lab.
#
# The command gets its own network namespace, so that tables, addresses and rules of the machine stay
# as they are, and its own mount namespace, so that names from `ip netns add` are visible only there
# and vanish with it. Modules that it makes the kernel load stay loaded.

lab_check() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "lab: --kernel host makes network namespaces: run it as root (or use --kernel uml, which needs none)" >&2
        return 1
    fi
    if [ ! -e /proc/sys/net/ipv4/vs ] && ! modprobe -q ip_vs 2>/dev/null; then
        echo "lab: the kernel of this machine ($(uname -r)) has no ip_vs: its module is neither loaded nor to be found by modprobe (use --kernel uml)" >&2
        return 1
    fi
    "$here/deps" lab
}

lab_pace() { echo 1; }

lab_began() { true; }

lab_start() {
    # --fork and --pid: processes that the command leaves running end with it.
    # shellcheck disable=SC2016 # the inner shell expands it
    exec setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" \
        unshare --net --mount --pid --fork --kill-child --mount-proc sh -c '
            mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mkdir /run/netns && ip link set lo up || exit
            if [ "$2" = 1 ]; then sh "$1/command" >&3 2>&3 3>&- 4>&-
            else sh "$1/command" >&3 2>&4 3>&- 4>&-
            fi
            echo $? >"$1/status"' sh "$run" "$streams"
}
