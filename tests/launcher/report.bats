# notimewait report: what a board or logs say, by arm, and what differs.
# shellcheck disable=SC2154 # what run sets
load ../lib/helper
load ../lib/board
bats_require_minimum_version 1.5.0

# report OPTION...: in $output, and echoed for a failure's sake.
report() {
    run --separate-stderr "$START" report "$@"
    echo "$output"
    echo "$stderr"
}

# says FILTER: of the JSON.
says() {
    jq -c "$1" <<<"$output"
}

# two_arms: 40 connections under off, 20 under abort, 5 failed connects under off.
two_arms() {
    serve "$PORT" loop:60 "${answer[@]}" end
    NOTIMEWAIT_LOG=$LOG boarded off act loop:40 "connect:$PORT" "${exchange[@]}" end loop:5 connect:1 close end
    NOTIMEWAIT_LOG=$LOG boarded abort act loop:20 "connect:$PORT" "${exchange[@]}" end
    finish server
    settle "$PORT"
}

@test "--json of a board has exactly the fields of the design" {
    two_arms
    report --json "$BOARD"
    [[ $status -eq 0 && ${#lines[@]} -eq 1 && -z $stderr ]]
    [[ $(says keys_unsorted) == '["arms","differences"]' ]]
    [[ $(says '[.arms[]|keys_unsorted]|unique') == '[["policy","connections","closes","recycled","resets","connect_errors","io_errors","time_wait_now","connect_us","close_us"]]' ]]
    [[ $(says '[.arms[]|.connect_us,.close_us|keys_unsorted]|unique') == '[["p50","p90","p99","max"]]' ]]
    [[ $(says '[.arms[]|[.policy,.connections,.closes,.recycled,.resets,.connect_errors,.io_errors]]') == \
        '[["off",40,40,0,0,{"ECONNREFUSED":5},{}],["abort",20,20,0,20,{},{}]]' ]]
    # of the same peer, so the same for both: what the kernel has
    [[ $(says '[.arms[].time_wait_now]|unique') == "[$(time_wait_client "$PORT")]" ]]
    [[ $(says '[.arms[]|.connect_us,.close_us|0 < .p50 and .p50 <= .p90 and .p90 <= .p99 and .p99 <= .max]|unique') == '[true]' ]]
    [[ $(says '[.differences[]|keys_unsorted]|unique') == '[["policy","against","measure","estimate","low","high","verdict"]]' ]]
    [[ $(says '[.differences[].measure]') == '["connect_errors","io_errors","connect_us_p50","connect_us_p99","close_us_p50","close_us_p99"]' ]]
    [[ $(says '.differences[0]|[.policy,.against,(.estimate*9|round),.low < .estimate and .estimate < .high]') == '["abort","off",-1,true]' ]]
    [[ $(says '.differences[0].verdict') =~ ^\"no\ difference\ seen\;\ [0-9]+\ more\ connections\ would\ show\ one\ of\ [0-9.]+\ %\"$ ]]
}

@test "the table says the same, with a line for each errno" {
    two_arms
    report "$BOARD"
    [[ $status -eq 0 && $(head -n 1 <<<"$output" | xargs) == 'off abort' ]]
    grep -Eq '^connections +40 +20$' <<<"$output"
    grep -Eq '^failed connects +5 \(11 %\) +0$' <<<"$output"
    grep -Eq '^  ECONNREFUSED +5 \(11 %\) +0$' <<<"$output"
    grep -Eq '^reset by us +0 +20$' <<<"$output"
    grep -Eq '^abort against off, connect_errors: no difference seen; ' <<<"$output"
    [[ $(awk 'length > 120' <<<"$output") == '' ]]
}

@test "a difference is said in words, in the right direction" {
    serve "$PORT" loop:200 "${answer[@]}" end
    boarded off act loop:100 connect:1 close end loop:100 "connect:$PORT" "${exchange[@]}" end
    boarded auto act loop:100 "connect:$PORT" "${exchange[@]}" end
    report --json "$BOARD"
    [[ $(says '.differences[0]|[.low,.high]|map(. < 0)') == '[true,true]' ]]
    [[ $(says '.differences[0].verdict') =~ ^\"fewer\ failed\ connects\ than\ under\ off,\ by\ [0-9.]+\ to\ [0-9.]+\ %\ of\ all\"$ ]]
    report "$BOARD"
    [[ $output == *'auto against off, connect_errors: fewer failed connects than under off'* ]]
}

@test "logs: several files, and through a pipe; no failed connects in them: null" {
    two_arms
    cp "$LOG" "$BATS_TEST_TMPDIR/log.1"
    printf 'no record\n      \n{"pid":1}\n' >>"$LOG"
    report --json "$LOG" "$BATS_TEST_TMPDIR/log.1"
    [[ $status -eq 0 ]]
    [[ $(says '[.arms[]|[.policy,.connections,.closes,.resets,.connect_errors]]') == \
        '[["off",80,80,0,null],["abort",40,40,40,null]]' ]]
    [[ $(says '[.arms[].time_wait_now]|unique') == "[$(time_wait_client "$PORT")]" ]]
    [[ $(says '[.differences[].measure]') == '["connect_us_p50","connect_us_p99","close_us_p50","close_us_p99"]' ]]
    report "$LOG"
    [[ $output == *'2 lines are no records.'* ]]
    gzip -k "$LOG"
    run bash -c 'zcat "$1" | "$0" report --json -' "$START" "$LOG.gz"
    [[ $(says '[.arms[].connections]') == '[40,20]' ]]
    # the percentiles are those of the records, within a bucket
    [[ $(jq -s --argjson us "$(says '.arms[0].connect_us.p50')" \
        'map(select(.policy? == "off").connect_us) | sort | .[19] | . / $us | . > 0.9 and . < 1.1' \
        <(grep -h '"ts"' "$LOG")) == true ]]
}

@test "control characters in a log do not get to the terminal" {
    two_arms
    sed -i $'s/"policy":"abort"/"policy":"a\e[31mb\xc2\x9b32m"/' "$LOG"
    report "$LOG"
    [[ $status -eq 0 && $(grep -c '^a?\[31mb?32m against off, ' <<<"$output") -eq 4 ]]
    run ! env LC_ALL=C grep -aP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' <<<"$output"
}

@test "a log of any size takes no more memory: 200,000 records in 40 MB" {
    two_arms
    # 60 records, doubled
    cat "$LOG" >"$BATS_TEST_TMPDIR/big"
    while [[ $(wc -l <"$BATS_TEST_TMPDIR/big") -lt 200000 ]]; do
        cat "$BATS_TEST_TMPDIR/big" "$BATS_TEST_TMPDIR/big" >"$BATS_TEST_TMPDIR/bigger"
        mv "$BATS_TEST_TMPDIR/bigger" "$BATS_TEST_TMPDIR/big"
    done
    [[ $(stat -c %s "$BATS_TEST_TMPDIR/big") -gt 60000000 ]]
    run prlimit --as=41943040 "$START" report --json "$BATS_TEST_TMPDIR/big"
    [[ $status -eq 0 && $(says '[.arms[].connections]|add') -eq $(wc -l <"$BATS_TEST_TMPDIR/big") ]]
}

@test "--openmetrics is what prometheus_client's parser reads; ends with # EOF" {
    two_arms
    [[ -e /usr/lib/python3/dist-packages/prometheus_client ]] || need python3-prometheus-client
    report --openmetrics "$BOARD"
    [[ ${lines[-1]} == '# EOF' ]]
    run /usr/bin/python3 - <(echo "$output") <<'END'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
families = {f.name: f for f in text_string_to_metric_families(open(sys.argv[1]).read())}
for name, kind in [('connections', 'counter'), ('closes', 'counter'), ('connect_errors', 'counter'),
                   ('io_errors', 'counter'), ('recycled', 'counter'), ('resets', 'counter'),
                   ('time_wait', 'gauge'), ('connect_seconds', 'histogram'), ('close_seconds', 'histogram')]:
    assert families['notimewait_' + name].type == kind, name
samples = {(s.name, s.labels['policy'], s.labels.get('errno'), s.labels.get('le')): s for f in families.values() for s in f.samples}
assert samples['notimewait_connections_total', 'off', None, None].value == 40
assert samples['notimewait_connections_total', 'off', None, None].labels['program'] == 'act'
assert samples['notimewait_connect_errors_total', 'off', 'ECONNREFUSED', None].value == 5
assert samples['notimewait_connect_seconds_count', 'abort', None, None].value == 20
assert 0 < samples['notimewait_connect_seconds_sum', 'abort', None, None].value < 20
print('read', len(families))
END
    echo "$output"
    [[ $output == 'read 10' ]]
}

@test "--prometheus is what promtool accepts; --output is written beside and renamed" {
    need promtool
    two_arms
    report --prometheus --output "$BATS_TEST_TMPDIR/notimewait.prom" "$BOARD"
    [[ $status -eq 0 && -z $output && $(grep -c EOF "$BATS_TEST_TMPDIR/notimewait.prom") -eq 0 ]]
    [[ $(echo "$BATS_TEST_TMPDIR"/notimewait.prom*) == "$BATS_TEST_TMPDIR/notimewait.prom" ]]
    run promtool check metrics <"$BATS_TEST_TMPDIR/notimewait.prom"
    echo "$output"
    [[ $status -eq 0 ]]
    grep -qx 'notimewait_connections_total{policy="abort",program="act"} 20' "$BATS_TEST_TMPDIR/notimewait.prom"
    report --json --output /nonexistent/file "$BOARD"
    [[ $status -eq 1 && $stderr == 'notimewait: /nonexistent/file: No such file or directory' ]]
}

@test "--output: a pipe is written to, and a link leads where it did" {
    two_arms
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    ln -s target "$BATS_TEST_TMPDIR/link"
    echo old >"$BATS_TEST_TMPDIR/target"
    start reader cat "$BATS_TEST_TMPDIR/pipe"
    report --json --output "$BATS_TEST_TMPDIR/pipe" "$BOARD"
    [[ $status -eq 0 && -p $BATS_TEST_TMPDIR/pipe ]]
    [[ $(finish reader | jq '.arms | length') -eq 2 ]]
    report --json --output "$BATS_TEST_TMPDIR/link" "$BOARD"
    [[ $status -eq 0 && -L $BATS_TEST_TMPDIR/link ]]
    [[ $(jq '.arms | length' "$BATS_TEST_TMPDIR/target") -eq 2 ]]
    report --json --output /dev/stdout "$BOARD"
    [[ $status -eq 0 && $(jq '.arms | length' <<<"$output") -eq 2 ]]
    (echo before && "$START" report --json --output /dev/stdout "$BOARD" && echo after) >"$BATS_TEST_TMPDIR/file"
    [[ $(sed '2d' "$BATS_TEST_TMPDIR/file") == $'before\nafter' ]]
    [[ $(sed -n '2p' "$BATS_TEST_TMPDIR/file" | jq '.arms | length') -eq 2 ]]
    ln -s new "$BATS_TEST_TMPDIR/dangling"
    report --json --output "$BATS_TEST_TMPDIR/dangling" "$BOARD"
    [[ $status -eq 0 && -L $BATS_TEST_TMPDIR/dangling && $(jq '.arms | length' "$BATS_TEST_TMPDIR/new") -eq 2 ]]
    # a file that has no name any more; /dev/fd/5 is a link
    run bash -c 'exec 5<>"$1" && rm "$1" && "$2" report --json --output /dev/fd/5 "$3" &&
        jq ".arms | length" /dev/fd/5' sh "$BATS_TEST_TMPDIR/target" "$START" "$BOARD"
    [[ $status -eq 0 && $output == 2 ]]
    report --json --output /dev/full "$BOARD"
    [[ $status -eq 1 && $stderr == 'notimewait: /dev/full: No space left on device' && -c /dev/full ]]
}

@test "names that another user wrote to a board do no harm" {
    "$START" board "$BOARD"
    python3 - "$BOARD/counters" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(128)
    f.write(struct.pack('=II', 2, 0) + b'\x1b[31m"\\\n' + b'p' * 96 + b'\xff' * 32 + struct.pack('=Q', 7))
END
    report "$BOARD"
    [[ $status -eq 0 && $output != *$'\e'* ]]
    report --json "$BOARD"
    [[ $(says '.arms[0].connections') -eq 7 ]]
    report --openmetrics "$BOARD"
    [[ $output == *'program="?[31m\"\\?pppp'* ]]
}

@test "an empty board, none, and bad usage" {
    "$START" board "$BOARD"
    report "$BOARD"
    [[ $status -eq 0 && $output == 'No connection yet.' ]]
    report --json "$BOARD"
    [[ $output == '{"arms":[],"differences":[]}' ]]
    report "$SHM"
    [[ $status -eq 1 && $stderr == "notimewait: $SHM/counters: No such file or directory" ]]
    cp "$LIB" "$SHM/counters"
    report "$SHM"
    [[ $status -eq 1 && $stderr == "notimewait: $SHM: it is no board of this version" ]]
    report
    [[ $status -eq 2 ]]
    report --watch --output x "$BOARD"
    [[ $status -eq 2 ]]
    report --watch "$BOARD"
    [[ $status -eq 1 && $stderr == 'notimewait: --watch needs a terminal' ]]
}

@test "--watch redraws on a terminal: value, rates; follows its size; q ends and restores" {
    two_arms
    run timeout 60 python3 - "$START" report --watch "$BOARD" <<'END'
import fcntl, os, pty, re, select, struct, sys, termios, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
def size(rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
def until(pattern):
    got = b''
    while not re.search(pattern, got, re.S):
        assert select.select([fd], [], [], 20)[0], got
        got += os.read(fd, 65536)
    return got
# Frames come at any time: those of the size before, too.
def until_fits(rows, columns):
    for _ in range(20):
        frame = re.search(rb'\x1b\[H([^H]*)\x1b\[H', until(rb'\x1b\[H[^H]*\x1b\[H'))[1]
        lines = frame.replace(b'\x1b[K', b'').split(b'\r\n')
        if len(lines) == rows and max(map(len, lines)) <= columns:
            return lines
    raise AssertionError(lines)
got = until(rb'\x1b\[H.*connections +40 +0.0 +0.0.*\x1b\[H.*q: quit.*\x1b\[H')
assert b'\x1b[2J' not in got.split(b'\x1b[H', 2)[2]  # drawn over: no flicker
until_fits(24, 80)  # a terminal that tells no size
for rows, columns in (40, 100), (5, 30):
    size(rows, columns)
    lines = until_fits(rows, columns)
assert max(map(len, lines)) == 30, lines
os.write(fd, b'q')
got = until(rb'\x1b\[\?1049l')
print(os.waitpid(pid, 0)[1], 'ended')
END
    echo "$output"
    [[ $output == '0 ended' ]]
}
