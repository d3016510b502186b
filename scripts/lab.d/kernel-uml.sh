# shellcheck shell=bash disable=SC2154
# lab.d/kernel-uml.sh: Debian's User-Mode Linux. Read by scripts/lab, which sets the variables.
#
#   this machine                         the guest
#   linux.uml, an ordinary process       kernel 6.1 with every ip_vs module, one processor
#   / (hostfs, read-only)           ---> lower layer of an overlay, the upper one is memory
#   $run (hostfs)                   ---> /run/lab: command, status, mounts
#   --rw DIR, $LAB_OUT (hostfs)     ---> the same path
#   descriptors 3 and 4             <--- /dev/tty1, /dev/tty2: the command's stdout and stderr
#   $run/console                    <--- /dev/tty0: the kernel's messages

lab_check() {
    "$here/deps" lab
}

lab_pace() { echo 1; }

lab_began() { true; }

lab_start() {
    local dir
    for dir in ${rw[@]+"${rw[@]}"}; do echo "none $dir hostfs $dir"; done >"$run/mounts"

    # The guest's memory is a deleted sparse file, in /dev/shm if that can hold it.
    local room wanted
    room=$(df --output=avail -B1M /dev/shm 2>/dev/null | tail -n 1) || room=0
    case $mem in *G) wanted=$((${mem%G} * 1024)) ;; *) wanted=${mem%M} ;; esac
    [ "$room" -gt $((wanted + 64)) ] || export TMPDIR=$run

    # Pin it to one processor. The guest's kernel and its processes take turns; if the host's scheduler
    # moves them between processors, starting a program takes up to three times as long.
    local cpu pinned=()
    choose_processor
    [ -z "$cpu" ] || pinned=(taskset -c "$cpu")

    # initcall_blacklist: RAID6 measures its algorithms for 0.85 s, more than a third of the boot.
    # lsm: an empty list disables all security modules.
    exec setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" \
        setpriv --pdeathsig TERM ${pinned[@]+"${pinned[@]}"} linux.uml \
        "mem=$mem" root=/dev/root rootfstype=hostfs rootflags=/ ro "init=$here/lab.d/uml-root" \
        "uml_dir=$run/uml/" umid=guest "hostname=lab" "lab_run=$run" "lab_streams=$streams" \
        con=null con0=null,fd:1 con1=null,fd:3 con2=null,fd:4 ssl=null \
        initcall_blacklist=raid6_select_algo lsm= selinux=0 quiet panic=-1
}

# Sets `cpu` to a processor that no other guest of this user has, or to any if all are taken; to nothing
# if it cannot find out. Two guests on one processor take twice the time while another is idle. The
# guest inherits the lock and releases it when it ends.
choose_processor() {
    local allowed=() locks=/tmp/lab-processors.$UID lock
    cpu=
    mapfile -t allowed < <(processors)
    [ ${#allowed[@]} -gt 0 ] || return 0
    mkdir -m 700 "$locks" 2>/dev/null || true
    if [ -d "$locks" ] && [ ! -L "$locks" ] && [ -O "$locks" ]; then
        for cpu in "${allowed[@]}"; do
            exec {lock}>>"$locks/$cpu"
            ! flock -n "$lock" || return 0
            exec {lock}>&-
        done
    fi
    cpu=${allowed[RANDOM % ${#allowed[@]}]}
}

# Prints the processors that this process may run on, one per line.
processors() {
    local list range
    list=$(taskset -cp $BASHPID 2>/dev/null) || return 0
    for range in $(tr ',' ' ' <<<"${list##*: }"); do
        seq "${range%-*}" "${range#*-}"
    done
}
