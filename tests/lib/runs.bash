# shellcheck shell=bash
# What the tests of real programs share; loaded after helper. Owns the arms, the measurement of
# one program under one arm, what is asserted of it and the records, from which `table` makes its
# table.
#
# A row is a program and a server. Under each arm it makes COUNT connections to an address that no
# other arm of the row uses, so that the TIME_WAIT entries counted are its own.

COUNT=20                   # connections of a row under an arm
RECORDS=$BUILD/programs    # a file of records for each file of tests
SERVER_LOG=                # of the row's server, which may complain of resets and the like there
SERVER_VERSION=            # its name and version
INPUT=                     # of the program, when it reads its standard input
FILTER="cat"               # what its output passes through before it is compared
under=()                   # what stands before a program: the arm
unset -v LD_PRELOAD "${!NOTIMEWAIT_@}"

# Arms: without the library, and policies.
ARMS=(none auto fin-rst last-read)

# use_arm ARM: sets `under`. Without CAP_NET_ADMIN, as an ordinary user's programs run. An arm is
# a policy, or WAY:POLICY: supervise, both, or drop (NOTIMEWAIT_DEEPBIND).
use_arm() {
    under=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin)
    case $1 in
    none) ;;
    supervise:* | both:*) under+=("$BUILD/notimewait" --by "${1%%:*}" -p "${1#*:}") ;;
    drop:*) under+=(env "LD_PRELOAD=$LIB" "NOTIMEWAIT_POLICY=${1#*:}" NOTIMEWAIT_DEEPBIND=drop) ;;
    *) under+=(env "LD_PRELOAD=$LIB" "NOTIMEWAIT_POLICY=$1") ;;
    esac
}

# --- programs ---

# once CMD..., each CMD...: runs it once or COUNT times under the arm, its output to $output;
# @HOST, @PORT and @COUNT stand for the row's.
once() {
    local cmd=("${@//@HOST/$HOST}")
    cmd=("${cmd[@]//@PORT/$PORT}")
    "${under[@]}" "${cmd[@]//@COUNT/$COUNT}" < <(printf '%s' "$INPUT") >>"$output.$arm" 2>&1
}

each() {
    local i status=0
    for ((i = 0; i < COUNT; i++)); do
        once "$@" || status=$?
    done
    return $status
}

# version_of PROGRAM: its name and version, as the table shows them.
version_of() {
    case $1 in
    act) getconf GNU_LIBC_VERSION ;;
    apache2) apache2 -v | sed -nE 's|.*Apache/([0-9.]+).*|Apache \1|p' ;;
    erl) erl -noshell -eval 'io:put_chars(["Erlang/OTP ", erlang:system_info(otp_release)]), halt().' ;;
    haproxy) haproxy -v | awk 'NR == 1 { print "HAProxy", $3 }' | sed 's/-.*//' ;;
    mariadb) mariadb --version | sed -E 's/.* ([0-9.]+)-MariaDB.*/MariaDB \1/' ;;
    memcached) memcached --version ;;
    mono) mono --version | awk 'NR == 1 { print "Mono", $5 }' ;;
    perl) perl -e 'printf "Perl %vd", $^V' ;;
    ruby) ruby -e 'print "Ruby ", RUBY_VERSION' ;;
    rustc) rustc --version | awk '{ print "Rust", $2 }' ;;
    go) go version | awk '{ sub(/^go/, "", $3); print "Go", $3 }' ;;
    musl) dpkg-query -W -f 'musl ${Version}' musl-tools | sed 's/-[^-]*$//' ;;
    php) php -r 'echo "PHP ", PHP_MAJOR_VERSION, ".", PHP_MINOR_VERSION;' ;;
    curl) curl --version | awk 'NR == 1 { print $1, $2 }' ;;
    java) java -version 2>&1 | awk -F '"' 'NR == 1 { print "OpenJDK", $2 }' ;;
    nc) dpkg-query -W -f 'netcat-openbsd ${Version}' netcat-openbsd | sed 's/-[^-]*$//' ;;
    nginx) nginx -v 2>&1 | sed 's|.*/|nginx |' ;;
    node) node --version | sed 's/^v/Node.js /' ;;
    openssl) openssl version | awk '{ print $1, $2 }' ;;
    psql) psql --version | awk '{ print "PostgreSQL", $3 }' ;;
    python3) python3 --version ;;
    slapd) slapd -VV 2>&1 | sed -n 's/.*slapd \([0-9.]*\).*/OpenLDAP \1/p' ;;
    squid) squid -v | awk 'NR == 1 { print "Squid", $4 }' ;;
    redis-*) redis-cli --version | awk '{ print "Redis", $2 }' ;;
    esac
}

# --- servers: each starts under `under`, sets SERVER_LOG, returns when it listens on PORT ---

# start_server PROGRAM CMD...: starts it in a PID and an IPC namespace of its own, with which all of its
# processes end when the test does.
start_server() {
    SERVER_LOG=$BATS_TEST_TMPDIR/server.out
    SERVER_VERSION=$(version_of "$1")
    start server unshare --pid --ipc --fork --kill-child "${under[@]}" "${@:2}"
}

# serve_python eof|now|fork|dns
serve_python() {
    need python3
    start_server python3 python3 tests/programs/server.py "$1" "$PORT"
    wait_output server '^ready' 20000
}

# serve_nginx [tls]: with one worker, which closes first when the client asks for that.
serve_nginx() {
    local dir=$BATS_TEST_TMPDIR ssl=
    need nginx
    [[ -z ${1-} ]] || ssl="ssl; ssl_certificate $dir/cert; ssl_certificate_key $dir/key"
    [[ -z $ssl ]] || certificate "$dir"
    cat >"$dir/nginx.conf" <<END
daemon off; user root; worker_processes 1; pid $dir/nginx.pid; error_log $dir/nginx.log info;
events { }
http {
    access_log off; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
    uwsgi_temp_path $dir; scgi_temp_path $dir;
    server { listen $PORT $ssl; location / { return 200 "hello\n"; } }
}
END
    rm -f "$dir/nginx.log"
    start_server nginx nginx -e "$dir/nginx.log" -c "$dir/nginx.conf"
    SERVER_LOG=$dir/nginx.log
    until_true 20000 grep -qs 'start worker process ' "$SERVER_LOG" || output_of server
    until_true 20000 listening
}

certificate() {
    openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=test -keyout "$1/key" -out "$1/cert" \
        2>/dev/null
}

serve_redis() {
    need redis-server
    start_server redis-cli redis-server --port "$PORT" --bind 0.0.0.0 --protected-mode no --save '' \
        --loglevel verbose --dir "$BATS_TEST_TMPDIR"
    wait_output server 'Ready to accept connections' 20000
}

# make_database: for setup_file. The server refuses to run as root; for another user, a directory in
# the file's has to be within reach.
make_database() {
    local bin=(/usr/lib/postgresql/*/bin) dir
    export DATABASE=$BATS_FILE_TMPDIR/database POSTGRES=${bin[-1]}
    for dir in "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$BATS_FILE_TMPDIR"; do
        [[ ! -d $dir ]] || chmod o+x "$dir"
    done
    mkdir "$DATABASE"
    chown nobody "$DATABASE"
    (cd "$DATABASE" && "${as_nobody[@]}" "$POSTGRES/initdb" -D "$DATABASE" -U nobody -A trust -N >&2)
}

# A change of user forgets the parent-death signal, with which unshare
# --kill-child ends a server.
as_nobody=(setpriv --reuid=nobody --regid=nogroup --clear-groups --pdeathsig=KILL)

serve_postgres() {
    cd "$DATABASE" || return
    start_server psql "${as_nobody[@]}" "$POSTGRES/postgres" -D "$DATABASE" -c listen_addresses='*' -c port="$PORT" \
        -c unix_socket_directories='' -c autovacuum=off -c max_logical_replication_workers=0 \
        -c dynamic_shared_memory_type=mmap -c log_connections=on -c fsync=off
    cd - >/dev/null || return
    wait_output server 'ready to accept connections' 30000
}

# serve_mariadb: its data stay until the test ends.
serve_mariadb() {
    local dir=$BATS_TEST_TMPDIR
    [[ -d $dir/data ]] || mariadb-install-db --no-defaults --user=root --datadir="$dir/data" \
        --auth-root-authentication-method=normal >/dev/null 2>&1
    start_server mariadb mariadbd --no-defaults --user=root --datadir="$dir/data" --port="$PORT" \
        --socket="$dir/socket" --skip-grant-tables --skip-networking=0
    until_true 60000 listening
}

listening() {
    [[ -n $(ss -Htln "sport = :$PORT") ]]
}

# --- what is seen ---

# family PID...: the processes and their descendants.
family() {
    local pid children
    for pid; do
        echo "$pid"
        mapfile -t children < <(pgrep -P "$pid")
        family "${children[@]}"
    done
}

# sockets_held: by the server's processes. A socket that was reset has left the kernel's lists
# before the server has noticed, and complained.
sockets_held() {
    family "$(pid_of server)" |
        xargs -I{} find /proc/{}/fd -lname 'socket:*' 2>/dev/null | wc -l
}

server_idle() {
    [[ $(sockets_held) -le $idle_sockets ]]
}

complaints() {
    grep -Eic 'reset|broken pipe|ECONN|EPIPE|unexpected eof|prematurely|could not (send|receive)' \
        "$SERVER_LOG" || true
}

# time_wait src|dst: entries whose own address, or whose peer's, is the server's.
time_wait() {
    ss -Htan state time-wait "$1 $HOST:$PORT" | wc -l
}

quiet_host() {
    [[ -z $(ss -Htan exclude time-wait exclude listening "src $HOST:$PORT or dst $HOST:$PORT") ]]
}

# settled: until both ends have finished, the server's processes too.
settled() {
    until_true 10000 quiet_host && until_true 10000 server_idle && return
    echo 'not settled:'
    ss -tanp exclude listening "src $HOST:$PORT or dst $HOST:$PORT"
    sockets_held
    return 1
}

# --- rows ---

# row NAME PROGRAM once|each CMD...: the program under each arm, a server that runs already.
# With SERVER=FUNCTION the server is started anew under each arm, and the program is plain.
row() {
    local name=$1 program=$2 arm bad=0 number=0
    local status plain_status same complained client server reasons
    local output=$BATS_TEST_TMPDIR/output
    shift 2
    rm -f "$output".*
    for arm in "${ARMS[@]}"; do
        number=$((number + 1))
        HOST=127.0.0.$((number + 1))
        use_arm "$arm"
        [[ -z ${SERVER-} ]] || restart_server
        measure "$@"
        judge || bad=1
        record
    done
    return $bad
}

# restart_server: SERVER under the arm; what follows is plain.
restart_server() {
    [[ ! -s $BATS_TEST_TMPDIR/server.pid ]] || stop_server
    new_port
    $SERVER
    under=()
}

stop_server() {
    kill -KILL "$(pid_of server)"
    until_true 5000 has_ended server
}

# measure once|each CMD...: sets status, same (as without the library), client, server (TIME_WAIT
# entries), complained (lines).
measure() {
    local before idle_sockets
    before=$(complaints)
    idle_sockets=$(sockets_held)
    [[ $idle_sockets -gt 0 ]] # it listens
    status=0
    "$@" || status=$?
    settled
    read_output
    complained=$(($(complaints) - before))
    client=$(time_wait dst)
    server=$(time_wait src)
    [[ $arm != none ]] || plain_status=$status
}

# read_output: sets same.
read_output() {
    sed "s/$HOST/HOST/g" "$output.$arm" | $FILTER >"$output" # an arm has its own
    mv "$output" "$output.$arm"
    same=yes
    cmp -s "$output.none" "$output.$arm" || same=no
}

# judge: the goal for the arm. What is not zero has to be in `remains`, with its reason.
judge() {
    local bad=0
    reasons=
    if [[ $arm == none ]]; then
        [[ $((client + server)) -ge $((COUNT / 2)) ]] && return
        echo "$name leaves no TIME_WAIT: $client, $server; it proves nothing. It printed:"
        cat "$output.none"
        return 1
    fi
    may_remain client "$client" || bad=1
    may_remain server "$server" || bad=1
    may_remain complaints "$complained" || bad=1
    if [[ $status != "$plain_status" || $same == no ]]; then
        echo "$name, $arm: status $status (without: $plain_status), output:"
        diff "$output.none" "$output.$arm" | head -n 20
        bad=1
    fi
    return $bad
}

# may_remain CELL COUNT: is it 0, or in `remains`? Those that always remain must, lest a line
# there should outlive its reason.
may_remain() {
    local cell arms rows how why
    while read -r cell arms how why rows; do
        # shellcheck disable=SC2053 # patterns
        [[ $cell == "$1" && $arm == $arms && $name == $rows ]] || continue
        [[ $2 -eq 0 ]] || reasons+="${reasons:+,}$1:$why"
        [[ $2 -gt 0 || $how == may ]] && return
        echo "$name, $arm, $1: 0, though 'remains' says always ($why)"
        return 1
    done < <(grep '^[a-z]' tests/programs/remains)
    [[ $2 -eq 0 ]] && return
    echo "$name, $arm: $2 remain: $1"
    return 1
}

# --- records ---

# record: the fields that `table` reads.
record() {
    local IFS=$'\t' file fields
    file=$(basename "$BATS_TEST_FILENAME" .bats)
    fields=("$name" "$(version_of "$program")" "$SERVER_VERSION" "$arm" "$status" "$same" "$client"
        "$server" "$complained" "${reasons:--}")
    mkdir -p "$RECORDS"
    echo "${fields[*]}" >>"$RECORDS/$file.$(printf '%02d' "$BATS_TEST_NUMBER")"
}

forget_records() {
    rm -f "$RECORDS/$(basename "$BATS_TEST_FILENAME" .bats)".*
}

setup_file() {
    forget_records
}
