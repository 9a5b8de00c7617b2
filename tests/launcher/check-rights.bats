# notimewait check: programs that gain rights, what withholds these (nosuid), and snaps.
# shellcheck disable=SC2016 # the inner shells' own variables
# shellcheck disable=SC2153,SC2154 # BUILD is the helper's; publish sets public
load ../lib/helper
load ../lib/user
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

prepare() {
    publish "$START" "$LIB"
    dir=$public
    gcc -O2 -x c -o "$dir/program" - <<<'#include <stdio.h>
#include <unistd.h>
int main(void) { printf("%d\n", (int)getegid()); return 0; }'
    chgrp 12345 "$dir/program" || skip 'there is no other group here'
    chmod 2755 "$dir/program"
}

clean_up() {
    rm -rf "$dir"
}

nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)

@test "setgid: supervision from root leaves the right; without CAP_SYS_ADMIN it is refused" {
    "${nobody[@]}" true || skip 'there is no other user here'
    run "$dir/notimewait" check "$dir/program"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == 'works by supervision: '*'setuid or setgid'* ]]
    [[ ${lines[1]} == 'what to do          --by supervise from root reaches it, with its rights'* ]]
    run "$dir/notimewait" --by supervise "${nobody[@]}" "$dir/program"
    [[ $status -eq 0 && $output == 12345 ]]
    cp "$ACT" "$dir/act"
    chgrp 12345 "$dir/act"
    chmod 2755 "$dir/act"
    serve "$PORT" accept readall close
    run "$dir/notimewait" --by supervise -p fin-rst "${nobody[@]}" "$dir/act" "connect:$PORT" getlinger2 write:1 close
    echo "$output"
    [[ $output == *'getlinger2 -1'* ]]
    run "${nobody[@]}" "$dir/notimewait" check "$dir/program"
    echo "$output"
    [[ $status -eq 1 && ${lines[0]} == 'does not work: '* && ${lines[1]} == *'--by supervise from root'*refused* ]]
    run "${nobody[@]}" "$dir/notimewait" --by supervise "$dir/program"
    [[ $status -eq 2 && $output == *no_new_privs* ]]
    need setcap
    chmod g-s "$dir/program"
    setcap cap_net_raw+ep "$dir/program" || skip 'file capabilities cannot be set here'
    run "${nobody[@]}" "$dir/notimewait" check "$dir/program"
    echo "$output"
    [[ $status -eq 1 && ${lines[0]} == *'file capabilities'* && ${lines[1]} == *'--by supervise from root'*setpriv* ]]
}

# mounted OPTIONS CMD...: CMD in a mount namespace of its own, with a copy of the directory at $dir/m,
# on a file system that is mounted so.
mounted() {
    unshare -m sh -ec 'mkdir "$1/m"; mount -t tmpfs -o "$2" tmpfs "$1/m"
        cp --preserve=mode,ownership "$1/program" "$1/m/"; shift 2; exec "$@"' sh "$dir" "$@"
}

@test "a file system that is mounted nosuid, as an AppImage's is: no rights are gained, so it is reached" {
    unshare -m mount -t tmpfs tmpfs "$dir" || skip 'nothing can be mounted here'
    run mounted mode=755 "$dir/notimewait" check "$dir/m/program"
    echo "$output"
    [[ ${lines[0]} == 'works by supervision: '*'setuid or setgid'* ]]
    rmdir "$dir/m"
    run mounted mode=755,nosuid "$dir/notimewait" check "$dir/m/program"
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == "works by preload: $dir/m/program: dynamically linked" && $output != *setuid* ]]
    rmdir "$dir/m"
    # and that is true
    run mounted mode=755,nosuid "$dir/notimewait" --stats "$dir/stats" "$dir/m/program"
    [[ $status -eq 0 && $output != 12345 && -s $dir/stats ]]
}

@test "a snap: by its path below /snap/bin, and by a link to snap" {
    mkdir "$dir/snap" "$dir/usr"
    cp "$dir/program" "$dir/usr/snap"
    unshare -m sh -ec 'mount -t tmpfs tmpfs /mnt' || skip 'nothing can be mounted here'
    # /snap is there in the namespace alone, in a root of its own
    run unshare -m sh -ec 'mount -t tmpfs tmpfs /mnt
        for d in /*; do
            [ "$d" != /snap ] && [ "$d" != /mnt ] && [ -d "$d" ] || continue
            mkdir "/mnt$d"; mount --rbind "$d" "/mnt$d"
        done
        mkdir -p /mnt/snap/bin
        mount -t tmpfs tmpfs /mnt/usr/bin 2>/dev/null && cp "$1/program" /mnt/usr/bin/snap
        cp "$1/program" /mnt/snap/bin/one
        ln -s /usr/bin/snap "/mnt$1/linked"
        for one in /snap/bin/one "$1/linked"; do
            chroot /mnt "$1/notimewait" check "$one" || echo "status $?"
        done' sh "$dir"
    echo "$output"
    [[ $(grep -c '^does not work: .*: a snap: snap-confine' <<<"$output") -eq 2 ]]
    [[ $(grep -c '^status 1' <<<"$output") -eq 2 && $output == *'what to do '*'attach its listening sockets'* ]]
}
