#!/usr/bin/env bats
# Redis and PostgreSQL, their own clients.

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
