# notimewait --by supervise: what is set on sockets from outside, by policy and rule, and what is
# refused.
# shellcheck disable=SC2016 # the commands' own variables
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
load ../lib/each-policy
load ../lib/recycling
load ../lib/user
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# static_client [FLAG...]: the client that nobody can change, linked statically, by another name.
static_client() {
    gcc -O2 -static "$@" -o "$BATS_TEST_TMPDIR/static-client" examples/legacy-client.c
    echo "$BATS_TEST_TMPDIR/static-client"
}

# serve_legacy: a server that answers, on PORT.
serve_legacy() {
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
}

# supervised ARG... -- STEP...: act under supervision.
supervised() {
    local options=()
    while [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    "$START" --by supervise "${options[@]}" -- "$ACT" "${@:2}"
}

@test "a static client: no TIME_WAIT under fin-rst, as any user" {
    local client public
    share_cpu
    client=$(static_client)
    serve_legacy
    "$START" --by supervise -p off "$client" --port "$PORT" --reply --connections 20
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 20 ]]
    kill "$(pid_of server)"
    new_port
    serve_legacy
    "$START" --by supervise -p fin-rst "$client" --port "$PORT" --reply --connections 300
    publish "$START" "$client"
    run unprivileged "$public/notimewait" --by supervise -p fin-rst "$public/static-client" \
        --port "$PORT" --reply --connections 300
    rm -r "$public"
    echo "$output"
    [[ $status -eq 0 && ${#lines[@]} -eq 1 && $output == 'connections=300 failed=0 errors=0 '* ]]
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "a static client under auto: many more connections than ports, and no RST" {
    local client before
    client=$(static_client)
    serve_legacy
    ports 200
    before=$(resets_sent)
    run "$START" --by supervise "$client" --port "$PORT" --reply --connections "${AUTO_CONNECTIONS-2000}"
    echo "$output"
    [[ $status -eq 0 && $output == *' failed=0 errors=0 '* && $(resets_sent) -eq $before ]]
    # Of two that share them, none takes what the other has.
    new_port
    kill "$(pid_of server)"
    serve_legacy
    ports 400
    start other "$START" --by supervise "$client" --port "$PORT" --reply --connections 1000
    run "$START" --by supervise "$client" --port "$PORT" --reply --connections 1000
    echo "$output"
    finish other
    [[ $status -eq 0 && $output == *' failed=0 errors=0 '* ]]
}

@test "auto without recycling, and off: SO_REUSEADDR is not set, and ports run out" {
    local client
    client=$(static_client)
    serve_legacy
    ports 30
    NOTIMEWAIT_RECYCLE=off run "$START" --by supervise "$client" --port "$PORT" --reply --connections 40
    [[ $status -eq 1 && $output == *'connections=30 failed=1'* ]]
}

@test "a peer without timestamps: nothing is taken over, and the program is where it would be" {
    local client
    client=$(static_client)
    serve_legacy
    ports 60
    echo 0 >/proc/sys/net/ipv4/tcp_timestamps
    run "$START" --by supervise "$client" --port "$PORT" --reply --connections 50
    echo 1 >/proc/sys/net/ipv4/tcp_timestamps
    echo "$output"
    [[ $status -eq 0 && $output == *'connections=50 failed=0 errors=0 '* ]]
}

@test "rules: by peer, port, program and role; a split by weights" {
    serve "$PORT" loop:6 accept readall close end
    armed() { # RULES -> the option at the client
        supervised -r "$1" -- "connect:$PORT" getlinger2 close | sed -n 's/^getlinger2 //p'
    }
    [[ $(armed "port=$PORT => fin-rst") -eq -1 && $(armed "port=$((PORT + 1)) => fin-rst") -gt 0 ]]
    [[ $(armed 'peer=127.0.0.0/8 => fin-rst') -eq -1 && $(armed 'role=server => fin-rst') -gt 0 ]]
    [[ $(armed 'program=ac? => fin-rst') -eq -1 && $(armed 'program=curl => fin-rst') -gt 0 ]]
    finish server
    serve "$PORT" loop:40 accept readall close end
    run supervised -p 'off|fin-rst' -- loop:40 "connect:$PORT" write:1 close end
    finish server
    settle "$PORT"
    echo "$(time_wait_client "$PORT") of 40"
    [[ $(time_wait_client "$PORT") -gt 2 && $(time_wait_client "$PORT") -lt 38 ]]
}

@test "listening sockets: what is accepted inherits it; a rule for another port does not match" {
    local rule
    for rule in "port=$PORT" "port=$((PORT + 1))"; do
        start server supervised -p off -r "role=server $rule => fin-rst" -- "listen:$PORT" accept \
            getlinger2 readn:1 close
        wait_output server '^listen '
        act "connect:$PORT" write:1 wait-state:CLOSE_WAIT close >/dev/null
        run finish server
        echo "$output"
        [[ $rule == *"$PORT" && $output == *'getlinger2 -1'* || $output == *"getlinger2 $UNSET_LINGER2"* ]]
        settle "$PORT"
    done
}

@test "IPv6, a socket that does not block, data with the SYN, UNIX and UDP sockets" {
    serve '[::1]:'"$PORT" accept readall close
    run supervised -p fin-rst -- "connect:[::1]:$PORT" getlinger2 write:1 close
    [[ $output == *'getlinger2 -1'* ]]
    finish server
    serve "$PORT" accept readall close
    run supervised -p fin-rst -- "connect-nonblock:$PORT" connect-wait:5000 getlinger2 write:1 close
    echo "$output"
    [[ $output == *'connect-wait 0'*'getlinger2 -1'* ]]
    finish server
    serve "$PORT" accept readall close
    run supervised -p fin-rst -- socket "sendto-fastopen:127.0.0.1:$PORT:5" getlinger2 close
    echo "$output"
    [[ $output == *'getlinger2 -1'* ]]
    finish server
    start server act socket:unix "bind:$BATS_TEST_TMPDIR/s" listen accept close
    wait_output server '^listen '
    run supervised -- socket:udp "connect:127.0.0.1:$PORT@a" socket:unix@b "connect:$BATS_TEST_TMPDIR/s@b"
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "32-bit programs, whose calls have other numbers" {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    local client
    client=$(static_client -m32)
    "$client" --help >/dev/null || skip 'this kernel runs no 32-bit programs'
    serve_legacy
    "$START" --by supervise -p fin-rst "$client" --port "$PORT" --reply --connections 20
    settle "$PORT"
    [[ $(time_wait_client "$PORT") -eq 0 ]]
}

@test "the program's own linger is respected, unless it is overridden" {
    serve "$PORT" loop:2 accept readall close end
    run supervised -p fin-rst -- socket linger:1:2 "connect:$PORT" getlinger2 write:1 close
    [[ $output != *'getlinger2 -1'* ]]
    NOTIMEWAIT_LINGER=override run supervised -p fin-rst -- socket linger:1:2 "connect:$PORT" getlinger2 getlinger write:1 close
    echo "$output"
    [[ $output == *'getlinger2 -1'*'getlinger 0:'* ]]
}

@test "a port that the program has bound is left alone, and so is who may share it" {
    need python3
    serve "$PORT" loop:100 accept readn:1 write:1 readall close end
    # All of the range is taken, so that ports would be taken over.
    ports 30
    run "$START" --by supervise sh -c '"$0" loop:60 "connect:$1" write:1 readn:1 close end && exec python3 -c "
import socket, sys
s = socket.socket()
s.bind((\"127.0.0.1\", 45556))
s.connect((\"127.0.0.1\", int(sys.argv[1])))
print(s.getsockname()[1], s.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR))" "$1"' "$ACT" "$PORT"
    echo "$output"
    [[ $output == *'errors=0'*$'\n45556 0' ]]
}

@test "a socket of another network namespace gets no port that is in TIME_WAIT in ours" {
    serve "$PORT" loop:100 accept readn:1 write:1 readall close end
    ports 30
    run "$START" --by supervise sh -c '"$0" loop:60 "connect:$1" write:1 readn:1 close end &&
        exec unshare -n sh -c "ip link set lo up; exec \"\$0\" listen:\$1 connect:\$1 sockname" "$0" "$1"' \
        "$ACT" "$PORT"
    echo "$output"
    # there the range is the kernel's own
    [[ $output =~ sockname\ 127.0.0.1:([0-9]+)$ && ${BASH_REMATCH[1]} -ge 32768 ]]
}

@test "reap: what supervision has seen is removed" {
    serve "$PORT" accept readall close
    run "$START" --by supervise -p reap --reap "$ACT" "connect:$PORT" write:10 shutdown:wr wait-state:CLOSE close
    echo "$status: $output"
    finish server
    settle "$PORT"
    [[ $status -eq 0 && $(time_wait_client "$PORT") -eq 0 ]]
    run "$START" --by supervise -p reap true
    [[ $status -eq 0 && $output == "notimewait: -p: 'reap' needs --reap; it acts as auto, and TIME_WAIT entries stay" ]]
}

@test "both: what the library sees is its own, the rest is seen from outside" {
    local client
    client=$(static_client)
    serve_legacy
    # of a static program that one under the library starts
    run "$START" --by both -p fin-rst sh -c '"$@"' sh "$client" --port "$PORT" --reply --connections 20
    echo "$output"
    settle "$PORT"
    [[ $status -eq 0 && $(time_wait_client "$PORT") -eq 0 ]]
    # last-read is the library's: the supervisor, which would do as auto, sets nothing
    kill "$(pid_of server)"
    new_port
    serve "$PORT" accept readn:1 write:1 readall close
    run "$START" --by both -p last-read --log "$LOG" "$ACT" "connect:$PORT" write:1 readn:1 close
    finish server
    [[ $(json policy "$LOG") == last-read && $(json action "$LOG") == rst ]]
    # nor does it draw for these sockets what the library draws
    rm "$LOG"
    serve "$PORT" loop:20 accept readall close end
    run "$START" --by both -p 'off|fin-rst' --log "$LOG" "$ACT" quiet loop:20 "connect:$PORT" loud getlinger2 quiet close end
    finish server
    diff <(sed -n 's/^getlinger2 -1$/fin-rst/p; s/^getlinger2 [0-9].*/off/p' <<<"$output") <(json policy "$LOG")
}

@test "refused with status 2: a second listener, policies and records that need the library" {
    local words
    for words in '-p last-read' '-p drain' '-p off|abort' '-r port=1=>linger:1' '--log x'; do
        # shellcheck disable=SC2086 # options
        run "$START" --by supervise $words touch "$BATS_TEST_TMPDIR/started"
        echo "$output"
        [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == notimewait:*library*preload* || $output == *'from outside'* ]]
        [[ ! -e $BATS_TEST_TMPDIR/started ]]
    done
    run "$START" --by supervise --anyway -p last-read echo started
    [[ $status -eq 0 && $output == started ]]
    run "$START" --by supervise "$START" --by supervise touch "$BATS_TEST_TMPDIR/started"
    echo "$output"
    [[ $status -eq 2 && ${#lines[@]} -eq 1 && $output == *EBUSY* && ! -e $BATS_TEST_TMPDIR/started ]]
    run "$START" --by nonsense true
    [[ $status -eq 2 && $output == *"--by: 'nonsense' is not accepted; accepted: preload, supervise, both" ]]
}

@test "refused: a program that would lose the rights it gains" {
    local public
    publish "$START" "$(type -P true)"
    chmod u+s "$public/true"
    run unprivileged "$public/notimewait" --by supervise "$public/true"
    local said=$output said_status=$status
    run unprivileged "$public/notimewait" --by supervise --anyway "$public/true"
    rm -r "$public"
    echo "$said"
    [[ $said_status -eq 2 && $said == *'true: it gains rights by being run'* && $status -eq 0 ]]
}

@test "the CPU's speculation is as without: old kernels slow down what has a filter" {
    run "$START" --by supervise grep Specul /proc/self/status
    echo "$output"
    [[ $status -eq 0 && $output == "$(grep Specul /proc/self/status)" ]]
}
