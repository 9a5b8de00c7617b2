# A child that runs in its parent's memory, but with fds of its own: nothing that it does changes
# what the parent's connections get.
load ../lib/helper

WAYS=(close dup2 dup3 dup fcntl socket connect accept listen linger shutdown read write rights
    connection close_range closefrom number fclose rlimit unshare prctl syscall)

# unharmed MODE: the one from before is shared, with the last operation that the parent saw; the
# one from afterwards is the parent's alone.
unharmed() {
    local way
    for way in "${WAYS[@]}"; do
        new_port
        rm -f "$LOG"
        serve "$PORT" time-limit:20 loop:4 accept readn:5 write:1 end
        NOTIMEWAIT_LOG=$LOG run preload abort "$BUILD/tests/inside" "$1" "$PORT" "$way"
        echo "$way: $output"
        cat "$LOG"
        [[ $status -eq 0 && $output == 'child 0' ]]
        [[ $(jq -r '[.via, .action, .reason, .last_op] | join(" ")' "$LOG") == \
            $'close none shared write\nclose rst abort write' ]]
        kill "$(pid_of server)" || true
    done
}

@test "a child of vfork" {
    unharmed vfork
}

@test "a child of clone(CLONE_VM)" {
    unharmed clone
}

@test "a child of clone(CLONE_VM) that runs at the same time" {
    unharmed beside
}
