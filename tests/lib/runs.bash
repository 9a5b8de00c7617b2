# shellcheck shell=bash
# What the tests of real programs share; loaded after helper, before daemons. Owns the arms, the
# measurement of one program under one arm, what is asserted of it and the records, from which
# `table` makes its table.
#
# A row is a program and a server. Under each arm it makes COUNT connections to an address that no
# other arm of the row uses, so that the TIME_WAIT entries counted are its own. A row has hundreds
# of steps: what they look at they read from /proc, since a process costs more than all of that.

COUNT=10                               # connections of a row under an arm
LEAVES=5                               # so many entries, at least, they leave without the library
RECORDS=$BUILD/programs                # a file of records for each test
PUBLIC=${BATS_FILE_TMPDIR-}/public     # what an ordinary user runs: the library, the launcher, clients
INPUT=                                 # of the program, when it reads its standard input
FILTER=                                # what its output passes through before it is compared
FIRST=                                 # what is preloaded before the library
before=()                              # what is done before the arm, with root's rights
MORE_PORTS=()                          # that count as the row's, besides PORT
rights=() variables=() way=() under=() # the arm: see use_arm
SERVER_LOG=     # of the row's server, which may complain of resets and the like there
SERVER_VERSION= # its name and version
plain_text=     # what the program printed without the library
unset -v LD_PRELOAD "${!NOTIMEWAIT_@}"

# Arms: without the library, by preload, by supervision; and the same as an ordinary user. With
# PROGRAMS_ALL every row has supervise:auto, too.
ARMS=(none auto fin-rst last-read supervise:fin-rst user:fin-rst user:supervise:fin-rst)

# use_arm ARM: sets `under`, which stands before a program, and its parts: rights, variables, way.
# An arm is a policy, or WAY:POLICY: supervise, both, or drop (NOTIMEWAIT_DEEPBIND). All are without
# CAP_NET_ADMIN; user:ARM is another user who has no rights at all. (A change of user forgets the
# parent-death signal, with which unshare --kill-child ends a server.)
use_arm() {
    local arm=$1
    rights=(setpriv --bounding-set=-net_admin --inh-caps=-net_admin) variables=() way=()
    if [[ $arm == user:* ]]; then
        arm=${arm#user:} variables=("HOME=$PUBLIC/home")
        rights=(setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all
            --pdeathsig=KILL)
    fi
    case $arm in
    none) ;;
    supervise:* | both:*) way=("$PUBLIC/notimewait" --by "${arm%%:*}" -p "${arm#*:}") ;;
    *) variables+=("LD_PRELOAD=${FIRST:+$FIRST:}$PUBLIC/libnotimewait.so" "NOTIMEWAIT_POLICY=${arm#*:}") ;;
    esac
    [[ $arm != drop:* ]] || variables+=(NOTIMEWAIT_DEEPBIND=drop)
    under=("${rights[@]}" env "${variables[@]}" "${way[@]}")
}

# be_plain: what follows is without the library, and root's.
be_plain() {
    rights=() variables=() way=() under=()
}

# --- programs ---

# once CMD..., each CMD...: runs it once or COUNT times under the arm, its output to $output;
# @HOST, @PORT and @COUNT stand for the row's.
once() {
    run_words "${before[@]}" "${under[@]}" "$@"
    "${words[@]}" <"$BATS_TEST_TMPDIR/input" >>"$output.$arm" 2>&1
}

# The loop is one process of the arm's; the programs alone have the variables.
each() {
    run_words "$@"
    # shellcheck disable=SC2016 # another shell's
    "${rights[@]}" "${way[@]}" bash -c '
        input=$1 count=$2 variables=("${@:4:$3}") status=0
        shift $(($3 + 3))
        for ((i = 0; i < count; i++)); do
            ([[ ${#variables[@]} -eq 0 ]] || export "${variables[@]}"
                exec "$@" <"$input") || status=$?
        done
        exit $status' each "$BATS_TEST_TMPDIR/input" "$COUNT" "${#variables[@]}" "${variables[@]}" \
        "${words[@]}" >>"$output.$arm" 2>&1
}

# run_words WORD...: sets words, with what stands for the row's replaced, and makes the input's file.
run_words() {
    words=("${@//@HOST/$HOST}")
    words=("${words[@]//@PORT/$PORT}")
    words=("${words[@]//@COUNT/$COUNT}")
    printf '%s' "$INPUT" >"$BATS_TEST_TMPDIR/input"
}

# all_only: skips what takes long, or needs large packages, without PROGRAMS_ALL=1.
all_only() {
    [[ -n ${PROGRAMS_ALL-} ]] || skip 'PROGRAMS_ALL is not set'
}

# --- what is seen ---

# sockets_held: sets held, to the number of sockets of the server's processes, which are in a PID
# namespace of their own. A socket that was reset has left the kernel's lists before the server has
# noticed, and complained.
sockets_held() {
    local process space fd
    space=/proc/$(pid_of server)/ns/pid_for_children
    held=0
    for process in /proc/[0-9]*; do
        [[ $process/ns/pid -ef $space ]] || continue
        for fd in "$process"/fd/*; do
            [[ ! -S $fd ]] || held=$((held + 1))
        done
    done
}

# count_sockets: sets client and server, the entries in TIME_WAIT with the row's address and ports, and
# alive, the sockets that are not.
count_sockets() {
    local at line lines file own peer state ports=("$PORT" "${MORE_PORTS[@]}")
    printf -v at '%04X|' "${ports[@]}"
    printf -v at '%02X00007F:(%s)' "${HOST##*.}" "${at%|}" # as /proc/net/tcp, and tcp6, have it
    alive=0 client=0 server=0
    for file in /proc/net/tcp /proc/net/tcp6; do
        [[ ! -r $file ]] || mapfile -t lines <"$file"
        for line in "${lines[@]}"; do
            [[ $line =~ $at ]] || continue
            read -r _ own peer state _ <<<"$line"
            if [[ $state != 06 ]]; then
                alive=$((alive + 1))
            elif [[ $peer =~ $at$ ]]; then
                client=$((client + 1))
            elif [[ $own =~ $at$ ]]; then
                server=$((server + 1))
            fi
        done
        lines=()
    done
}

# complaints: sets complained, to the number of such lines in the server's log.
complaints() {
    local line error='reset|broken pipe|ECONN|EPIPE|unexpected eof|prematurely|could not (send|receive)'
    complained=0
    shopt -s nocasematch
    while IFS= read -r line; do
        [[ ! $line =~ $error ]] || complained=$((complained + 1))
    done <"$SERVER_LOG"
    shopt -u nocasematch
}

quiet_host() {
    count_sockets
    [[ $alive -eq 0 ]]
}

server_idle() {
    sockets_held
    [[ $held -le $idle_sockets ]]
}

# settled: until both ends have finished, the server's processes too.
settled() {
    until_true 10000 quiet_host && until_true 10000 server_idle && return
    echo "not settled: the server has $held sockets, had $idle_sockets"
    ss -tanp exclude listening "src $HOST or dst $HOST"
    return 1
}

# --- rows ---

# row NAME PROGRAM once|each CMD...: the program under each arm, a server that runs already.
# With SERVER=FUNCTION the server is started anew under each arm, and the program is plain.
row() {
    local name=$1 program=$2 arm bad=0 number=0 words held alive
    local status plain_status same complained client server reasons goal
    local output=$BATS_TEST_TMPDIR/output arms=("${ARMS[@]}")
    shift 2
    rm -f "$output".*
    [[ -z ${PROGRAMS_ALL-} || " ${arms[*]} " == *' supervise:auto '* ]] || arms=(none supervise:auto "${ARMS[@]:1}")
    for arm in "${arms[@]}"; do
        number=$((number + 1))
        [[ $arm != user:* || -n $OTHER_USER ]] || continue
        HOST=127.0.0.$((number + 1))
        use_arm "$arm"
        [[ -z ${SERVER-} ]] || restart_server
        measure "$@"
        goal=met
        judge || bad=1 goal=missed
        record
    done
    be_plain
    return $bad
}

# restart_server: SERVER under the arm, in a directory that is the user's; what follows is plain.
restart_server() {
    [[ ! -s $BATS_TEST_TMPDIR/server.process ]] || stop_server
    [[ $arm != user:* ]] || chown -R 65534:65534 "$BATS_TEST_TMPDIR"
    new_port
    $SERVER
    be_plain
}

stop_server() {
    kill -KILL "$(pid_of server)"
    until_true 5000 has_ended server
}

# measure once|each CMD...: sets status, same (as without the library), client, server (TIME_WAIT
# entries), complained (lines).
measure() {
    local known idle_sockets
    complaints
    known=$complained
    sockets_held
    idle_sockets=$held
    [[ $idle_sockets -gt 0 ]] # it listens
    status=0
    "$@" || status=$?
    settled
    read_output
    complaints
    complained=$((complained - known))
    [[ $arm != none ]] || plain_status=$status
}

# read_output: sets same. The output must not name the arm's address.
read_output() {
    local text
    IFS= read -rd '' text <"$output.$arm" || true
    text=${text//$HOST/HOST}
    [[ -z $FILTER ]] || text=$($FILTER <<<"$text" || true)
    printf '%s' "$text" >"$output.$arm"
    [[ $arm != none ]] || plain_text=$text
    same=yes
    [[ $text == "$plain_text" ]] || same=no
}

# judge: the goal for the arm. What is not zero has to be in `remains`, with its reason.
judge() {
    local bad=0
    reasons=
    if [[ $arm == none || $arm == *auto && $((client + server)) -lt $LEAVES ]]; then
        [[ $((client + server)) -ge $LEAVES ]] && return
        echo "$name, $arm, leaves no TIME_WAIT: $client, $server; it printed:"
        cat "$output.$arm"
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
# there should outlive its reason. What an ordinary user leaves is judged as what root leaves.
may_remain() {
    local cell arms rows how why
    while read -r cell arms how why rows; do
        # shellcheck disable=SC2053 # patterns
        [[ $cell == "$1" && ${arm#user:} == $arms && $name == $rows ]] || continue
        [[ $2 -eq 0 ]] || reasons+="${reasons:+,}$1:$why"
        [[ $how == either && $((client + server)) -ge $LEAVES ]] && return
        [[ $how != either && $2 -gt 0 || $how == may ]] && return
        echo "$name, $arm, $1: $2, though 'remains' says $how ($why)"
        return 1
    done <tests/programs/remains
    [[ $2 -eq 0 ]] && return
    echo "$name, $arm: $2 remain: $1"
    return 1
}

# --- records ---

# record: the fields that `table` reads.
record() {
    local IFS=$'\t' file=${BATS_TEST_FILENAME##*/} fields
    fields=("$name" "$(version_of "$program")" "$SERVER_VERSION" "$arm" "$status" "$same" "$client"
        "$server" "$complained" "${reasons:--}" "$goal")
    printf -v file '%s/%s.%02d' "$RECORDS" "${file%.bats}" "$BATS_TEST_NUMBER"
    echo "${fields[*]}" >>"$file"
}

# begin_file: for setup_file: forgets the file's records, and puts what programs need where any user
# may run it. Sets OTHER_USER, if this user may become another.
begin_file() {
    local file=${BATS_TEST_FILENAME##*/}
    mkdir -p "$RECORDS" "$PUBLIC/home"
    rm -f "$RECORDS/${file%.bats}".*
    cp "$LIB" "$BUILD/notimewait" "$ACT" tests/programs/{client.*,fpm,mod-php,server.py} "$PUBLIC"
    chmod o+rx "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR/file" "$BATS_FILE_TMPDIR"
    chmod 777 "$PUBLIC/home"
    export OTHER_USER=
    use_arm user:off
    ! "${rights[@]}" test -x "$PUBLIC/notimewait" 2>/dev/null || OTHER_USER=yes
}

setup_file() {
    begin_file
}
