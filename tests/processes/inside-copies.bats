# A connection is closed while another thread makes a copy of it, in this process or another: no
# byte that is written to the copy is lost, and no lever stays on it. FORKRACE=N: N rounds for
# each way and policy, in place of some hundred.
load ../lib/helper

# races WAY ROUNDS: under each policy whose lever is not safe for shared sockets, all at once. In
# some of all these rounds the copy is made in time; without any, nothing was shown.
races() {
    local policy bad=0 copies=0 policies=(abort delay:0 drain:0 last-read)
    for policy in "${policies[@]}"; do
        start "$policy" preload "$policy" "$BUILD/tests/copies" "$1" "${FORKRACE:-$2}"
    done
    for policy in "${policies[@]}"; do
        finish "$policy" "${FORKRACE:+86400000}" || bad=1
        [[ $(output_of "$policy") =~ ' rounds, '([0-9]+)' copies, ' ]] || bad=1
        copies=$((copies + BASH_REMATCH[1]))
    done
    [[ $bad -eq 0 && $copies -gt 0 ]]
}

@test "fork and _Fork by another thread" {
    races fork 200
    races _Fork 200
}

@test "posix_spawn, and vfork and exec, by another thread" {
    races spawn 80
    races vfork 80
}

@test "dup, dup2, dup3 and fcntl by another thread" {
    races dup 800
    races dup2 800
    races dup3 800
    races fcntl 800
}

@test "another thread passes it on by SCM_RIGHTS" {
    races rights 800
}

# refusing CMD...: CMD, in which dup2() and dup3() fail.
refusing() {
    python3 - "$@" <<'END'
import ctypes, os, platform, struct, sys
numbers = {"x86_64": (33, 292), "aarch64": (24, 24), "i686": (63, 330)}[platform.machine()]
filters = struct.pack("HBBI", 0x20, 0, 0, 0)
for number in numbers:
    filters += struct.pack("HBBI", 0x15, 0, 1, number) + struct.pack("HBBI", 0x06, 0, 0, 0x50010)
filters += struct.pack("HBBI", 0x06, 0, 0, 0x7fff0000)
libc = ctypes.CDLL(None)
buffer = ctypes.create_string_buffer(filters)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(filters) // 8, ctypes.addressof(buffer)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
END
}

@test "a dup2 or dup3 that fails takes the lever back, and the connection goes on" {
    local policy verb
    for policy in abort delay:0 linger:2; do
        for verb in dup2 dup3; do
            PORT=$(port)
            rm -f "$LOG"
            serve "$PORT" accept readall close
            NOTIMEWAIT_LOG=$LOG LD_PRELOAD=$LIB NOTIMEWAIT_POLICY=$policy run refusing "$ACT" \
                "connect:$PORT@b" write:1000@b fd:1@n "$verb:b@n" getlinger@b write:500@b \
                wait-acked@b close@b
            echo "$output"
            cat "$LOG"
            [[ $output == *EBUSY*'getlinger 0:'*'write 500'* ]]
            [[ $(json 'via + " " + .policy' "$LOG") == "close $policy" ]]
            run finish server
            [[ $output == *'readall 1500 '* ]]
        done
    done
}
