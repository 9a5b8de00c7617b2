# Which ports of a block are taken over, together and one by one, and which are left alone. Each
# rule keeps two processes from one entry, or a peer that still reads from a reset.
load ../lib/helper

STEPS=$BUILD/tests/lease

@test "the oldest is taken, and kept from others; the rest is leased for 20 ms, the oldest first" {
    [[ $("$STEPS" entry:0:500 entry:1:900 entry:2:700 take pop pop pop) == '1 reserved,2,0,later' ]]
    [[ $("$STEPS" entry:0:500 entry:1:900 entry:2:700 take pass:19 pop pass:1 pop) == '1 reserved,2,later' ]]
    [[ $("$STEPS" entry:0:500 entry:1:900 entry:2:700 take refuse:2:1 pop pop) == '1 reserved,0,later' ]]
}

@test "where another's lease may be in use, nothing is leased" {
    # A young entry: the older ones are left alone.
    [[ $("$STEPS" entry:0:900 entry:1:199 take take) == '1 reserved,later' ]]
    [[ $("$STEPS" entry:0:900 entry:1:200 take pop) == '0 reserved,1' ]]
    [[ $("$STEPS" entry:0:900 entry:1:100 ages:150:60000 take pass:50 take) == 'later,1 reserved' ]]
    # A port that is not in TIME_WAIT, until it has been the same for as long.
    [[ $("$STEPS" live:1 entry:0:900 take pass:199 take pass:1 take) == 'later,later,0 reserved' ]]
    [[ $("$STEPS" live:1 entry:0:900 take pass:199 live:1 take pass:199 take pass:1 take) == \
        'later,later,later,0 reserved' ]]
}

@test "FIN_WAIT2 is not taken; nor what is too young, the kernel's, soon gone, or refused" {
    [[ $("$STEPS" orphan:0:900 entry:1:800 take pass:200 take pop young pass:300 take) == \
        'later,1 reserved,later,later,later' ]]
    [[ $("$STEPS" entry:0:999 ages:1000:60000 take pass:1 take) == 'later,0 reserved' ]]
    [[ $("$STEPS" entry:0:900 ages:20:900 take) == later ]]
    [[ $("$STEPS" entry:0:899 ages:20:900 take) == '0 reserved' ]]
    [[ $("$STEPS" entry:0:59901 take) == later && $("$STEPS" entry:0:59900 take) == '0 reserved' ]]
    [[ $("$STEPS" entry:0:900 entry:1:800 refuse:0:1 take refuse:0:0 take pass:1799 take pass:200 take \
        pass:1 take) == 'later,1 reserved,later,later,0 reserved' ]]
}

@test "young entries are remembered, and looked at again one by one" {
    [[ $("$STEPS" entry:0:100 entry:1:50 entry:2:150 take young young young) == \
        '2 reserved,0 reserved,1 reserved,later' ]]
    local now # another's by now, a connection, in FIN_WAIT2, old enough for a lease
    for now in entry:0:100 live:0 orphan:0:100 pass:100; do
        [[ $("$STEPS" entry:0:100 entry:1:150 take "$now" young) == '1 reserved,later' ]]
    done
}

@test "a block that another process looks at is left alone; without sock_diag nothing is taken" {
    [[ $("$STEPS" entry:0:900 kernel:1 take kernel:0:1 take kernel take) == 'later,blind,0 reserved' ]]
    [[ $("$STEPS" entry:0:100 entry:1:150 take kernel:1 young kernel:0:1 young) == '1 reserved,later,blind' ]]
}
