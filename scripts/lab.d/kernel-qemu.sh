# shellcheck shell=bash disable=SC2054,SC2154
# lab.d/kernel-qemu.sh: a stock Debian kernel under QEMU. Read by scripts/lab, which sets the variables.
#
#   this machine                         the guest
#   qemu-system-x86_64, no root          kernel $kernel (lab.d/stock-kernel), two processors
#   / (9p, read-only)               ---> lower layer of an overlay, the upper one is memory
#   $run (9p)                       ---> /run/lab: command, status, mounts
#   --rw DIR, $LAB_OUT (9p)         ---> the same path
#   descriptors 3 and 4             <--- /dev/vport0p1, /dev/vport0p2: the command's stdout and stderr
#   $run/console                    <--- ttyS0: the kernel's messages
#
# 9p instead of virtiofs: it needs no extra daemon, no shared memory and no privileges.

lab_check() {
    "$here/deps" qemu && "$here/lab.d/stock-kernel" "$kernel" ${update:+"$update"}
}

# An open /dev/kvm proves nothing; the processor's flags do.
has_kvm() { grep -qwE 'vmx|svm' /proc/cpuinfo && [ -w /dev/kvm ]; }

# With several tests in parallel, on a busy machine.
lab_pace() { if has_kvm; then echo 1; else echo 5; fi; }

# What lab.d/qemu-root says first.
lab_began() { grep -q '^lab: first process' "$run/console"; }

lab_start() {
    local stock release package version suite number=0 dir accel machine hooks=
    stock=$workspace/target/kernels/$kernel
    read -r release package version suite <"$stock/version"
    if has_kvm; then
        accel=(-accel kvm -cpu host)
    else
        # Without cx16: QEMU 7.2's emulation of cmpxchg16b corrupts a guest now and then.
        accel=(-accel "tcg,thread=multi" -cpu max,-cx16)
        hooks=stay
    fi
    echo "lab: Linux $release (Debian's $package $version, $suite), two processors, ${accel[1]%%,*}" >&4

    machine=(
        -M q35 "${accel[@]}" -smp 2 -m "$mem" -nodefaults -no-user-config -display none -no-reboot
        -kernel "$stock/vmlinux" -initrd "$stock/initramfs"
        -chardev "file,id=console,path=$run/console,append=on" -serial chardev:console
        -object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-pci,rng=rng
        -device virtio-serial-pci
        -chardev file,id=stdout,path=/dev/fd/3 -device virtserialport,chardev=stdout,nr=1
        -chardev file,id=stderr,path=/dev/fd/4 -device virtserialport,chardev=stderr,nr=2
    )
    # remap: this machine's root may be several file systems, which may number their files alike.
    share() { machine+=(-virtfs "local,id=$1,mount_tag=$1,path=$2,security_model=none,multidevs=remap$3"); }
    share root / ,readonly=on
    share run "$run" ""
    for dir in ${rw[@]+"${rw[@]}"}; do
        share "rw$((++number))" "$dir" ""
        echo "rw$number $dir 9p trans=virtio,version=9p2000.L,msize=131072,cache=mmap"
    done >"$run/mounts"

    # A guest that hangs before its first process is ended, and scripts/lab starts another one.
    local guest=$BASHPID second parent
    (
        for ((second = 0; second < 120; second++)); do
            sleep 1
            read -r _ _ _ parent _ <"/proc/$BASHPID/stat"
            [ "$parent" = "$guest" ] && ! lab_began || exit 0
        done
        kill -TERM "$guest"
    ) 3>&- 4>&- &

    # lsm: an empty list disables all security modules. mitigations: the guest has no secrets, and
    # each mitigation is expensive under emulation.
    exec setpriv --pdeathsig TERM timeout --kill-after=5 "$limit" \
        setpriv --pdeathsig TERM qemu-system-x86_64 "${machine[@]}" -append "console=ttyS0 quiet panic=-1 \
lsm= selinux=0 mitigations=off nokaslr audit=0 no_timer_check \
lab_home=$here/lab.d lab_modules=$stock/lib/modules lab_streams=$streams lab_hooks=$hooks"
}
