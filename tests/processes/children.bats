#!/usr/bin/env bats
# Sockets that children hold, of fork, vfork, exec, posix_spawn and system: under every policy every
# byte arrives, whoever closes first, and what is shared gets a plain close, or fin-rst under that.
# shellcheck disable=SC2154 # each_policy sets policy

load ../lib/helper
load ../lib/each-policy
load ../lib/holders

forked() {
    reader
    holder "connect:$PORT" "$@"
    delivered "$MIB"
    shared_only
}

@test "fork: the parent closes at once, the child serves and exits" {
    each_policy forked fork "writen:$MIB" end close wait
    ONLY='fin-rst abort' each_policy forked fork:_Fork "writen:$MIB" end close wait
}

@test "fork: the child closes at once, the parent serves" {
    each_policy forked fork close end "writen:$MIB" close wait
    ONLY='fin-rst abort' each_policy forked fork:_Fork close end "writen:$MIB" close wait
}

@test "fork: the child exits without a close, the parent serves, and alone tells of it" {
    served_by_parent() {
        forked fork exit end wait "writen:$MIB" close
        [[ $(logged via) == close ]]
    }
    each_policy served_by_parent
}

@test "fork: a server's child serves, and is killed when it is done" {
    served() {
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept fork "writen:$MIB" \
            wait-acked kill:KILL end close wait
        run act "connect:$PORT" readslow:65536:1
        [ "${lines[1]}" = "readslow $MIB EOF" ]
        finish server
        shared_only
    }
    each_policy served
}

@test "fork: a server's parent closes at once, its child serves and calls _exit" {
    forking_server() {
        rm -f "$LOG"
        NOTIMEWAIT_LOG=$LOG serve_preload "$policy" "$PORT" accept fork "writen:$MIB" _exit end \
            close wait
        run act "connect:$PORT" readslow:65536:1
        [ "${lines[1]}" = "readslow $MIB EOF" ]
        finish server
        shared_only
    }
    each_policy forking_server
}

# python_server: under $policy; its child is another program, which the library is not preloaded into.
python_server() {
    rm -f "$LOG"
    NOTIMEWAIT_LOG=$LOG start server preload "$policy" python3 "$BATS_TEST_TMPDIR/server.py" \
        "$PORT" "$MIB"
    wait_output server '^listen'
    run act "connect:$PORT" readslow:65536:1
    [ "${lines[1]}" = "readslow $MIB EOF" ]
    finish server
    shared_only
}

@test "fork, exec: a server's parent closes at once, a program without the library serves" {
    need python3
    cat >"$BATS_TEST_TMPDIR/server.py" <<-'PYTHON'
	import os, socket, sys
	listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
	print("listen", flush=True)
	connection, _ = listener.accept()
	pid = os.fork()
	if pid == 0:
	    del os.environ["LD_PRELOAD"]
	    os.dup2(connection.fileno(), 1)
	    os.execvp("head", ["head", "-c", sys.argv[2], "/dev/zero"])
	connection.close()
	sys.exit(os.waitpid(pid, 0)[1])
	PYTHON
    each_policy python_server
}

@test "fork, system, posix_spawn, vfork: a client's helpers come and go while it sends" {
    helpers() {
        reader
        holder "connect:$PORT" fork exit end wait writen:200000 system:true writen:200000 \
            spawn:true wait writen:200000 vfork-close writen:200000 fork:_Fork close exit end \
            writen:200000 close wait
        delivered 1000000
        shared_only
    }
    each_policy helpers
}

@test "fork: what the child connects itself is its own" {
    own() {
        reader 2
        holder "connect:$PORT" fork "connect:$PORT@b" writen:1000@b wait-acked@b close@b end \
            wait writen:2000 close
        delivered 1000 'EOF|ECONNRESET'
        delivered 2000
        if [[ $policy == abort ]]; then
            [ "$(logged action reason)" = $'rst abort\nnone shared' ]
        fi
    }
    each_policy own
}

@test "a raw fork's child closes without any effect on its parent's connection" {
    raw() {
        reader
        holder "connect:$PORT" open:/dev/null@b fork:raw "$@" end wait "writen:$MIB" \
            wait-acked close
        delivered "$MIB" 'EOF|ECONNRESET'
        [[ $(logged via action last_op | tail -n 1) =~ ^'close '(none|rst|fin-rst|linger)' write'$ ]]
        if logged action | head -n -1 | grep -Ev '^(none|fin-rst)$'; then return 1; fi
    }
    each_policy raw close
    for step in dup2:a@b dup3:a@b close_range:fd:fd closefrom:fd linger:0:0 exit; do
        ONLY='fin-rst abort' each_policy raw "$step"
    done
}

@test "a raw fork's child serves under auto and fin-rst" {
    kernel_carries() {
        reader
        holder "connect:$PORT" fork:raw "writen:$MIB" end close wait
        delivered "$MIB"
    }
    ONLY='auto fin-rst' each_policy kernel_carries
}

@test "a raw fork's child that exits tells of itself alone" {
    reader
    policy=auto
    NOTIMEWAIT_STATS=$LOG.stats holder "connect:$PORT" write:1000 fork:raw exit end wait close
    delivered 1000
    cat "$LOG.stats"
    [[ $(json pid "$LOG.stats" | sort -u | wc -l) -eq 2 ]]
    [[ $(json '.policies[0].connections' "$LOG.stats" | xargs) == '0 1' ]]
    [[ $(json '.policies[0].closes' "$LOG.stats" | xargs) == '0 1' && $(logged via) == close ]]
}

@test "a child that clone() makes as fork() does is a process of its own" {
    serve "$PORT" loop:3 accept readall close end
    NOTIMEWAIT_LOG=$LOG NOTIMEWAIT_STATS=$LOG.stats run preload abort "$BUILD/tests/inside" zygote "$PORT" open
    echo "$output"
    cat "$LOG"
    [[ $output == 'child 0' && $(json pid "$LOG" | uniq -c | awk '{ print $1 }' | xargs) == '3 1' ]]
    # What it passed on, what it made, what it inherited; and its parent's.
    [[ $(logged action reason) == $'none shared\nrst abort\nnone shared\nnone shared' ]]
    [[ $(json '.policies[0].closes' "$LOG.stats" | xargs) == '3 1' ]]
    finish server
}

@test "vfork: the child's close has no effect on its parent's connection" {
    vforked() {
        reader
        holder "connect:$PORT" vfork-close getlinger write:1000 "writen:$MIB" close
        grep -x 'getlinger 0:0' "$BATS_TEST_TMPDIR/held"
        delivered $((MIB + 1000))
        [ "$(logged via last_op)" = 'close write' ]
        shared_only
    }
    each_policy vforked
}

@test "vfork: the child's program writes to the socket that its parent has closed" {
    need python3
    cat >"$BATS_TEST_TMPDIR/popen.py" <<-'PYTHON'
	import socket, subprocess, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	child = subprocess.Popen(["sh", "-c", "read x; head -c 300000 /dev/zero"],
	                         stdin=subprocess.PIPE, stdout=s)
	s.close()
	child.communicate(b"go\n")
	PYTHON
    popen() {
        reader
        NOTIMEWAIT_LOG=$LOG preload "$policy" python3 "$BATS_TEST_TMPDIR/popen.py" "$PORT"
        delivered 300000
        shared_only
    }
    each_policy popen
}

@test "vfork, fork: Python's children close every fd while their parent sends" {
    need python3
    cat >"$BATS_TEST_TMPDIR/children.py" <<-'PYTHON'
	import os, socket, subprocess, sys
	s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
	os.set_inheritable(s.fileno(), True)
	for options in {}, {"preexec_fn": os.getpid}:  # by vfork(), and by fork()
	    s.sendall(bytes(200000))
	    subprocess.run(["test", "!", "-e", f"/proc/self/fd/{s.fileno()}"], close_fds=True,
	                   check=True, **options)
	s.sendall(bytes(200000))
	s.close()
	PYTHON
    children() {
        reader
        NOTIMEWAIT_LOG=$LOG preload "$policy" python3 "$BATS_TEST_TMPDIR/children.py" "$PORT"
        delivered 600000
        shared_only
    }
    each_policy children
}

# The child waits until its parent has closed the socket.
outlives() {
    reader
    holder "connect:$PORT" "$1:\"\$ACT\" quiet inherit wait-file:$BATS_TEST_TMPDIR/go \
        writen:400000 ${2-}" close "sync:$BATS_TEST_TMPDIR/go" wait
    delivered 400000
    shared_only
}

@test "posix_spawn: a child that holds the socket serves after its parent's close" {
    each_policy outlives spawn
}

@test "system: a child that holds the socket serves after its parent's close" {
    each_policy outlives system '&'
}

@test "system: a child that has ended leaves the socket shared, and harmless" {
    ended() {
        reader
        holder "connect:$PORT" system:true "writen:$MIB" close
        delivered "$MIB"
        shared_only
    }
    each_policy ended
}
