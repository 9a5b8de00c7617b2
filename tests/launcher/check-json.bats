# notimewait check: the text and --json say the same, line by line, and no line contradicts the first.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper
bats_require_minimum_version 1.5.0

START=$BUILD/notimewait

# same_in_json ARG...: each line of check's text has a field, of its label's words or of a name below,
# whose value the line contains where that is a text or a number.
same_in_json() {
    "$START" check "$@" >"$BATS_TEST_TMPDIR/text" || true
    "$START" check --json "$@" >"$BATS_TEST_TMPDIR/json" || true
    /usr/bin/python3 - "$BATS_TEST_TMPDIR/text" "$BATS_TEST_TMPDIR/json" <<'END'
import json, sys
names = {'what to do': 'advice', 'not seen': 'what', 'where loaded': 'loads', 'command': 'path',
         'names': 'resolves', 'modules': 'opens', '  signals': 'wait_killable_recv', 'turns': 'sync_wake_up',
         'running since': 'since', 'socket': 'fd', 'listening': 'listeners', 'its own connections': 'connections'}
several = {'signals': ['interrupts', 'omits_restart'], 'not known': ['missed', 'flags_unread', 'module']}
begins = {'preload': 'works by preload', 'supervision': 'works by supervision', 'part': 'works in part',
          'no': 'does not work'}
fields = {}

def walk(value, name=None):
    if isinstance(value, dict):
        for key in value:
            walk(value[key], key)
    elif isinstance(value, list):
        for one in value:
            walk(one, name)
    fields.setdefault(name, []).append(value)

def fits(value, line, name):
    if value is None:
        return 'not known: ' in line
    if isinstance(value, str):
        return value in line and (value != '' or 'not found' in line)
    if isinstance(value, int) and not isinstance(value, bool) and name != 'since':
        return str(value) in line
    return True

text = open(sys.argv[1]).read().splitlines()
said = json.load(open(sys.argv[2]))
walk(said)
assert text[0].startswith(begins[said['verdict']] + ('' if said['known'] else ', as far as is known') + ': '), text[0]
assert text[0].endswith(': ' + said['why']), text[0]
assert len(text) > 3
for line in text[1:]:
    label = line.split(' ')[0] if line.startswith('NOTIMEWAIT_') else line[:19].rstrip()
    if not label.strip():
        continue # it goes on with the line above
    name = names.get(label) or names.get(label.strip()) or label.strip().replace(' ', '_')
    wanted = several.get(label) or ([name, 'policy'] if label == 'NOTIMEWAIT_POLICY' else [name, name.lower()])
    assert any(fits(value, line, one) for one in wanted for value in fields.get(one, [])), \
        'no field %s says: %s' % (wanted, line)
    assert said['verdict'] == 'preload' or 'works' not in line[19:].replace('works by', ''), line
END
}

# compiled NAME [FLAG...] <CODE
compiled() {
    gcc -O2 -x c -o "$BATS_TEST_TMPDIR/$1" - "${@:2}"
}

@test "every line of the text has its field in --json, whatever the command" {
    local word
    compiled static -static <<<'int main(void) { return 0; }'
    compiled deep <<<'#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <signal.h>
int main(int c, char **v) { struct addrinfo *a; siginterrupt(SIGALRM, 1);
return getaddrinfo(v[0], v[0], 0, &a) + !dlopen(v[c - 1], RTLD_NOW | RTLD_DEEPBIND); }'
    compiled asan -fsanitize=address <<<'int main(void) { return 0; }'
    printf '#!/bin/sh\n' >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    touch "$BATS_TEST_TMPDIR/none"
    for word in static deep asan script none nothing; do
        same_in_json "$BATS_TEST_TMPDIR/$word"
        NOTIMEWAIT_LOG=/nonexistent/log NOTIMEWAIT_POLICY=fin-rst same_in_json "$BATS_TEST_TMPDIR/$word"
        NOTIMEWAIT_POLICY=abrt same_in_json "$BATS_TEST_TMPDIR/$word"
        (
            cd "$BATS_TEST_TMPDIR" # where it is alone
            cp "$START" alone
            START=./alone
            same_in_json "$BATS_TEST_TMPDIR/$word"
        )
    done
    same_in_json
}

@test "the same where supervision is not possible, and of the kernel's other settings" {
    local reuse
    (
        outer=$START
        START=$BATS_TEST_TMPDIR/below
        printf '#!/bin/sh\nexec "%s" --by supervise "%s" "$@"\n' "$outer" "$outer" >"$START"
        chmod +x "$START"
        same_in_json "$ACT"
        same_in_json curl || ! command -v curl
    )
    for reuse in 0 1 2; do
        echo $reuse >/proc/sys/net/ipv4/tcp_tw_reuse
        same_in_json "$ACT"
    done
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
}

@test "every line of --pid has its field" {
    serve "$PORT" accept "wait-file:$BATS_TEST_TMPDIR/go:20000"
    same_in_json --pid "$(pid_of server)"
    start client preload fin-rst act "connect:$PORT" "wait-file:$BATS_TEST_TMPDIR/go:20000"
    wait_output client '^connect'
    same_in_json --pid "$(pid_of client)"
    "$START" attach "$(pid_of server)"
    same_in_json --pid "$(pid_of server)"
    touch "$BATS_TEST_TMPDIR/go"
    finish client
}

@test "where supervision is not possible, no line says that it would do" {
    compiled remote <<<'#include <netdb.h>
int main(int c, char **v) { return rcmd(v, c, "a", "b", "c", 0); }'
    run "$START" check "$BATS_TEST_TMPDIR/remote"
    [[ ${lines[2]} == '  what to do        --by both sees their connections, too' ]]
    run "$START" --by supervise "$START" check "$BATS_TEST_TMPDIR/remote"
    echo "$output"
    [[ ${lines[0]} == 'works in part: '* && ${lines[2]} == '  what to do '*'supervision is not possible here' ]]
    [[ $output != *'--by both sees'* ]]
}

@test "how soon the kernel uses ports again is what tcp_tw_reuse_delay says" {
    local delay=/proc/sys/net/ipv4/tcp_tw_reuse_delay was
    [[ -e $delay ]] || skip 'this kernel has no tcp_tw_reuse_delay (Linux 6.14)'
    was=$(<$delay)
    echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo 1500 >$delay
    run "$START" check
    echo 5000 >$delay
    local json
    json=$("$START" check --json | jq .tcp_tw_reuse_delay)
    echo "$was" >$delay
    echo 0 >/proc/sys/net/ipv4/tcp_tw_reuse
    echo "$output" "$json"
    [[ $output == *'tcp_tw_reuse        1: ports in TIME_WAIT are used again after 1500 ms (needs'* && $json -eq 5000 ]]
}
