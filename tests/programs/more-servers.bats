#!/usr/bin/env bats
# Large servers under the library, and clients of their own, with PROGRAMS_ALL=1.
# shellcheck disable=SC2034 # what row uses

load ../lib/helper
load ../lib/runs
load ../lib/daemons

prepare() {
    all_only
    DIR=$BATS_TEST_TMPDIR
}

fetch() {
    each curl -sS -H 'Connection: close' "http://@HOST:@PORT/$1"
}

@test "Apache httpd" {
    need apache2
    SERVER=serve_apache row 'Apache httpd' apache2 fetch index.html
}

# serve_behind: what a proxy connects to, at the row's address and $behind; it closes last.
serve_behind() {
    behind=$(port)
    MORE_PORTS=("$behind")
    start behind python3 tests/programs/server.py eof "$behind"
    wait_output behind '^ready' 20000
}

@test "HAProxy, which connects to a server itself" {
    local behind
    need haproxy
    serve_behind
    serve_haproxy() {
        cat >"$DIR/haproxy.cfg" <<END
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    option httpclose
listen all
    bind :$PORT
    server one $HOST:$behind
END
        start_server haproxy haproxy -db -f "$DIR/haproxy.cfg"
        SERVER_LOG=$DIR/server.out
        until_true 20000 listening
    }
    SERVER=serve_haproxy row HAProxy haproxy fetch ''
}

@test "squid, which connects to a server itself" {
    local behind
    need squid
    serve_behind
    serve_squid() {
        cat >"$DIR/squid.conf" <<END
http_port $PORT accel defaultsite=test
cache_peer $HOST parent $behind 0 no-query originserver
http_access allow all
cache deny all
client_persistent_connections off
server_persistent_connections off
pinger_enable off
netdb_filename none
pid_filename none
access_log none
cache_log stdio:$DIR/squid.log
coredump_dir $DIR
visible_hostname test
END
        chmod o+rwx "$DIR"
        # What it leaves in shared memory when it is killed would stop the next one.
        local before
        mounted 'mount -t tmpfs none /dev/shm && chmod 1777 /dev/shm'
        start_server squid squid -N -f "$DIR/squid.conf"
        until_true 30000 listening
    }
    SERVER=serve_squid row squid squid fetch ''
}

@test "MariaDB: its client, by preload and supervised" {
    need mariadbd
    need mariadb
    ARMS=(none auto fin-rst last-read supervise:auto supervise:fin-rst user:fin-rst user:supervise:fin-rst)
    serve_mariadb
    row MariaDB mariadb each mariadb --no-defaults --skip-ssl -h @HOST -P @PORT -Ne 'SELECT 6 * 7'
}

@test "MariaDB's server" {
    need mariadbd
    need mariadb
    SERVER=serve_mariadb row "MariaDB's server" mariadb each mariadb --no-defaults --skip-ssl -h @HOST -P @PORT \
        -Ne 'SELECT 6 * 7'
}
