#!/usr/bin/env bats
# PHP, whose extensions are loaded with RTLD_DEEPBIND: by each way. Its streams are the program's own.
# Most of it runs with PROGRAMS_ALL=1.
# shellcheck disable=SC2034 # what row uses

load ../lib/helper
load ../lib/runs

ARMS=(none auto fin-rst supervise:fin-rst both:fin-rst drop:fin-rst)

prepare() {
    need php
    DIR=$BATS_TEST_TMPDIR
}

# all_only CMD
all_only() {
    [[ -n ${PROGRAMS_ALL-} ]] || skip 'PROGRAMS_ALL is not set'
    need "$1"
}

# php_row NAME HOW
php_row() {
    row "$1" php once php tests/programs/client.php "$2" @HOST @PORT @COUNT
}

@test "PHP's curl" {
    serve_python eof
    php_row 'PHP curl' curl
}

@test "PHP's sockets" {
    all_only php
    serve_python eof
    php_row 'PHP sockets' sockets
}

@test "PHP's streams" {
    all_only php
    serve_python eof
    php_row 'PHP streams' stream
}

@test "a worker of php-fpm" {
    local fpm=(/usr/sbin/php-fpm*)
    need "${fpm[-1]}"
    need cgi-fcgi
    serve_python eof
    row 'PHP-FPM curl' php once tests/programs/fpm "${fpm[-1]}" tests/programs/client.php curl @HOST @PORT @COUNT
}

@test "PHP's mysqli" {
    all_only mariadbd
    serve_mariadb
    php_row 'PHP mysqli' mysqli
}

@test "PHP's pgsql" {
    all_only php
    make_database
    serve_postgres
    php_row 'PHP pgsql' pgsql
}

@test "PHP's ldap" {
    all_only slapd
    echo 'include /etc/ldap/schema/core.schema' >"$DIR/slapd.conf"
    start_server slapd slapd -d 0 -f "$DIR/slapd.conf" -h "ldap://0.0.0.0:$PORT"
    until_true 20000 listening
    php_row 'PHP ldap' ldap
}

@test "PHP's memcached" {
    all_only memcached
    start_server memcached memcached -u root -l 0.0.0.0 -p "$PORT"
    until_true 20000 listening
    php_row 'PHP memcached' memcached
}
