# shellcheck shell=bash
# For tests that repeat themselves under every policy; loaded after helper. Owns the list of
# policies, with waits short enough to try them all, and a quick look into the log.

ALL=(off fin-rst auto last-read drain:50 drain-eof:50 abort delay:20 linger:2 reap)

# TCP_LINGER2 of a connection for which nobody has set it.
UNSET_LINGER2=$(</proc/sys/net/ipv4/tcp_fin_timeout)

# each_policy CMD...: runs CMD with $policy and a fresh $PORT for each policy, or for each of
# those in $ONLY.
each_policy() {
    for policy in ${ONLY-"${ALL[@]}"}; do
        echo "$policy:"
        # shellcheck disable=SC2034 # for the tests
        new_port
        "$@"
    done
}

# linger2_under POLICY: TCP_LINGER2 of a connection that the application has left as it was.
linger2_under() {
    case $1 in
    fin-rst) echo -1 ;;
    *) echo "$UNSET_LINGER2" ;;
    esac
}

# logged FIELD...: the fields of all records in $LOG, a line each; nothing without a log.
logged() {
    [[ ! -e $LOG ]] || awk -v names="$*" '
        {
            n = split(names, name, " ")
            for (i = 1; i <= n; i++) {
                value = $0
                if (!sub(".*\"" name[i] "\":\"?", "", value))
                    value = "(no " name[i] ")"
                sub("\"?[,}].*", "", value)
                printf "%s%s", value, i < n ? " " : "\n"
            }
        }' "$LOG"
}
