# Programs that put themselves under a seccomp filter: they work under every policy, with records.
# LOGINS=N: N logins under each policy, in place of three. PROGRAMS_ALL=1: Chromium under each policy,
# not only one.
load ../lib/helper
load ../lib/each-policy
load ../lib/board

policy=auto # each_policy sets it

# public: a directory, $PUBLIC, where another user can read the library, and write.
public() {
    PUBLIC=$(mktemp -d -p /tmp)
    chmod 777 "$PUBLIC"
    cp "$LIB" "$PUBLIC"
}

clean_up() {
    [[ -z ${PUBLIC-} ]] || rm -rf "$PUBLIC"
    rm -rf "$SHM"
}

# real_root: this user may become others, and mount.
real_root() {
    if ! setpriv --reuid=65534 --clear-groups true || ! unshare -m true; then
        skip 'there is no other user here'
    fi
}

# --- sshd, whose child of before the login reads the network under a filter that kills ---

# With a /run/sshd of its own; and a root who may log in, whatever the system's password says.
make_sshd() {
    local dir=$BATS_TEST_TMPDIR
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    sed 's/^root:[^:]*:/root:*:/' /etc/shadow >"$dir/shadow"
    cat >"$dir/sshd_config" <<END
HostKey $dir/host
AuthorizedKeysFile $dir/key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
LogLevel DEBUG3
END
    cat >"$dir/sshd" <<END
mount -t tmpfs tmpfs /run && mkdir /run/sshd
mount --bind $dir/shadow /etc/shadow
exec env LD_PRELOAD=$LIB NOTIMEWAIT_POLICY=\$1 NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$dir/stats \
    NOTIMEWAIT_BOARD=$BOARD /usr/sbin/sshd -D -e -f $dir/sshd_config -o ListenAddress=127.0.0.1 -p \$2
END
}

log_in() {
    timeout 20 ssh -F none -i "$BATS_TEST_TMPDIR/key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p "$PORT" root@127.0.0.1 echo logged in 2>"$BATS_TEST_TMPDIR/ssh.err"
}

# logins: under $policy; all of sshd's processes have told of their connections, but the one under
# the filter, which counts on the board alone.
logins() {
    local out=$BATS_TEST_TMPDIR/sshd.out i count=${LOGINS:-3}
    rm -rf "$LOG" "$BATS_TEST_TMPDIR/stats" "$BOARD"
    start sshd unshare -m bash "$BATS_TEST_TMPDIR/sshd" "$policy" "$PORT"
    wait_output sshd '^Server listening'
    for ((i = 0; i < count; i++)); do
        run log_in
        echo "$i: $status $output"
        [[ $output == 'logged in' ]] || grep -Ev '^debug' "$out" "$BATS_TEST_TMPDIR/ssh.err"
        [[ $status -eq 0 && $output == 'logged in' ]]
    done
    settle "$PORT"
    kill "$(pid_of sshd)"
    finish sshd >/dev/null || true
    [[ $(grep -c 'attaching seccomp filter' "$out") -eq $count ]]
    [[ $(jq -s 'map(select(.via == "exit" or .via == "close")) | length' "$LOG") -ge $count ]]
    [[ $(jq -s 'map(.policies[].closes) | add' "$BATS_TEST_TMPDIR/stats") -ge $count ]]
    [[ $(total closes) -eq $(logged via | wc -l) ]]
}

@test "sshd: logins under every policy, with log, statistics and board" {
    need sshd ssh ssh-keygen
    real_root
    make_sshd
    each_policy logins
}

# --- Chromium, whose zygote makes sandboxed children by clone() ---

# A page, once the file is there.
serve_page() {
    start page python3 -c '
import http.server, os, sys, time
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        while not os.path.exists(sys.argv[2]):
            time.sleep(0.02)
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p id=it>delivered</p>")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page)
print("ready", flush=True)
server.serve_forever()
' "$PORT" "$BATS_TEST_TMPDIR/go"
    wait_output page '^ready'
}

# browse URL VARIABLE=VALUE...: as an ordinary user.
browse() {
    rm -rf "$PUBLIC/profile"
    start browser timeout 120 setpriv --reuid=65534 --regid=65534 --clear-groups \
        env -C "$PUBLIC" HOME="$PUBLIC" "${@:2}" chromium --headless --disable-gpu --no-first-run \
        --disable-dev-shm-usage --user-data-dir="$PUBLIC/profile" --dump-dom "$1"
}

# renderer: one is under a filter, and has been made by clone(): it has no program of its own.
renderer() {
    local pid
    for pid in $(pgrep -u 65534 -f -- '--type=renderer'); do
        grep -qx 'Seccomp:[[:space:]]*2' "/proc/$pid/status" && return
    done
    return 1
}

renderer_or_end() {
    renderer || has_ended browser
}

browser_gone() {
    ! pgrep -u 65534 -f -- "$PUBLIC/profile" >/dev/null
}

# shows_page URL: under $policy, with all that can be recorded; each process has told of its
# connections, or has counted them.
shows_page() {
    rm -rf "$BATS_TEST_TMPDIR/go" "$BOARD"
    browse "$1" LD_PRELOAD="$PUBLIC/libnotimewait.so" NOTIMEWAIT_POLICY="$policy" \
        NOTIMEWAIT_LOG="$PUBLIC/log.%p" NOTIMEWAIT_STATS="$PUBLIC/stats.%p" NOTIMEWAIT_BOARD="$BOARD"
    until_true 60000 renderer_or_end
    touch "$BATS_TEST_TMPDIR/go"
    run finish browser 120000
    echo "$output" | grep -v dbus
    [[ $output != *'No usable sandbox'* ]] || skip 'Chromium may not make a sandbox here'
    [[ $status -eq 0 && $output == *'<p id="it">delivered</p>'* ]]
    [[ $output != *libnotimewait* || $policy == reap ]] # without --reap
    until_true 20000 browser_gone # its other processes end by themselves, and tell then
    cat "$PUBLIC"/log.*
    board_cells
    [[ $(cat "$PUBLIC"/log.* | jq -r .policy | sort -u) == "$policy" ]]
    [[ $(cat "$PUBLIC"/stats.* | jq -s 'map(.policies[].closes) | add') -eq $(cat "$PUBLIC"/log.* | wc -l) ]]
    [[ $(total closes) -eq $(cat "$PUBLIC"/log.* | wc -l) ]]
    rm -f "$PUBLIC"/{log,stats}.*
}

@test "Chromium, sandboxed, as an ordinary user, with log, statistics and board" {
    need chromium
    real_root
    public
    chown 65534 "$SHM"
    serve_page
    local only=(abort)
    [[ -z ${PROGRAMS_ALL-} ]] || only=("${ALL[@]}")
    ONLY="${only[*]}" each_policy shows_page "http://127.0.0.1:$PORT/"
}
