# For how long the supervisor keeps a port from others that it has taken for a connect(), whose end it
# does not see.
load ../lib/helper

STEPS=$BUILD/tests/guard

@test "10 ms, and up to 100 while the entry is there; a look every 10 ms" {
    [[ $("$STEPS" call:1 hold:1 pass:9 gone pass:1) == '0 held,1 free' ]]
    [[ $("$STEPS" call:1 hold:1 pass:10 pass:10 gone pass:10) == '1 held,1 held,1 free' ]]
    [[ $("$STEPS" call:1 hold:1 pass:50 pass:49 pass:10) == '1 held,1 held,0 free' ]]
}

@test "the thread has made another call: its connect() is over, without a look" {
    [[ $("$STEPS" call:1 hold:1 pass:5 call:1 pass:5) == '0 held,0 free' ]]
    [[ $("$STEPS" call:1 hold:1 pass:10 call:1 pass:10) == '1 held,0 free' ]]
    # other threads' calls say nothing of it, nor do those of one that has its place
    [[ $("$STEPS" call:1 call:2 hold:1 call:2 pass:10) == '1 held' ]]
    [[ $("$STEPS" call:1 call:257 hold:1 pass:10 call:1 pass:10) == '1 held,1 held' ]]
    [[ $("$STEPS" call:1 hold:1 call:257 pass:10) == '1 held' ]]
}
