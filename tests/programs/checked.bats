#!/usr/bin/env bats
# What `notimewait check` says of real programs, which the other files here measure: its first line
# and its JSON. The program that is installed is looked at, not run.
load ../lib/helper

START=$BUILD/notimewait

# says FIRST_LINE JSON PROGRAM: FIRST_LINE is a pattern, of the line up to the reason; JSON is
# [verdict, known, first finding]. Sets text.
says() {
    local json
    text=$("$START" check "$3" || true)
    json=$("$START" check --json "$3" | jq -c '[.verdict, .known, .findings[0].finding]' || true)
    echo "$json"$'\n'"$text"
    # shellcheck disable=SC2053 # a pattern
    [[ ${text%%$'\n'*} == $1 && $json == "$2" ]]
}

# on_a_pc: flags are read from the code of no other machine.
on_a_pc() {
    [[ $(uname -m) == x86_64 ]] || skip 'flags are read from the code of a 64-bit PC'
}

@test "libmount, which all of GLib's programs need, loads what makes no connection" {
    need findmnt
    says 'works by preload: */findmnt: dynamically linked' '["preload",true,null]' "$(command -v findmnt)"
}

@test "php, and php-fpm: in part; their extensions that connect are named" {
    local php
    on_a_pc
    need php
    says 'works in part: */php*: loads libraries with RTLD_DEEPBIND*' '["part",true,"deepbind"]' "$(command -v php)"
    [[ ! -e $(php -r 'echo ini_get("extension_dir");')/sockets.so || $text == *'where loaded  '*sockets*' of /'* ]]
    for php in /usr/sbin/php-fpm*; do
        [[ -x $php ]] || skip 'php-fpm is missing'
        says "works in part: $php: loads libraries with RTLD_DEEPBIND*" '["part",true,"deepbind"]' "$php"
        [[ $text == *'NOTIMEWAIT_DEEPBIND=drop'* ]]
    done
}

@test "Apache, with mod_php or without" {
    local modules=(/usr/lib/apache2/modules/libphp*.so)
    on_a_pc
    need apache2
    if [[ -e ${modules[0]} ]]; then
        says 'works by preload, as far as is known: */apache2: dynamically linked' '["preload",false,null]' apache2
        [[ $text == *"not known           ${modules[0]}: is loaded where"* ]]
    else
        says 'works by preload: */apache2: dynamically linked' '["preload",true,null]' apache2
    fi
}

@test "sshd: its child of before the login installs a filter" {
    need sshd
    says 'works in part: */sshd*: installs a seccomp filter*' '["part",true,"seccomp"]' sshd
}

@test "vsftpd: its children install a filter" {
    need vsftpd
    says 'works in part: */vsftpd: installs a seccomp filter*' '["part",true,"seccomp"]' vsftpd
}

@test "Chromium: a shell's script, behind which there is a sandbox" {
    need chromium
    says 'works in part, as far as is known: */chromium: installs a seccomp filter*' '["part",false,"seccomp"]' chromium
}

@test "curl, and the system's Python" {
    need curl
    says 'works by preload: */curl: dynamically linked' '["preload",true,null]' curl
    [[ -x /usr/bin/python3 ]] || skip 'there is no /usr/bin/python3'
    says 'works by preload: /usr/bin/python3: dynamically linked' '["preload",true,null]' /usr/bin/python3
}

@test "static, and in Go: by supervision" {
    local dir=$BATS_TEST_TMPDIR
    need gcc
    gcc -static -o "$dir/static" tests/programs/client.c
    says "works by supervision: $dir/static: statically linked*" '["supervision",true,null]' "$dir/static"
    need go
    CGO_ENABLED=0 go build -o "$dir/go" tests/programs/client.go
    says "works by supervision: $dir/go: a Go program*" '["supervision",true,null]' "$dir/go"
}
