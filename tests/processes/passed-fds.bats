#!/usr/bin/env bats
# Sockets that come from another process: by SCM_RIGHTS, inetd and LISTEN_FDS. Under every policy
# every byte arrives, and what is shared gets a plain close, or fin-rst under that.
# shellcheck disable=SC2154 # each_policy sets policy

load ../lib/helper
load ../lib/each-policy
load ../lib/holders

# --- passed through a unix socket ---

# The child of a fork before the connection receives it; or passes it.
passed() {
    reader
    holder socketpair:q use:b fork recvfd:q "wait-file:$BATS_TEST_TMPDIR/go" writen:400000 end \
        use:c "connect:$PORT" sendfd:a"$1" close "sync:$BATS_TEST_TMPDIR/go" wait
    delivered 400000
    shared_only
}

@test "SCM_RIGHTS: the receiver serves after the sender's close" {
    each_policy passed ''
    ONLY='fin-rst abort' each_policy passed :mmsg
}

@test "SCM_RIGHTS: the sender serves after the receiver's close" {
    sender_serves() {
        reader
        holder socketpair:q use:b fork recvfd:q close end use:c "connect:$PORT" sendfd:a wait \
            "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy sender_serves
}

@test "SCM_RIGHTS: a child passes its own connection to its parent" {
    child_passes() {
        reader
        holder socketpair:q use:b fork "connect:$PORT" sendfd:q close end recvfd:a wait \
            "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy child_passes
}

@test "SCM_RIGHTS: an fd received in place of a closed connection is not taken for it" {
    in_place() {
        reader 2
        # The number of the first is received for the second, which belongs to the child, too.
        holder socketpair:q use:b fork "connect:$PORT" sendfd:q "wait-file:$BATS_TEST_TMPDIR/go" \
            "writen:400000" end use:c "connect:$PORT" write:1000 close-raw recvfd:a close \
            "sync:$BATS_TEST_TMPDIR/go" wait
        delivered 1000
        delivered 400000
        [ "$(logged via)" = exit ] # the child's
    }
    each_policy in_place
}

# --- inherited ---

# A server's connection becomes fds 0 and 1 of the program that it executes.
inetd() {
    rm -f "$LOG" "$BATS_TEST_TMPDIR/go"
    NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept quiet dup2:0 dup2:1 close \
        "exec:$1" "${@:2}"
}

@test "SCM_RIGHTS: a socket that was passed stays shared when it disconnects and connects again" {
    policy=abort
    reader 2
    holder use:c socketpair:q use:a "connect:$PORT" sendfd:q connect-unspec "connect:$PORT" \
        write:1000 wait-acked close
    delivered 1000
    [[ $(logged via reason) == $'disconnect disconnect\nclose shared' ]]
}

@test "inetd: a program that knows only fds 0 and 1 gets and sends all" {
    cat_echoes() {
        inetd cat
        run act "connect:$PORT" "writen:300000" shutdown:wr readslow:65536:1
        [ "${lines[3]}" = 'readslow 300000 EOF' ]
        finish server
        shared_only
        [ "$(logged program fd role)" = 'cat 1 unknown' ]
    }
    each_policy cat_echoes
}

@test "inetd: the close of fd 0 is no end while fd 1 is open" {
    two_fds() {
        inetd "$ACT" quiet fd:0 readn:4 writen:100000 close "sync:$BATS_TEST_TMPDIR/go" fd:1 \
            writen:200000 close
        run act "connect:$PORT" write:4 readslow:65536:1
        [ "${lines[2]}" = 'readslow 300000 EOF' ]
        finish server
        [ "$(logged via fd last_op role)" = 'close 1 write unknown' ]
        shared_only
    }
    each_policy two_fds
}

@test "inetd: exit leaves no TIME_WAIT under fin-rst" {
    no_time_wait() {
        inetd "$ACT" quiet fd:0 readn:4 writen:300000
        run act "connect:$PORT" write:4 readall close
        [ "${lines[2]}" = 'readall 300000 EOF' ]
        finish server
        settle "$PORT"
        [ -z "$(states "$PORT")" ]
        [ "$(logged via action reason)" = 'exit fin-rst exit' ]
    }
    ONLY=fin-rst each_policy no_time_wait
}

# systemd's way: fd 3, named in the environment. $1 is the pid it is meant for, as sh has it.
listen_fds() {
    rm -f "$LOG"
    NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept quiet dup2:3 exec:sh -c \
        "LISTEN_FDS=1 LISTEN_PID=$1 exec \"\$0\" \"\$@\"" "$ACT" fd:3 writen:400000 close
    run act "connect:$PORT" readslow:65536:1
    [ "${lines[1]}" = 'readslow 400000 EOF' ]
    finish server
}

@test "LISTEN_FDS: a connection that is passed is known, and shared" {
    known() {
        # shellcheck disable=SC2016 # for sh
        listen_fds '$$'
        [ "$(logged via fd role)" = 'close 3 unknown' ]
        shared_only
    }
    each_policy known
}

@test "LISTEN_FDS for another process is not looked at" {
    unknown() {
        listen_fds 1
        [ -z "$(logged via)" ]
    }
    each_policy unknown
}

@test "LISTEN_FDS: what a passed listener accepts is its process's own" {
    accepted() {
        rm -f "$LOG"
        # shellcheck disable=SC2016 # for sh
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" dup2:3@l exec:sh -c \
            'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"' "$ACT" fd:3@l accept writen:1000 \
            wait-acked getlinger close
        run act "connect:$PORT" readslow:65536:1
        [[ ${lines[1]} =~ ^'readslow 1000 '(EOF|ECONNRESET)$ ]]
        finish server | grep -x 'getlinger 0:0'
        [ "$(logged via role)" = 'close server' ]
        if [[ $policy == abort ]]; then
            [ "$(logged action reason)" = 'rst abort' ]
        fi
    }
    each_policy accepted
}

# accepts_from FD ENVIRONMENT: a program whose policy is $policy accepts from a listener that had
# TCP_LINGER2 -1 before it began; prints the option of what was accepted.
accepts_from() {
    PORT=$(port)
    serve_preload "$policy" "$PORT" linger2:-1@l "dup2:$1@l" exec:sh -c \
        "$2 exec \"\$0\" \"\$@\"" "$ACT" "fd:$1@l" accept getlinger2 close
    act "connect:$PORT" readall close >/dev/null
    finish server
}

@test "what a listener that was armed before accepts goes by the program's own policy" {
    armed_before() {
        # shellcheck disable=SC2016 # for sh
        accepts_from 3 'LISTEN_FDS=1 LISTEN_PID=$$' | grep -x "getlinger2 $(linger2_under "$policy")"
        accepts_from 5 '' | grep -x "getlinger2 $(linger2_under "$policy")" # which it does not know
    }
    ONLY='auto fin-rst last-read' each_policy armed_before
}
