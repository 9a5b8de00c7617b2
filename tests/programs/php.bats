#!/usr/bin/env bats
# PHP, whose extensions are loaded with RTLD_DEEPBIND: by each way. Its streams are the program's own.
# Most of it runs with PROGRAMS_ALL=1.
# shellcheck disable=SC2034 # what row uses

load ../lib/helper
load ../lib/runs
load ../lib/daemons

ARMS=(none auto fin-rst supervise:fin-rst both:fin-rst drop:fin-rst user:fin-rst user:supervise:fin-rst)

prepare() {
    need php
    DIR=$BATS_TEST_TMPDIR
}

# php_row NAME HOW
php_row() {
    row "$1" php once php "$PUBLIC/client.php" "$2" @HOST @PORT @COUNT
}

# fpm_row NAME HOW: the same in a worker of php-fpm.
fpm_row() {
    local fpm=(/usr/sbin/php-fpm*)
    need "${fpm[-1]}" cgi-fcgi
    row "$1" php once "$PUBLIC/fpm" "${fpm[-1]}" "$PUBLIC/client.php" "$2" @HOST @PORT @COUNT
}

serve_ldap() {
    need slapd
    echo 'include /etc/ldap/schema/core.schema' >"$DIR/slapd.conf"
    start_server slapd slapd -d 0 -f "$DIR/slapd.conf" -h "ldap://0.0.0.0:$PORT"
    until_true 20000 listening
}

serve_memcached() {
    need memcached
    start_server memcached memcached -u root -l 0.0.0.0 -p "$PORT"
    until_true 20000 listening
}

# bindings KEEP_OR_DROP PROGRAM: "FILE SYMBOL WHERE" of all that the loader binds (ld.so(8)) when the
# program loads its extensions.
bindings() {
    rm -f "$DIR"/bindings.*
    LD_DEBUG=bindings LD_DEBUG_OUTPUT=$DIR/bindings LD_BIND_NOW=1 NOTIMEWAIT_DEEPBIND=$1 preload off "$2" -m >"$DIR/$1.modules"
    sed -n "s/.*binding file \([^ ]*\) \[0\] to \([^ ]*\) \[0\]: normal symbol .\([^']*\)'.*/\1 \3 \2/p" \
        "$DIR"/bindings.* | sort -u
}

# What DEEPBIND=drop may break is what binds elsewhere then.
@test "DEEPBIND=drop: what the extensions here bind to is the library, or the same function as before" {
    local program programs=("$(command -v php)" /usr/sbin/php-fpm*) real
    for program in "${programs[@]}"; do
        [[ -x $program ]] || continue
        bindings keep "$program" >"$DIR/keep"
        bindings drop "$program" >"$DIR/drop"
        diff "$DIR"/{keep,drop}.modules
        comm -13 "$DIR/keep" "$DIR/drop" >"$DIR/moved"
        echo "$program: $(grep -c . "$DIR/drop.modules") lines of modules, $(wc -l <"$DIR/drop") bindings," \
            "$(grep -c "libnotimewait.so$" "$DIR/moved") to the library; others that moved:"
        grep -q "libnotimewait.so$" "$DIR/moved" # it has dropped it
        # libm and libc share some.
        run grep -vE '(libnotimewait\.so|/lib[cm]\.so\.6)$' "$DIR/moved"
        echo "$output"
        [[ -z $output ]]
    done
}

@test "PHP's curl" {
    serve_python eof
    php_row 'PHP curl' curl
}

@test "PHP's sockets" {
    serve_python eof
    php_row 'PHP sockets' sockets
}

@test "PHP's streams" {
    serve_python eof
    php_row 'PHP streams' stream
}

@test "a worker of php-fpm, by curl" {
    serve_python eof
    fpm_row 'PHP-FPM curl' curl
}

@test "a worker of php-fpm, by sockets" {
    serve_python eof
    fpm_row 'PHP-FPM sockets' sockets
}

@test "Apache's mod_php" {
    all_only
    need apache2 curl
    serve_python eof
    row 'PHP in Apache, curl' php once "$PUBLIC/mod-php" "$PUBLIC/client.php" curl @HOST @PORT @COUNT
}

@test "PHP's mysqli" {
    all_only
    need mariadbd
    serve_mariadb
    php_row 'PHP mysqli' mysqli
}

@test "a worker of php-fpm, by mysqli" {
    all_only
    need mariadbd
    serve_mariadb
    fpm_row 'PHP-FPM mysqli' mysqli
}

@test "PHP's pgsql" {
    all_only
    make_database
    serve_postgres
    php_row 'PHP pgsql' pgsql
}

@test "a worker of php-fpm, by pgsql" {
    all_only
    make_database
    serve_postgres
    fpm_row 'PHP-FPM pgsql' pgsql
}

@test "PHP's ldap" {
    all_only
    serve_ldap
    php_row 'PHP ldap' ldap
}

@test "a worker of php-fpm, by ldap" {
    all_only
    serve_ldap
    fpm_row 'PHP-FPM ldap' ldap
}

@test "PHP's memcached" {
    all_only
    serve_memcached
    php_row 'PHP memcached' memcached
}

@test "a worker of php-fpm, by memcached" {
    all_only
    serve_memcached
    fpm_row 'PHP-FPM memcached' memcached
}
