# Threads, forks, signal handlers, races and cancellation, every byte and result checked by the
# host program itself (tests/tools/stress.c); a short run of each under the policies that act most.
load ../lib/helper

# actions POLICY MODE: a pattern of those that are to be seen. What a fork shares is closed plainly.
actions() {
    case $1 in
    fin-rst) echo 'fin-rst?( none)' ;;
    abort | delay:*) [[ $2 == fork ]] && echo 'none rst' || echo '?(none )rst' ;;
    last-read | drain:*) echo 'none?( rst)' ;;
    *) echo none ;;
    esac
}

# survives MODE: the program finds nothing wrong without the library, nor with it.
survives() {
    local policy
    run timeout 60 "$BUILD/tests/stress" "$1" 200 3>&-
    echo "plain: $output"
    [[ $status -eq 0 ]]
    for policy in auto fin-rst last-read drain:50 abort delay:1 off; do
        NOTIMEWAIT_LOG=$LOG run preload "$policy" timeout 60 "$BUILD/tests/stress" "$1" 400 3>&-
        echo "$policy: $output"
        [[ $status -eq 0 && $output =~ ' exchanges, all as they should be'$ ]]
        [[ -s $LOG && $(jq -r .action "$LOG" | sort -u | xargs) == $(actions "$policy" "$1") ]]
        rm "$LOG"
    done
}

@test "32 threads open, use and close connections and files at once" {
    survives threads
}

@test "a program of many threads forks; its children close their copies" {
    survives fork
}

@test "signal handlers close, shut down, dup2, read, write and fork at any point" {
    survives signals
}

@test "a thread reads an fd while another closes it" {
    survives race
}

@test "threads are cancelled while they are blocked in a hooked call" {
    survives cancel
}
