# The lines of examples/PROGRAMS.md, as they stand there: programs that need a line work with it,
# and not without.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper

clean_up() {
    [[ -z ${PUBLIC-} ]] || rm -rf "$PUBLIC"
}

# lines_of PROGRAM: the indented lines of its paragraph, with this library in place of the installed.
lines_of() {
    awk -v head="**$1" '
        index($0, head) == 1 { on = 1 }
        on && /^    / { print substr($0, 5); seen = 1 }
        seen && !/^    / { exit }' examples/PROGRAMS.md | sed "s#/usr/local/lib/libnotimewait.so#$LIB#"
}

# has_library PID: it is mapped there.
has_library() {
    grep -q libnotimewait "/proc/$1/maps"
}

# listens: somebody does, on $PORT.
listens() {
    [[ -n $(ss -Htln "sport = :$PORT") ]]
}

# --- the environment ---

@test "the environment file: cron, systemd, /etc/environment and a shell read the same from it" {
    local file=examples/environment variables count
    # Nothing in a line that one of them would take for a quote, a blank, a comment or a variable.
    count=$(grep -Ecx '[A-Z_]+=[A-Za-z0-9_./%-]+' "$file")
    [[ $count -eq 3 && $(grep -c '^[^#]' "$file") -eq $count ]]
    # shellcheck disable=SC2016 # another shell's
    variables=$(env -i sh -c 'set -a; . "./$0"; /usr/bin/env' "$file" 2>/dev/null | grep -Ev '^(PWD|_|SHLVL)=')
    [[ $(sort <<<"$variables") == $(grep '^[^#]' "$file" | sort) ]]
    # The lines of the text are among them, and the parser takes them.
    run grep -Fvxf "$file" <(lines_of cron | sed "\$d; s#$LIB#/usr/local/lib/libnotimewait.so#")
    [[ -z $output && $(lines_of cron | wc -l) -eq 3 ]]
    mapfile -t variables < <(grep '^NOTIMEWAIT_' "$file")
    run "$BUILD/tests/config" "${variables[@]}"
    [[ $status -eq 0 ]]
    # The line for a shell.
    serve "$PORT" accept readall close
    sed "s#/usr/local/lib/libnotimewait.so#$LIB#; s#/var/tmp#$BATS_TEST_TMPDIR#" "$file" >"$BATS_TEST_TMPDIR/environment"
    cd "$BATS_TEST_TMPDIR"
    printf '#!/bin/sh\nexec %s connect:%s close\n' "$ACT" "$PORT" >your-client
    chmod +x your-client
    (cd - >/dev/null && lines_of 'A shell') | bash
    [[ $(jq '.policies[0].closes' notimewait-stats.*) == 1 ]]
}

@test "systemd takes the unit with the environment file" {
    need systemd-analyze
    local dir=$BATS_TEST_TMPDIR
    printf '%s\nExecStart=/bin/true\n' "$(lines_of systemd)" >"$dir/your-client.service"
    run systemd-analyze verify "$dir/your-client.service"
    echo "$output"
    [[ $status -eq 0 && $output != *your-client* && $(grep -c EnvironmentFile= "$dir/your-client.service") -eq 1 ]]
}

@test "Apache: a shell exports the lines of envvars" {
    lines_of Apache >"$BATS_TEST_TMPDIR/envvars"
    # shellcheck disable=SC2016 # another shell's
    run env -i sh -c '. "$0"; exec /bin/cat /proc/self/environ /proc/self/maps' "$BATS_TEST_TMPDIR/envvars"
    [[ $output == *NOTIMEWAIT_DEEPBIND=drop* && $output == *"$LIB"* ]]
}

# --- servers ---

# upgraded LINES: whether nginx's new master, after USR2, and its worker have the library, with the
# lines in its configuration.
upgraded() {
    local dir=$BATS_TEST_TMPDIR old new
    cat >"$dir/nginx.conf" <<END
$1
user root; worker_processes 1; pid $dir/nginx.pid; error_log $dir/nginx.log info; events { }
http {
    access_log off; client_body_temp_path $dir; proxy_temp_path $dir; fastcgi_temp_path $dir;
    uwsgi_temp_path $dir; scgi_temp_path $dir; server { listen $PORT; }
}
END
    preload auto /usr/sbin/nginx -e "$dir/nginx.log" -c "$dir/nginx.conf" 3>&-
    until_true 10000 test -s "$dir/nginx.pid"
    old=$(<"$dir/nginx.pid")
    has_library "$old"
    until_true 10000 pgrep -P "$old" >/dev/null # a signal that comes before is forgotten
    kill -USR2 "$old"
    until_true 10000 test -s "$dir/nginx.pid.oldbin"
    until_true 10000 test -s "$dir/nginx.pid"
    new=$(<"$dir/nginx.pid")
    until_true 10000 pgrep -P "$new" >/dev/null
    if has_library "$new" && has_library "$(pgrep -P "$new")"; then echo yes; else echo no; fi
    kill -TERM "$new" "$old"
    until_true 10000 none_runs "$old" "$new"
}

@test "nginx: its binary upgrade keeps the library with the lines, and loses it without" {
    need nginx
    run upgraded ''
    echo "$output"
    [[ $output == no ]]
    new_port
    run upgraded "$(lines_of nginx)"
    echo "$output"
    [[ $output == yes ]]
}

# real_root: this user may become others, and mount.
real_root() {
    if ! setpriv --reuid=65534 --clear-groups true || ! unshare -m true; then
        skip 'there is no other user here'
    fi
}

@test "sshd: the line gives its sessions the library" {
    need sshd ssh ssh-keygen
    real_root
    local dir=$BATS_TEST_TMPDIR
    ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && ssh-keygen -q -t ed25519 -N '' -f "$dir/key"
    sed 's/^root:[^:]*:/root:*:/' /etc/shadow >"$dir/shadow"
    printf '%s\n' "HostKey $dir/host" "AuthorizedKeysFile $dir/key.pub" 'PidFile none' 'StrictModes no' \
        'UsePAM no' 'PermitRootLogin yes' "$(lines_of sshd)" >"$dir/sshd_config"
    start sshd unshare -m sh -c "mount -t tmpfs tmpfs /run && mkdir /run/sshd
        mount --bind $dir/shadow /etc/shadow
        exec /usr/sbin/sshd -D -e -f $dir/sshd_config -o ListenAddress=127.0.0.1 -p $PORT"
    wait_output sshd '^Server listening'
    run timeout 20 ssh -F none -i "$dir/key" -o IdentitiesOnly=yes -o StrictHostKeyChecking=no \
        -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -p "$PORT" root@127.0.0.1 \
        'printenv NOTIMEWAIT_POLICY; grep -c libnotimewait /proc/self/maps'
    echo "$output"
    [[ $status -eq 0 && ${lines[0]} == auto && ${lines[1]} -gt 0 ]]
}

@test "vsftpd: a file is delivered with the line, and its connections are seen" {
    need vsftpd curl
    real_root
    PUBLIC=$(mktemp -d -p /tmp)
    mkdir "$PUBLIC/srv" "$PUBLIC/empty"
    chmod 755 "$PUBLIC" "$PUBLIC/srv"
    cp "$LIB" "$PUBLIC"
    echo delivered >"$PUBLIC/srv/file"
    printf '%s\n' listen=YES listen_port="$PORT" background=NO anonymous_enable=YES anon_root="$PUBLIC/srv" \
        ftp_username=daemon secure_chroot_dir="$PUBLIC/empty" xferlog_enable=NO "$(lines_of vsftpd)" >"$PUBLIC/conf"
    start ftp env LD_PRELOAD="$PUBLIC/libnotimewait.so" NOTIMEWAIT_POLICY=auto NOTIMEWAIT_LOG="$PUBLIC/log" \
        /usr/sbin/vsftpd "$PUBLIC/conf"
    until_true 10000 listens
    run timeout 20 curl -sS "ftp://127.0.0.1:$PORT/file"
    echo "$output"
    [[ $status -eq 0 && $output == delivered ]]
    until_true 5000 grep -qs '"program":"vsftpd"' "$PUBLIC/log"
}

# --- tools ---

@test "AddressSanitizer: a script starts such a program with the line, and not without" {
    printf 'int main(void) { return 0; }\n' >"$BATS_TEST_TMPDIR/main.c"
    gcc -fsanitize=address -o "$BATS_TEST_TMPDIR/program" "$BATS_TEST_TMPDIR/main.c"
    printf '#!/bin/sh\n%s\n' "$BATS_TEST_TMPDIR/program" >"$BATS_TEST_TMPDIR/script"
    chmod +x "$BATS_TEST_TMPDIR/script"
    run preload auto "$BATS_TEST_TMPDIR/script"
    [[ $status -ne 0 && $output == *'does not come first'* ]]
    run env "$(lines_of 'Programs that were built')" LD_PRELOAD="$LIB" "$BATS_TEST_TMPDIR/script"
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "helgrind: it reports atomic operations, and nothing with the suppressions" {
    need valgrind
    local out=$BATS_TEST_TMPDIR/out steps=(loop:20 "connect:$PORT" write:3 close end)
    serve "$PORT" loop:80 accept readall close end
    under() {
        preload auto valgrind -q --tool=helgrind --error-exitcode=9 "$@" \
            "$ACT" thread "${steps[@]}" end "${steps[@]}" join >"$out" 2>&1
    }
    run under
    [[ $status -eq 9 ]]
    grep -q 'Possible data race' "$out"
    mapfile -t words < <(lines_of 'valgrind.' | tr ' ' '\n' | grep '^--suppressions')
    run under "${words[0]/valgrind.supp/examples/valgrind.supp}"
    cat "$out"
    [[ $status -eq 0 ]]
}
