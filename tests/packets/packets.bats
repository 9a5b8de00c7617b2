#!/usr/bin/env bats
# Every packet of a connection, from captures: under each policy, and for the seven techniques
# when the client's own code does them. `packets.bash` has the words. A new policy needs a row in
# each of the first six tests.
# shellcheck disable=SC2034 # `sends` uses them

load ../lib/helper
load ../lib/packets

# --- the policies ---

@test "after a write: the peer reads to the end" {
    ROLE=client
    OURS='write:8 wait-acked close'
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0')
    sends 'off auto reap linger:2 last-read drain-eof:50' \
        '> FIN,ACK 9 1 0' '< ACK 1 10 0' '< FIN,ACK 1 10 0' '> ACK 10 2 0' 'left client'
    sends 'fin-rst' '> FIN,ACK 9 1 0' '< ACK 1 10 0' '> RST 10 - 0' 'left none'
    sends 'drain:60000 abort delay:1' '> RST,ACK 9 1 0' 'left none'
    all_policies_covered
}

@test "after the reply was read: the peer reads to the end" {
    ROLE=client
    OURS="write:8 wait-acked sync:$STEP.1 readn:8 wait-file:$STEP.2 close"
    THEIRS="readn:8 wait-file:$STEP.1 write:8 wait-acked sync:$STEP.2 readall
        wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< PSH,ACK 1 9 8' '> ACK 9 9 0')
    sends 'off auto reap linger:2 drain-eof:50' \
        '> FIN,ACK 9 9 0' '< ACK 9 10 0' '< FIN,ACK 9 10 0' '> ACK 10 10 0' 'left client'
    sends 'fin-rst' '> FIN,ACK 9 9 0' '< ACK 9 10 0' '> RST 10 - 0' 'left none'
    sends 'last-read drain:60000 abort delay:1' '> RST,ACK 9 9 0' 'left none'
    all_policies_covered
}

@test "as the server that replies and closes first" {
    ROLE=server
    OURS="readn:8 wait-file:$STEP.1 write:8 wait-acked close"
    THEIRS="write:8 wait-acked sync:$STEP.1 readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< PSH,ACK 1 9 8' '> ACK 9 9 0')
    sends 'off auto reap linger:2 last-read drain-eof:50' \
        '< FIN,ACK 9 9 0' '> ACK 9 10 0' '> FIN,ACK 9 10 0' '< ACK 10 10 0' 'left server'
    sends 'fin-rst' '< FIN,ACK 9 9 0' '> ACK 9 10 0' '< RST 10 - 0' 'left none'
    sends 'drain:60000 abort delay:1' '< RST,ACK 9 9 0' 'left none'
    all_policies_covered
}

@test "after the peer's close" {
    ROLE=client
    OURS="write:8 wait-acked sync:$STEP.1 readall wait-file:$STEP.acked close"
    THEIRS="readn:8 wait-file:$STEP.1 close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< FIN,ACK 1 9 0' '> ACK 9 2 0')
    sends 'off reap linger:2 fin-rst auto' '> FIN,ACK 9 2 0' '< ACK 2 10 0' 'left server'
    sends 'last-read drain:60000 drain-eof:60000 abort delay:1' '> RST,ACK 9 2 0' 'left none'
    all_policies_covered
}

@test "with a byte unread" {
    ROLE=client
    OURS="write:8 wait-acked sync:$STEP.1 wait-unread:1 wait-file:$STEP.2 close"
    THEIRS="readn:8 wait-file:$STEP.1 write:1 wait-acked sync:$STEP.2 readall
        wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< PSH,ACK 1 9 1' '> ACK 9 2 0')
    sends 'fin-rst' '> FIN,ACK 9 2 0' '< ACK 2 10 0' '> RST 10 - 0' 'left none'
    sends 'drain-eof:50' \
        '> FIN,ACK 9 2 0' '< ACK 2 10 0' '< FIN,ACK 2 10 0' '> ACK 10 3 0' 'left client'
    sends 'off auto reap linger:2 last-read drain:60000 abort delay:1' \
        '> RST,ACK 9 2 0' 'left none'
    all_policies_covered
}

@test "after our own half-close" {
    ROLE=client
    OURS='write:8 wait-acked shutdown:wr wait-state:FIN_WAIT2 close'
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '> FIN,ACK 9 1 0' '< ACK 1 10 0')
    sends 'off auto reap linger:2 last-read drain-eof:50' '< FIN,ACK 1 10 0' '> ACK 10 2 0' 'left client'
    sends 'fin-rst drain:60000 abort delay:1' '> RST,ACK 10 1 0' 'left none'
    all_policies_covered
}

# --- the techniques, without the library ---

@test "1 to 4: plain, reset, reset after a sleep, waiting" {
    ROLE=client
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0')
    plain=('> FIN,ACK 9 1 0' '< ACK 1 10 0' '< FIN,ACK 1 10 0' '> ACK 10 2 0' 'left client')
    OURS='write:8 wait-acked close'
    sends none "${plain[@]}"
    OURS='linger:1:0 write:8 wait-acked close'
    sends none '> RST,ACK 9 1 0' 'left none'
    OURS='linger:1:0 write:8 wait-acked sleep:1 close'
    sends none '> RST,ACK 9 1 0' 'left none'
    OURS='linger:1:5 write:8 wait-acked close'
    sends none "${plain[@]}"
}

@test "5: a byte left unread, which came before the close or after it" {
    ROLE=client
    OURS="linger:1:1 write:8 wait-acked sync:$STEP.1 wait-unread:1 wait-file:$STEP.2 close"
    THEIRS="readn:8 wait-file:$STEP.1 write:1 wait-acked sync:$STEP.2 readall"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< PSH,ACK 1 9 1' '> ACK 9 2 0')
    sends none '> RST,ACK 9 2 0' 'left none'
    [[ $(output_of theirs | tail -n 1) == 'readall 0 ECONNRESET' ]]

    OURS='linger:1:5 write:8 wait-acked close'
    THEIRS="readn:8 readall wait-file:$STEP.go write:1 wait-state:CLOSE write:1"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '> FIN,ACK 9 1 0' '< ACK 1 10 0')
    sends none '< PSH,ACK 1 10 1' '> RST 10 - 0' 'left none'
    [[ $(output_of theirs | tail -n 3 | paste -sd' ') == \
        'write 1 wait-state CLOSE write -1 EPIPE' ]]
}

@test "6: FIN then reset, by hand: before the peer's FIN comes, and after it, too late" {
    ROLE=client
    OURS='linger:1:0 write:8 wait-acked shutdown:wr wait-state:FIN_WAIT2 close'
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '> FIN,ACK 9 1 0' '< ACK 1 10 0')
    sends none '> RST,ACK 10 1 0' 'left none'
    [[ $(output_of theirs) == *'readn 8'*'readall 0 EOF'* ]]

    OURS="linger:1:0 write:8 wait-acked shutdown:wr wait-state:FIN_WAIT2 sync:$STEP.1
        wait-state:CLOSE close"
    THEIRS="readn:8 readall wait-file:$STEP.1 close"
    sends none '< FIN,ACK 1 10 0' '> ACK 10 2 0' 'left client'
}

@test "6: FIN then reset, by the kernel: the peer has read all before the reset" {
    ROLE=client
    OURS='linger2:-1 write:8 wait-acked close'
    THEIRS="readn:8 readall wait-file:$STEP.go close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0')
    sends none '> FIN,ACK 9 1 0' '< ACK 1 10 0' '> RST 10 - 0' 'left none'
    [[ $(output_of theirs) == *'readn 8'*'readall 0 EOF'* ]]
}

@test "7: the last thing was a read, then reset: the server closed before, or still reads" {
    ROLE=client
    OURS="linger:1:0 write:8 wait-acked sync:$STEP.1 readn:8 sync:$STEP.2 wait-state:CLOSE_WAIT
        wait-file:$STEP.acked close"
    THEIRS="readn:8 wait-file:$STEP.1 write:8 wait-acked wait-file:$STEP.2 close"
    BEFORE=('> PSH,ACK 1 1 8' '< ACK 1 9 0' '< PSH,ACK 1 9 8' '> ACK 9 9 0')
    sends none '< FIN,ACK 9 9 0' '> ACK 9 10 0' '> RST,ACK 9 10 0' 'left none'

    OURS="linger:1:0 write:8 wait-acked sync:$STEP.1 readn:8 wait-file:$STEP.2 close"
    THEIRS="readn:8 wait-file:$STEP.1 write:8 wait-acked sync:$STEP.2 readall"
    sends none '> RST,ACK 9 9 0' 'left none'
    [[ $(output_of theirs | tail -n 1) == 'readall 0 ECONNRESET' ]]
}

# --- the tools ---

@test "a capture has what was sent from ready to the signal, and is a pcap file" {
    start capture "$CAPTURE" lo "$BATS_TEST_TMPDIR/wire.pcap"
    wait_output capture '^ready'
    serve "$PORT" loop:20 accept readall close end
    act loop:20 "connect:$PORT" write:1000 close end
    finish server
    kill "$(pid_of capture)"
    run finish capture
    [[ $status -eq 0 && $output =~ packets=([0-9]+)' dropped=0' ]]
    "$BUILD/tests/packets" "$BATS_TEST_TMPDIR/wire.pcap" >"$BATS_TEST_TMPDIR/wire"
    [[ $(wc -l <"$BATS_TEST_TMPDIR/wire") -eq ${BASH_REMATCH[1]} ]]
    [[ $(grep -c ' > SYN 0 - 0$' "$BATS_TEST_TMPDIR/wire") -eq 20 ]]
    [[ $(grep -c ' > PSH,ACK 1 1 1000$' "$BATS_TEST_TMPDIR/wire") -eq 20 ]]
    head -c -1 "$BATS_TEST_TMPDIR/wire.pcap" >"$BATS_TEST_TMPDIR/short.pcap"
    run "$BUILD/tests/packets" "$BATS_TEST_TMPDIR/short.pcap"
    [[ $status -eq 1 && $output == *'cut short'* ]]
}
