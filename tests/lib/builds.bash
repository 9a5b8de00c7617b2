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
build32() {
    [[ $(uname -m) == x86_64 ]] || skip 'only a 64-bit PC has 32-bit programs'
    dir=$BUILD/lib32
    env -u MAKEFLAGS CFLAGS=-O1 flock "$BUILD" make -s BUILD="$BUILD" lib32 3>&-
    [[ $# -eq 0 ]] || build_in lib32 CC='gcc -m32' "$@"
}
