# What the library adds, exactly and on any machine: instructions per call, counted by callgrind
# (tests/bench/cost.c), at start-up, and memory. System calls are in cost.bats. What is printed
# here is what README's "Cost" says.
load ../lib/helper

NONE=$BUILD/tests/bench/none.so # a preload that does nothing

# count NAME [VARIABLE=VALUE...]: counts every call under the library, with these variables, into
# the file NAME: "CALL KIND TIMES INSTRUCTIONS" each. Name none: without it.
count() {
    local out=$BATS_FILE_TMPDIR/$1 preload=("LD_PRELOAD=$LIB" "${@:2}")
    [[ $1 != none ]] || preload=()
    mkdir "$out.d"
    env "${preload[@]}" valgrind -q --tool=callgrind --callgrind-out-file="$out.d/out" \
        "$BUILD/tests/bench/cost" >"$out.said" 2>&1 || { cat "$out.said" && return 1; }
    awk '/^desc: Trigger: Client Request:/ { name = $5 " " $6 " " $7 }
         /^summary:/ && name { print name, $2; name = "" }' "$out".d/out.* >"$out"
}

setup_file() {
    count none
    count auto
    count last-read NOTIMEWAIT_POLICY=last-read
    count off NOTIMEWAIT_POLICY=off
    count log NOTIMEWAIT_LOG="$BATS_FILE_TMPDIR/log.json"
    count board NOTIMEWAIT_BOARD=/dev/shm/notimewait-budget-$$
    count rules NOTIMEWAIT_RULES="$(printf 'peer=10.1.%d.0/24 port=80 => off;' {1..200})"
    count slot NOTIMEWAIT_BOARD=/dev/shm/notimewait-budget-$$ NOTIMEWAIT_POLICY='auto|auto' \
        NOTIMEWAIT_SPLIT=slot:10
    rm -rf /dev/shm/notimewait-budget-$$
}

# adds NAME CALL KIND: prints the instructions that are added to one call, to a tenth: the slope
# from 100 calls to 300, where each count is the last of its kind.
adds() {
    awk -v call="$2 $3" '
        FNR == 1 { file++ }
        $1 " " $2 == call { last[file, $3] = $4 }
        function slope(file) {
            if (!last[file, 300]) exit bad = 1
            return (last[file, 300] - last[file, 100]) / 200
        }
        END { if (!bad) printf "%.1f\n", slope(2) - slope(1) }' \
        "$BATS_FILE_TMPDIR/none" "$BATS_FILE_TMPDIR/$1"
}

# at_most LIMIT NAME CALL KIND...: prints what each kind costs; fails above the limit.
at_most() {
    local limit=$1 name=$2 call=$3 kind added status=0
    shift 3
    for kind; do
        added=$(adds "$name" "$call" "$kind") || { echo "$call $kind was not counted" && return 1; }
        echo "$name: $call of a $kind: $added instructions, at most $limit"
        [[ ${added%.*} -lt $limit || ${added/./} -eq $((limit * 10)) ]] || status=1
    done
    return $status
}

@test "read, write, send, recv: at most 3 instructions, on any fd" {
    at_most 3 auto read file pipe tcp
    at_most 3 auto write file unix tcp
    at_most 3 auto recv unix tcp
    at_most 3 auto send unix tcp
    at_most 3 off read file tcp
    at_most 3 off write file tcp
}

@test "the same where the last operation is noted (last-read, LOG): 12 unless it is TCP" {
    local name
    for name in last-read log; do
        at_most 12 "$name" read file pipe
        at_most 12 "$name" write file unix
        at_most 12 "$name" recv unix
        at_most 12 "$name" send unix
        # After the call, its result has to be looked at: what is needed then is kept meanwhile.
        at_most 36 "$name" read tcp
        at_most 36 "$name" write tcp
        at_most 40 "$name" recv tcp
        at_most 40 "$name" send tcp
    done
}

@test "close of what is not TCP: at most 20 instructions, also of UDP, which has an entry" {
    local name
    for name in auto last-read log off; do
        at_most 20 "$name" close file pipe unix udp
    done
}

@test "dup and fclose of a file: at most 30 instructions; a TCP socket" {
    at_most 30 auto dup file
    at_most 30 auto fclose file
    at_most 180 auto dup tcp
    at_most 180 auto close tcp
    at_most 200 auto fclose tcp
}

# more NAME CALL KIND: how many instructions more than under auto.
more() {
    awk -v a="$(adds auto "$2" "$3")" -v b="$(adds "$1" "$2" "$3")" 'BEGIN { printf "%.0f\n", b - a }'
}

@test "a board: at most 1,000 instructions more for a connection, under slots 1,600" {
    local name connect close limit
    for name in board slot; do
        connect=$(more "$name" connect tcp)
        close=$(more "$name" close tcp)
        limit=$([[ $name == board ]] && echo 1000 || echo 1600)
        echo "$name: connect $connect, close $close more instructions, at most $limit"
        [[ $connect -gt 0 && $close -gt 0 && $((connect + close)) -le $limit ]]
    done
    # What it costs where it is not named: nothing.
    at_most 30 board close udp
    at_most 20 board close file
}

@test "200 rules: at most 5,000 instructions more for a connection" {
    local connect
    connect=$(more rules connect tcp)
    echo "connect: $connect more instructions"
    [[ $connect -gt 200 && $connect -le 5000 ]]
}

# started PRELOAD: the instructions of a program that does nothing. Most of what a library adds
# is libc's work, and differs by its version.
started() {
    env LD_PRELOAD="$1" valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$ACT" say:x 2>&1 | awk '/Collected/ { print $NF }'
}

@test "start-up: at most 100,000 instructions more than an empty preload" {
    local empty ours
    empty=$(started "$NONE")
    ours=$(started "$LIB")
    echo "$((ours - empty)) more than the $empty with an empty preload"
    [[ $empty -gt 0 && $ours -gt $empty && $((ours - empty)) -le 100000 ]]
}

# anonymous PRELOAD: the KiB of a server that waits which no other process shares: what it has
# written to.
anonymous() {
    start server env LD_PRELOAD="$1" "$BUILD/examples/legacy-server" --port 0
    wait_output server '^ready ' || return
    awk '/^Anonymous:/ { sum += $2 } END { print sum }' "/proc/$(pid_of server)/smaps"
    kill "$(pid_of server)"
    finish server >/dev/null
}

@test "memory: at most 64 KiB in an idle process, 128 bytes per connection" {
    local without ours
    without=$(anonymous '')
    ours=$(anonymous "$LIB")
    echo "KiB: $without; $ours with the library"
    [[ $ours -gt $without && $((ours - without)) -le 64 ]]
    # The slot of its fd is 8 bytes.
    run gdb -batch -ex 'print sizeof(struct conn)' "$LIB"
    echo "$output"
    [[ ${output##* } -gt 0 && ${output##* } -le 120 ]]
}
