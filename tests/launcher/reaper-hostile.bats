# Who can make notimewait --reap remove what, whatever way the command is reached: a process below
# that has other rights than the launcher loses its own entries at most, and nobody else's go.
# shellcheck disable=SC2016 # the commands' own variables
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait
ways=(preload supervise both)

# Where another user can read the library, and run the programs.
prepare() {
    setpriv --reuid=65534 --clear-groups true || skip 'there is no other user here'
    public=$(mktemp -d -p /tmp)
    chmod 755 "$public"
    cp "$START" "$LIB" "$ACT" "$BUILD/tests/intruder" "$public"
}

clean_up() {
    [[ -z ${public-} ]] || rm -r "$public"
}

other_user=(setpriv --reuid=65534 --clear-groups)

# serve_pairs N: the other end of N connections that end by our close.
serve_pairs() {
    serve "$PORT" "loop:$1" accept readn:10 write:10 readall close end
}

# made_elsewhere: a connection that is nobody's under the launcher, in TIME_WAIT; prints its cookie.
made_elsewhere() {
    serve_pairs 1
    act "connect:$PORT" write:10 readn:10 close >/dev/null
    finish server >/dev/null
    settle "$PORT"
    ss -Htane state time-wait "dport = :$PORT" | sed -n 's/.*sk:\([0-9a-f]*\).*/0x\1/p'
}

# reaping CMD...: CMD under the launcher; what it has told by its end is removed by then.
reaping() {
    run "$public/notimewait" --by "$way" --reap -- "$@"
    echo "$way: $output"
    [[ $status -eq 0 ]]
}

@test "a process with other rights than the launcher can name no connection: others' entries stay" {
    local cookie way
    for way in "${ways[@]}"; do
        new_port
        cookie=$(made_elsewhere)
        [[ $cookie == 0x* ]]
        reaping "$public/intruder" "$cookie" 65534
        [[ $(time_wait_client "$PORT") -eq 1 ]]
        [[ $output == *'system call 0'*'its memory 0'*'its files 0'*'shared mappings 0'* ]]
        # Nor can one of the launcher's own user that has given up its rights.
        reaping setpriv --bounding-set=-all --inh-caps=-all "$public/intruder" "$cookie" 0
        [[ $(time_wait_client "$PORT") -eq 1 && $output == *'system call 0'* ]]
    done
    # The ways are the right ones: a process with the launcher's rights may use them.
    for way in "${ways[@]}"; do
        new_port
        cookie=$(made_elsewhere)
        reaping "$public/intruder" "$cookie" 0
        [[ $output == *'system call 1'* && $(time_wait_client "$PORT") -eq 0 ]]
    done
}

# inherits CMD...: CMD, of another user, gets the fd 9 of a connection that this shell has made,
# which no launcher knows.
inherits() {
    serve_pairs 1
    exec 9<>"/dev/tcp/127.0.0.1/$PORT"
    reaping "${other_user[@]}" "$public/act" "$@" 9>&9
    exec 9>&-
    settle "$PORT"
}

@test "a process that hands over another one's connection, in any state: its entry stays" {
    local way
    for way in supervise both; do
        PORT=$(port)
        # connect() while it is connected; and in TIME_WAIT, when its cookie is known (ss asks for it)
        inherits fd:9 "connect:$PORT" write:10 readn:10 system:'ss -tane >/dev/null' shutdown:wr \
            wait-state:CLOSE "connect:$PORT"
        [[ $(grep -c '^connect -1 EISCONN' <<<"$output") -eq 2 && $(time_wait_client "$PORT") -eq 1 ]]
    done
}

@test "a process of another user loses its own entries at most; those beside it are removed" {
    local way
    for way in "${ways[@]}"; do
        PORT=$(port)
        serve_pairs 2
        reaping sh -c '"$@"; exec "$0" "$5" write:10 readn:10 close' "$public/act" \
            "${other_user[@]}" "$public/act" "connect:$PORT" write:10 readn:10 close
        finish server >/dev/null
        settle "$PORT"
        # From outside its own are seen; its library cannot tell of them.
        [[ $(time_wait_client "$PORT") -eq $([[ $way == supervise ]] && echo 0 || echo 1) ]]
        [[ $(grep -c 'cannot be reached' <<<"$output") -eq $(time_wait_client "$PORT") ]]
    done
}
