# What a peer on libslirp sees of our close, in every situation and under every policy:
# each cell is listed in stacks.expected, and `auto` does what `off` does.
# shellcheck disable=SC2034 # for stack.bash
STACK=slirp
load ../lib/stack

@test "fact 14: behind: queued data, and a close at once" {
    cell queued
}

@test "blocked in read() after its reply" {
    cell reply
}

@test "fact 14: a slow reader, whose window is full" {
    cell window
}

@test "writes twice after our close" {
    cell late
}

@test "has half-closed, and reads our answer" {
    cell half
}

@test "answers our half-close, and closes" {
    cell half_ours
}
