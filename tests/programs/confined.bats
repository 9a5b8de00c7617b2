#!/usr/bin/env bats
# Programs that take rights from themselves, by preload and by supervision: sshd and vsftpd, which
# change their user and their root directory; with PROGRAMS_ALL=1, Chromium in its sandbox.
# shellcheck disable=SC2034,SC2154 # what row uses, and what it sets

load ../lib/helper
load ../lib/runs
load ../lib/daemons

COUNT=5
unset -v DISPLAY

prepare() {
    unshare -m true || skip 'this user may not mount'
    share_cpu # five entries of five are counted
    DIR=$BATS_TEST_TMPDIR
}

# --- sshd ---

# serve_sshd: it has a user of its own, `tester`, who is the one that it runs as.
serve_sshd() {
    local before user=0
    [[ $arm != user:* ]] || user=65534
    { cat /etc/passwd && echo "tester:x:$user:$user::/:/bin/sh"; } >"$DIR/passwd"
    { cat /etc/shadow && echo 'tester:*:20000::::::'; } >"$DIR/shadow"
    mounted "mount -t tmpfs tmpfs /run && mkdir /run/sshd
        mount --bind $DIR/passwd /etc/passwd && mount --bind $DIR/shadow /etc/shadow"
    start_server sshd /usr/sbin/sshd -D -e -f "$DIR/sshd_config" -p "$PORT"
    wait_output server '^Server listening'
}

make_sshd() {
    need sshd ssh ssh-keygen
    ssh-keygen -q -t ed25519 -N '' -f "$DIR/host" && ssh-keygen -q -t ed25519 -N '' -f "$DIR/key"
    printf '%s\n' "HostKey $DIR/host" "AuthorizedKeysFile $DIR/key.pub" 'PidFile none' 'StrictModes no' \
        'UsePAM no' 'PermitRootLogin yes' >"$DIR/sshd_config"
}

@test "sshd: logins; their client closes first" {
    make_sshd
    SERVER=serve_sshd row 'sshd, a login' sshd each ssh -F none -i "$DIR/key" -o IdentitiesOnly=yes \
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
        -o BatchMode=yes -p @PORT tester@@HOST echo logged in
    [[ $(sort -u "$DIR/output.none") == 'logged in' ]]
}

@test "sshd: it closes first where its client does not speak SSH" {
    make_sshd
    # shellcheck disable=SC2016 # another shell's
    SERVER=serve_sshd row 'sshd, no SSH' sshd each bash -c '
        exec 3<>/dev/tcp/$0/$1
        echo nonsense >&3
        cat <&3' @HOST @PORT
    grep -q '^Invalid SSH' "$DIR/output.none"
}

# --- vsftpd ---

# serve_vsftpd: its seccomp filter is for older kernels (examples/PROGRAMS.md), and namespaces it
# cannot make as an ordinary user. Each file comes over a connection to a second port, which the server
# closes first. It takes every child that ends for its own: another process is the namespace's first.
serve_vsftpd() {
    local before
    mkdir -p "$DIR/empty" "$DIR/srv"
    echo delivered >"$DIR/srv/file"
    MORE_PORTS=("$(port)")
    printf '%s\n' listen=YES listen_port="$PORT" background=NO anonymous_enable=YES anon_root="$DIR/srv" \
        ftp_username=daemon secure_chroot_dir="$DIR/empty" xferlog_enable=NO seccomp_sandbox=NO \
        pasv_min_port="${MORE_PORTS[0]}" pasv_max_port="${MORE_PORTS[0]}" >"$DIR/conf"
    [[ $arm != user:* ]] || printf '%s\n' run_as_launching_user=YES isolate=NO isolate_network=NO >>"$DIR/conf"
    chown root "$DIR/srv" # where nobody may write
    mounted :
    start_server vsftpd /usr/sbin/vsftpd "$DIR/conf"
    until_true 20000 listening || { output_of server && return 1; }
}

@test "vsftpd: control and data connections" {
    need vsftpd curl
    SERVER=serve_vsftpd row vsftpd vsftpd each curl -sS ftp://@HOST:@PORT/file
    [[ $(sort -u "$DIR/output.none") == delivered ]]
}

# --- Chromium ---

# browse: it runs as an ordinary user, whoever started the arm.
browse() {
    [[ $arm == user:* ]] || set -- "${as_nobody[@]}" env HOME="$PUBLIC/home" "$@"
    rm -rf "$PUBLIC/home/profile"
    once timeout 120 "$@"
}

@test "Chromium, headless, in its sandbox" {
    all_only
    need chromium
    serve_python eof
    FILTER='grep ^<html' row Chromium chromium browse chromium --headless --disable-gpu --no-first-run \
        --disable-dev-shm-usage --user-data-dir="$PUBLIC/home/profile" --dump-dom http://@HOST:@PORT/page
    grep -q '<p>delivered</p>' "$DIR/output.none"
}
