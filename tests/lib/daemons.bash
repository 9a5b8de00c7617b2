# shellcheck shell=bash
# The servers that the tests of real programs start; loaded after runs. Owns how each is started
# under an arm, where its log is, and how versions are asked for.
# shellcheck disable=SC2034,SC2154 # what runs has: SERVER_VERSION, under, arm

# --- versions ---

# version_of PROGRAM: its name and version, as the table shows them; asked for once a file.
version_of() {
    local known=$BATS_FILE_TMPDIR/version.$1
    [[ -s $known ]] || ask_version "$1" >"$known"
    echo "$(<"$known")"
}

ask_version() {
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
    sshd) ssh -V 2>&1 | sed 's/p[0-9].*//; s/_/ /' ;;
    vsftpd) dpkg-query -W -f 'vsftpd ${Version}' vsftpd | sed 's/-[^-]*$//' ;;
    chromium) chromium --version | awk '{ print $1, $2 }' ;;
    squid) squid -v | awk 'NR == 1 { print "Squid", $4 }' ;;
    redis-*) redis-cli --version | awk '{ print "Redis", $2 }' ;;
    esac
}

# --- servers: each starts under `under`, sets SERVER_LOG, returns when it listens on PORT ---

# mounted COMMANDS: sets `before`, so that these mounts are the program's own. The shell stays: a
# server that changes its user forgets the signal with which unshare --kill-child ends it.
mounted() {
    # shellcheck disable=SC2016 # another shell's
    before=(unshare -m sh -c "$1"$'\n"$@"; exit $?' mounted)
}

# start_server PROGRAM CMD...: starts it in a PID and an IPC namespace of its own, with which all of
# its processes end when the test does.
start_server() {
    SERVER_LOG=$BATS_TEST_TMPDIR/server.out
    SERVER_VERSION=$(version_of "$1")
    start server unshare --pid --ipc --fork --kill-child "${before[@]}" "${under[@]}" "${@:2}"
}

# serve_python eof|mute|now|fork|dns
serve_python() {
    need python3
    start_server python3 python3 "$PUBLIC/server.py" "$1" "$PORT"
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
    rm -f "$dir/nginx.log" "$dir/nginx.pid"
    start_server nginx nginx -e "$dir/nginx.log" -c "$dir/nginx.conf"
    SERVER_LOG=$dir/nginx.log
    until_true 20000 grep -qs 'start worker process ' "$SERVER_LOG" || output_of server
    until_true 20000 listening
}

# serve_apache: it half-closes and waits for its client's end.
serve_apache() {
    local dir=$BATS_TEST_TMPDIR
    mkdir -p "$dir/htdocs"
    echo hello >"$dir/htdocs/index.html"
    cat >"$dir/apache.conf" <<END
ServerRoot /usr/lib/apache2
PidFile $dir/apache.pid
ErrorLog $dir/apache.log
ServerName localhost
LoadModule mpm_event_module modules/mod_mpm_event.so
LoadModule authz_core_module modules/mod_authz_core.so
StartServers 1
ServerLimit 1
MaxRequestWorkers 25
Listen $PORT
DocumentRoot $dir/htdocs
END
    chmod -R o+rX "$dir"
    rm -f "$dir"/apache.{log,pid} # of a server that was killed
    start_server apache2 apache2 -f "$dir/apache.conf" -D FOREGROUND
    SERVER_LOG=$dir/apache.log
    until_true 20000 grep -qs 'resuming normal operations' "$SERVER_LOG" || output_of server
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

# make_database: once for a file. The server refuses to run as root.
make_database() {
    local bin=(/usr/lib/postgresql/*/bin)
    export DATABASE=$BATS_FILE_TMPDIR/database POSTGRES=${bin[-1]}
    mkdir "$DATABASE" 2>/dev/null || return 0 # it is there
    chown nobody "$DATABASE"
    (cd "$DATABASE" && "${as_nobody[@]}" "$POSTGRES/initdb" -D "$DATABASE" -U nobody -A trust -N >&2)
}

# For what does not run as root (the signal: see use_arm).
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --pdeathsig=KILL)

serve_postgres() {
    [[ ${arm-} != user:* ]] || local as_nobody=() # it is already
    rm -f "$DATABASE/postmaster.pid" # of a server that was killed
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
