# shellcheck shell=bash
# Other builds of the same sources; loaded after helper. Owns their directories below $BUILD, which
# files of tests share: what one of them has built no other builds again.

# build_in NAME [VARIABLE=VALUE...] TARGET...: makes the targets there, and sets `dir`; what begins
# with ./ is a file of that directory. One at a time, since files run at once. (fd 3 is bats' own;
# MAKEFLAGS those of a make that runs the tests.)
build_in() {
    dir=$BUILD/$1
    shift
    env -u MAKEFLAGS flock "$BUILD" make -s CFLAGS="${CFLAGS:--O1}" BUILD="$dir" "${@/#.\//$dir/}" 3>&-
}

# build32 [TARGET...]: the library for 32-bit programs, and the targets.
# shellcheck disable=SC2120 # some tests pass them
build32() {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    dir=$BUILD/lib32
    env -u MAKEFLAGS CFLAGS=-O1 flock "$BUILD" make -s BUILD="$BUILD" lib32 3>&-
    [[ $# -eq 0 ]] || build_in lib32 CC='gcc -m32' "$@"
}

# runs32 CMD...: skips the rest where the kernel runs no 32-bit program (CONFIG_IA32_EMULATION).
runs32() {
    local status=0
    "$@" >/dev/null 2>&1 || status=$?
    [[ $status -ne 126 ]] || skip 'built; this kernel runs no 32-bit programs'
}

# What makes libc's time_t one of 64 bits in 32-bit programs, which call some functions by other names
# then: some distributions have it so for all (Debian 13 on 32-bit ARM), musl has no other.
TIME64='-D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64'

# programs32 TIME_BITS NAME...: the library for 32-bit programs, in `dir`, and programs of tests/ with
# a time_t of 32 or 64 bits, in `programs`.
programs32() {
    local name=lib32 flags=''
    [[ $1 -eq 32 ]] || name=time64 flags=" $TIME64"
    shift
    # shellcheck disable=SC2119 # none
    build32
    build_in $name CC="gcc -m32$flags" ./tests/act "${@/#/./tests/}"
    programs=$dir/tests
    dir=$BUILD/lib32
    runs32 "$programs/act" say:x
}
