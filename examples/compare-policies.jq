# Compares the policies of a roll-out by the log (NOTIMEWAIT_LOG), one line for each:
#
#   NOTIMEWAIT_POLICY='off@90|auto@10' NOTIMEWAIT_LOG=/var/log/close.json ./legacy-client
#   jq -rs -f compare-policies.jq /var/log/close.json
#
# TIME_WAIT is a prediction: what the action, in the state found, leaves on this host. See ROLLOUT.md.
def percentile($p): sort | .[(length * $p / 100 | ceil) - 1] // 0;
def leaves_time_wait: .unread == 0 and .reason != "reap" and (.action == "none" or .action == "linger")
    and (.state | IN("ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSING"));

["policy", "closes", "TIME_WAIT", "recycled", "resets", "unacked", "close p50 us", "p99 us", "reasons"],
(group_by(.policy)[] | [
    .[0].policy,
    length,
    (map(select(leaves_time_wait)) | length),
    (map(select(.recycled)) | length),
    (map(select(.action == "rst")) | length),
    (map(select(.unacked > 0 and .action == "rst")) | length),
    (map(.close_us // empty) | percentile(50)),
    (map(.close_us // empty) | percentile(99)),
    (group_by(.reason) | map("\(.[0].reason) \(length)") | join(", "))
]) | @tsv
