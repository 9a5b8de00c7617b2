# A client that binds a port of its own, with SO_REUSEADDR, and connects again at once, while the
# kernel may still hold its last connection: under no policy is it worse off than without us.
load ../lib/helper
load ../lib/each-policy

share_cpu # our FIN meets no close() of the peer that goes on on another CPU: its ACK would be late

policy=off # each_policy sets it

# again REPLY STEP...: 10 connections to a server of these steps; sets `late`, how many of them did
# not get the port at once, or ($ACKED) once the FIN of the last one was acknowledged.
again() {
    serve "$PORT" quiet loop:10 accept readn:1 "${@:2}" end
    run "${under[@]}" "$BUILD/tests/rebind" "$PORT" "$((PORT + 20000))" 10 "$1" ${ACKED:+acked}
    echo "$1: $output"
    [[ $output =~ connections=10' late='([0-9]+) ]]
    late=${BASH_REMATCH[1]}
    finish server >/dev/null
}

with_policy() {
    under=(env LD_PRELOAD="$LIB" NOTIMEWAIT_POLICY="$policy")
    [[ $policy != plain ]] || under=()
    again "$@"
}

@test "the server closes first, and the client has read that: never late" {
    never() {
        with_policy eof write:1 close
        [[ $late -eq 0 ]]
    }
    ONLY="plain ${ALL[*]}" each_policy never
}

@test "the client closes first: not late any more when its FIN is acknowledged" {
    acknowledged() {
        ACKED=1 with_policy reply write:1 readall close
        [[ $late -eq 0 ]]
    }
    ONLY='plain off auto fin-rst drain-eof:10 reap' each_policy acknowledged
}

@test "the same, and nothing is left that could be late: linger, and what resets" {
    nothing_left() {
        with_policy reply write:1 readall close
        [[ $late -eq 0 ]]
    }
    ONLY='last-read drain abort delay:1 linger:2' each_policy nothing_left
}
