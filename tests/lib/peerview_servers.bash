# shellcheck shell=bash disable=SC2034 # TITLE and MEASURE are for peerview.bash
# Real servers as the peers of peerview.bash, which is loaded before: nginx in its lingering close,
# and openssl's s_server at the end of a TLS session. Owns how they are started, and what they
# call, which strace sees.

# What is kept of a server that runs as `peer`: its system calls on the connection.
start_trace() {
    start trace strace -f -p "$(pid_of peer)" \
        -e trace=read,recvfrom,write,writev,shutdown,close -o "$BATS_TEST_TMPDIR/trace.txt"
    wait_output trace 'attached'
}

# traced_calls MARK: what its calls on the connection (the fd that it reads first) returned, after
# the line that matches. Bytes that it reads in pieces are one read.
traced_calls() {
    awk -v mark="$1" '
        function add(text) { all = all (all ? ", " : "") text }
        function flush() { if (bytes) add("read " bytes); bytes = 0 }
        !fd && / (read|recvfrom)\(/ { fd = $2; sub(/.*\(/, "", fd); fd += 0 }
        !on { on = $0 ~ mark; next }
        / SIGPIPE / { all = all " SIGPIPE" }
        index($2, "(" fd ",") && match($0, /\) += (-1 )?[0-9A-Z]+/) {
            value = substr($0, RSTART, RLENGTH)
            sub(/.*[ ]/, "", value)
            in_bytes = /^[0-9]+ +(read|recvfrom)\(/
            if (value == "EAGAIN" || /shutdown\(/) next
            if (in_bytes && value + 0 > 0) { bytes += value; next }
            flush()
            add((in_bytes ? "read " : "write ") (in_bytes && value == "0" ? "EOF" : value))
        }
        END { flush(); print all ? all : "-" }' "$BATS_TEST_TMPDIR/trace.txt"
}

# has_closed: the server has closed the connection (the fd that it reads first).
has_closed() {
    awk '!fd && / (read|recvfrom)\(/ { fd = $2; sub(/.*\(/, "", fd); fd += 0 }
        fd && $2 == "close(" fd ")" || $2 == "close(" fd { found = 1 }
        END { exit !found }' "$BATS_TEST_TMPDIR/trace.txt"
}

listens() {
    [[ -n $(ss -Htln "sport = :$PORT") ]]
}

# server_listens: waits until it does, at $PORT.
server_listens() {
    until_true 10000 listens && return
    echo "the server does not listen, and printed:"
    output_of peer
    return 1
}

# end_server: when the connection is over on both sides, for the server, too, which may have calls
# to make on one that was reset.
end_server() {
    until_true 20000 has_closed || true
    until_true 5000 both_are_calm || true
    kill "$(pid_of peer)" 2>/dev/null || true
    finish peer >/dev/null || true
    finish trace >/dev/null || true
}

# --- nginx: SHUT_WR after its answer, and then it reads until the client has closed ---

situation_nginx() {
    TITLE='nginx in its lingering close; we (curl) have read its end'
    MEASURE=measure_nginx
}

# The answer's length is told by its end only (SSI, HTTP/1.0): curl reads that before it closes.
start_nginx() {
    local dir=$BATS_TEST_TMPDIR
    echo hello >"$dir/index.html"
    cat >"$dir/nginx.conf" <<END
daemon off; master_process off; user root; pid $dir/nginx.pid; error_log $dir/error.log info;
events {}
http {
    access_log off; client_body_temp_path $dir/1; proxy_temp_path $dir/2;
    fastcgi_temp_path $dir/3; uwsgi_temp_path $dir/4; scgi_temp_path $dir/5;
    server {
        listen 127.0.0.1:$PORT; root $dir; default_type text/html; ssi on;
        lingering_close always;
    }
}
END
    start peer nginx -p "$dir" -c "$dir/nginx.conf"
    server_listens
}

measure_nginx() {
    start_nginx && start_trace || return
    [[ $(preload "$1" curl -s -0 "http://127.0.0.1:$PORT/" 2>/dev/null) == hello ]] || return
    end_server
    left
    echo "$1 | $(traced_calls 'shutdown[(]') | - | $THERE | $HERE"
}

# --- openssl s_server: a line, its answer, and close_notify (RFC 8446, section 6.1) ---

situation_tls() {
    TITLE='s_server, which answers our close_notify after our close'
    MEASURE='measure_tls oneway SIGSTOP'
}

situation_tls_both() {
    TITLE='s_server, half-closed after both have sent close_notify'
    MEASURE='measure_tls both shutdown[(]'
}

# A TLS client: MODE `oneway` does not wait for the other close_notify, `both` does, and then for
# the FIN.
TLS_CLIENT='
import os, socket, ssl, sys, time

port, step, mode = int(sys.argv[1]), sys.argv[2], sys.argv[3]

def wait_until(condition):
    end = time.monotonic() + 20
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)

def state():
    return tls.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]

tls = ssl._create_unverified_context().wrap_socket(socket.create_connection(("127.0.0.1", port)))
tls.sendall(b"hello\n")
assert tls.recv(100) == b"olleh\n"
open(step + ".answered", "w").close()
wait_until(lambda: os.path.exists(step + ".go"))
tls.setblocking(mode == "both")
try:
    plain = tls.unwrap()
except ssl.SSLWantReadError:
    plain = tls
if mode == "both":
    tls = plain
    wait_until(lambda: state() == 8)  # CLOSE_WAIT
plain.close()
'

# A certificate for a day, made once.
certificate() {
    local file=$BATS_FILE_TMPDIR/peer-view.pem
    (
        flock 9
        [[ -s $file ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 \
            -nodes -days 1 -subj /CN=localhost -keyout "$file.key" -out "$file.crt" 2>/dev/null
        [[ -s $file ]] || cat "$file".{key,crt} >"$file"
    ) 9>"$file.lock"
    echo "$file"
}

# stop_server: and wait until it has. What is in its socket's queue, it reads when it goes on.
stop_server() {
    kill -STOP "$(pid_of peer)"
    until_true "$WAIT_MS" grep -q 'stopped by SIGSTOP' "$BATS_TEST_TMPDIR/trace.txt"
}

go_on() {
    kill -CONT "$(pid_of peer)"
}

# measure_tls MODE MARK POLICY: in mode `oneway` the server is stopped while we close.
measure_tls() {
    start peer openssl s_server -accept "127.0.0.1:$PORT" -naccept 1 -rev \
        -cert "$(certificate)" -key "$(certificate)"
    server_listens && start_trace || return
    start us preload "$3" python3 -c "$TLS_CLIENT" "$PORT" "$STEP" "$1"
    until_true "$WAIT_MS" test -e "$STEP.answered" && until_true "$WAIT_MS" asleep peer || return
    [[ $1 == both ]] || stop_server || return
    end_ours || return
    [[ $1 == both ]] || go_on
    end_server
    left
    echo "$3 | $(traced_calls "$2") | - | $THERE | $HERE"
}
