# The table of libc's entry points, shim/hooks/coverage.txt, is complete: compared with entry_points.def and
# with what the running glibc exports.
load ../lib/helper

table=shim/hooks/coverage.txt

# What the names of functions have in them that deal with fds, connections, streams, processes.
families=(
    socket accept connect listen bind send recv msg read write splice 'tee$' file_range dup fcntl
    ioctl sockopt sockatmark close shutdown fork clone spawn exec exit abort assert '_fail$'
    '^v?errx?$' '^error' raise kill popen proc_ system daemon pipe open 'fd([^a]|$)' poll select
    aio lio_ gai_ addrinfo nameinfo gethostby getnetby res_ rcmd rexec ruser rresv rtime rpc svc
    clnt pmap xprt syslog process unshare setns syscall thrd_ tty 'pty$' wordexp mount mq_ mmap
    mremap dlsym dlvsym dlm fattach fdetach hangup revoke uring linger printf scanf
    '(get|put)(w?c|w?char|w?s|w|delim|line)(_|$)' '(r|u)flow' fflush flushlbf _IO_ notify ptrace
    '^(__)?prctl'
)

# rows: a line `COVERAGE OPTIONAL NAME` for each name of the table; OPTIONAL is 1 where its row
# says that not every glibc has it.
rows() {
    awk '
        function flush(   i, n, name) {
            n = split(names, name)
            for (i = 1; i <= n; i++)
                print coverage, note ~ /\(not in every glibc\)/ ? 1 : 0, name[i]
            names = note = ""
        }
        /^#/ || /^$/ { next }
        /^[^ ]/ { flush(); coverage = $1 }
        { names = names substr($0, 11, 52) " "; note = note substr($0, 65) " " }
        END { flush() }' "$table"
}

# hooks: the names of entry_points.def.
hooks() {
    sed -nE 's/^(HOOK|VARIADIC|TIME64|TIME64_VARIADIC|JUMP|ALIAS)\(([A-Za-z_ ]+ ?\*?, )?([A-Za-z0-9_]+)[,)].*/\3/p' \
        shim/hooks/entry_points.def | sort
}

# exported LIBC: the functions that it and the other libraries of that glibc export, of all
# versions; private ones only if they are hooked.
exported() {
    local name file files=()
    for name in libc.so.6 libpthread.so.0 librt.so.1 libdl.so.2 libutil.so.1 libresolv.so.2 \
        libanl.so.1; do
        file=${1%/*}/$name
        [[ ! -e $file ]] || files+=("$file")
    done
    nm -D --defined-only "${files[@]}" | awk '
        NR == FNR { hook[$1] = 1; next }
        $2 ~ /^[TWi]$/ {
            name = private = $3
            sub(/@.*/, "", name)
            if (private !~ /@GLIBC_PRIVATE$/ || name in hook) print name
        }' <(hooks) - | sort -u
}

# covered: for each name on stdin a line `NAME COVERAGE ROW_NAME`, of the first row that has it;
# `NAME` alone where none has.
covered() {
    awk '
        NR == FNR {
            coverage[NR] = $1; row[NR] = $3; rows = NR
            if ($3 ~ /\*/) { glob = $3; gsub(/\*/, ".*", glob); regex[NR] = "^" glob "$" }
            next
        }
        {
            for (i = 1; i <= rows; i++)
                if (i in regex ? $1 ~ regex[i] : $1 == row[i]) break
            print $1, coverage[i], row[i]
        }' <(rows) -
}

# missing: the names on stdin that belong to a family and to no row.
missing() {
    covered | awk 'NF == 1 { print $1 }' | grep -E "$(IFS='|' && echo "${families[*]}")"
}

# libc: the path of the glibc that the library is linked with.
libc() {
    local path
    path=$(ldd "$LIB" | awk '$1 == "libc.so.6" { print $3 }')
    [[ -n $path ]] || skip 'the library is not built for glibc'
    echo "$path"
}

# complete LIBC: every function of a family is in the table, every name of the table is exported.
complete() {
    local names=$BATS_TEST_TMPDIR/names
    exported "$1" >"$names"
    [[ $(wc -l <"$names") -gt 1500 ]]
    run missing <"$names"
    echo "exported by $1 and in no row of $table:" "${lines[@]}"
    [[ $status -eq 1 && -z $output ]]
    run comm -23 <(rows | awk '$2 == 0 { print $3 }' | sort) \
        <(covered <"$names" | awk '{ print $3 }' | sort -u)
    echo "of $table, but no function, or one that an earlier row has:" "${lines[@]}"
    [[ -z $output ]]
}

@test "every function of the running glibc that may touch a socket is in the table" {
    complete "$(libc)"
}

@test "and every one of the 32-bit glibc, where there is one" {
    local path
    path=$(ldconfig -p | awk '$1 == "libc.so.6" && $2 == "(libc6)" { print $NF }')
    [[ -n $path ]] || skip 'no 32-bit glibc'
    complete "$path"
}

# other_time: of the names on stdin those that are a hooked function's name where time_t or off_t has
# 64 bits (glibc's __recvmsg64, __fcntl_time64, sendfile64, preadv64v2; musl's __recvmmsg_time64).
other_time() {
    awk 'NR == FNR { hook[$1] = 1; next }
         { plain = $1; sub(/_time64$|64/, "", plain); sub(/vv2$/, "v2", plain); sub(/^__/, "", plain) }
         plain != $1 && $1 ~ /64/ && plain in hook { print $1 }' <(hooks) -
}

@test "a function is hooked by its names for a 64-bit time_t or off_t, too" {
    local file files=("$(libc)") names=$BATS_TEST_TMPDIR/names
    run ldconfig -p
    file=$(awk '$1 == "libc.so.6" && $2 == "(libc6)" { print $NF }' <<<"$output")
    [[ -z $file ]] || files+=("$file")
    { rows | awk '{ print $3 }' && for file in "${files[@]}"; do exported "$file"; done; } |
        other_time | sort -u >"$names"
    cat "$names"
    [[ $(wc -l <"$names") -ge 15 ]]
    run comm -23 "$names" <(hooks)
    echo "not hooked: $output"
    [[ -z $output ]]
    [[ $(printf '%s\n' __prctl_time64 pwritev64v2 __ppoll64 prctl __connect | other_time) == $'__prctl_time64\npwritev64v2' ]]
}

@test "a new function is noticed" {
    run missing < <(printf '%s\n' accept8 socket socket2 xdr_int sendfile128 strlen pidfd_dup)
    echo "$output"
    [[ $output == $'accept8\nsocket2\nsendfile128\npidfd_dup' ]]
}

@test "the rows that say hooked are entry_points.def" {
    run diff <(rows | awk '$1 == "hooked" { print $3 }' | sort) <(hooks)
    echo "$output"
    [[ $status -eq 0 && $(hooks | wc -l) -ge 50 ]]
    run diff <(hooks) <(hooks | covered | awk '$2 == "hooked" && $1 == $3 { print $1 }')
    echo "had by an earlier row: $output"
    [[ $status -eq 0 ]]
}

@test "no call inside libc reaches a hook: it has no relocation for one" {
    local path
    path=$(libc)
    run grep -xF -f <(hooks) <(readelf -Wr "$path" | awk '{ sub(/@.*/, "", $5); print $5 }')
    echo "$path calls through its relocations:" "${lines[@]}"
    [[ $status -eq 1 && -z $output ]]
    [[ $(readelf -Wr "$path" | grep -cw malloc) -gt 0 ]]
}

@test "the table reads as its head says: columns, coverages, no name twice" {
    run awk 'length > 100 || (!/^#/ && (substr($0, 10, 1) substr($0, 63, 2)) !~ /^ *$/)' "$table"
    echo "not in columns: $output"
    [[ -z $output ]]
    run diff <(rows | awk '{ print $1 }' | sort -u) \
        <(sed -nE '1,/^$/s/^# ([a-z]+)  +[a-z].*/\1/p' "$table" | sort)
    echo "$output"
    [[ $status -eq 0 ]]
    run awk 'seen[$3]++' <(rows)
    echo "twice: $output"
    [[ -z $output ]]
}
