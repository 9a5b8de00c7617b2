# examples/rollout: its text, command by command, and what lies beside it.
# shellcheck disable=SC2154 # what run sets
load ../lib/helper
load ../lib/board

# commands: the text's, a line each (a \ joins two), on this test's board and files.
commands() {
    sed -n 's/^    //p' examples/rollout/README.md | sed ':a; /\\$/{N; s/\\\n */ /; ba}' |
        sed "s#/run/your-client#$BOARD#g; s#/var/lib/prometheus/node-exporter/#$BATS_TEST_TMPDIR/#g"
}

# expect COMMAND: what there is after a command of the text; its output is in $output.
expect() {
    local after
    case $1 in
    *' check '*) [[ $output == *your-client* ]] ;;
    *' ab '*) [[ -s ab.md && $output == *'TIME_WAIT left'*'off'* || $output == *'connections'* ]] ;;
    *slot:300*) [[ -e $BOARD/counters && $output == *'connections=5 failed=0'* ]] ;;
    *--json*) [[ $(jq -c keys_unsorted <<<"$output") == '["arms","differences"]' ]] ;;
    *--prometheus*) promtool check metrics <your-client.prom ;;
    *close.json) grep -Eq '^connections +[0-9]' <<<"$output" ;;
    *' report '*) grep -Eq '^connections +[0-9]+' <<<"$output" ;;
    *' switch '*)
        # The next connection, of a program whose policy is another.
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG boarded last-read act "connect:$PORT" write:1 close >/dev/null
        after=$(json policy "$LOG")
        case ${1##* } in
        reset) [[ $after == last-read ]] ;;
        "'off|auto'") [[ $after == off || $after == auto ]] ;;
        *) [[ $after == "${1##* }" ]] ;;
        esac
        ;;
    esac
}

@test "every command of the text does what it says" {
    local command count=0
    need promtool
    start server "$BUILD/examples/legacy-server" --port "$PORT" --reply
    wait_output server '^ready'
    export PATH=$BUILD:$PATH
    mkdir "$BATS_TEST_TMPDIR/here"
    printf '#!/bin/sh\nexec %s --port %s --reply --connections 5\n' \
        "$BUILD/examples/legacy-client" "$PORT" >"$BATS_TEST_TMPDIR/your-client"
    chmod +x "$BATS_TEST_TMPDIR/your-client"
    commands >"$BATS_TEST_TMPDIR/commands"
    cd "$BATS_TEST_TMPDIR"
    while IFS= read -r command; do
        run bash -c "$command" </dev/null
        echo "$command: $status"
        echo "$output"
        [[ $status -eq 0 ]]
        expect "$command"
        count=$((count + 1))
    done <commands
    [[ $count -eq 12 ]]
}

@test "systemd accepts the units; the service's variables, and the alerts, are accepted" {
    need systemd-analyze promtool
    local dir=$BATS_TEST_TMPDIR/units settings
    mkdir "$dir"
    cp examples/rollout/*.service examples/rollout/*.timer "$dir"
    sed -i 's#/usr/local/bin/[a-z-]*#/bin/true#' "$dir"/*.service
    run systemd-analyze verify "$dir"/*.service "$dir"/*.timer
    echo "$output"
    [[ $status -eq 0 && $output != *your-client* && $output != *notimewait* ]]
    mapfile -t settings < <(sed -n 's/^Environment=\(NOTIMEWAIT_.*\)/\1/p' examples/rollout/your-client.service)
    run "$BUILD/tests/config" "${settings[@]}"
    [[ $status -eq 0 && ${#settings[@]} -eq 3 ]]
    run promtool check rules examples/rollout/alerts.yml
    echo "$output"
    [[ $status -eq 0 && $output == *'2 rules found'* ]]
}

@test "the dashboard and the alerts name metrics and labels that there are" {
    serve "$PORT" accept readall close
    boarded off act "connect:$PORT" close connect:1 close
    "$START" report --prometheus "$BOARD" >"$BATS_TEST_TMPDIR/metrics"
    run /usr/bin/python3 - "$BATS_TEST_TMPDIR/metrics" examples/rollout/grafana.json examples/rollout/alerts.yml <<'END'
import json, re, sys
text = open(sys.argv[1]).read()
names = set()
for name, kind in re.findall(r'^# TYPE (\S+) (\S+)', text, re.M):
    names |= {name} if kind != 'histogram' else {name + s for s in ('_bucket', '_sum', '_count')}
dashboard = json.load(open(sys.argv[2]))
exprs = [t['expr'] for p in dashboard['panels'] for t in p['targets']]
assert len(exprs) >= 8 and len({p['id'] for p in dashboard['panels']}) == len(dashboard['panels'])
exprs.append(open(sys.argv[3]).read())
used = set(re.findall(r'notimewait_[a-z_]+', ' '.join(exprs)))
assert used and used <= names, used - names
print('names', len(used))
END
    echo "$output"
    [[ $output == names* ]]
}
