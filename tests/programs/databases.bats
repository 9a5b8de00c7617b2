#!/usr/bin/env bats
# Redis and PostgreSQL, their own clients; and PostgreSQL's server under the library.

load ../lib/helper
load ../lib/runs
load ../lib/daemons

setup_file() {
    begin_file
    make_database
}

@test "redis-cli" {
    need redis-cli
    serve_redis
    row redis-cli redis-cli each redis-cli -h @HOST -p @PORT PING
}

@test "redis-benchmark -k 0" {
    need redis-benchmark
    serve_redis
    # Its figures are not comparable, the tests' names are.
    FILTER='cut -d, -f1' row 'redis-benchmark -k 0' redis-cli once redis-benchmark \
        -h @HOST -p @PORT -k 0 -c 4 -n @COUNT -t set,get --csv
}

@test "psql" {
    serve_postgres
    row psql psql each psql -h @HOST -p @PORT -U nobody -Atc 'SELECT 6 * 7' postgres
}

# Its client asks it to close first.
@test "PostgreSQL's server, which forks a process for each connection" {
    SERVER=serve_postgres row "PostgreSQL's server" psql each psql -h @HOST -p @PORT -U nobody \
        -Atc 'SELECT pg_terminate_backend(pg_backend_pid())' postgres
}
