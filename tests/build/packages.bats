# What packagers and images are given: packages, installed files, the same bytes from each build.
# shellcheck disable=SC2153 # BUILD is the helper's
# PACKAGES=1: with lintian and rpmlint, whose packages are large (make check-packages).
load ../lib/helper

VERSION=$(sed -n 's/^VERSION *?= *//p' Makefile)

# need_linters CMD...: skips the test where PACKAGES is not set.
need_linters() {
    [[ -n ${PACKAGES-} ]] || skip 'PACKAGES is not set'
    need "$@"
}

# built_elsewhere: sets $src, a copy of the sources in which the Dockerfile's own command has built
# and installed, below $image. Once for this file.
built_elsewhere() {
    local command
    src=$BATS_FILE_TMPDIR/elsewhere/src image=$BATS_FILE_TMPDIR/elsewhere/image
    [[ ! -e $image ]] || return 0
    mkdir -p "$src"
    cp -r Makefile README.md CHANGELOG.md LICENSE shim examples tests "$src"
    command=$(sed -n 's/^RUN \(make .*\)/\1/p' examples/Dockerfile)
    command=${command//DESTDIR=\/image/DESTDIR=$image}
    env -u BUILD bash -ec "${command//\/src/$src}" >/dev/null 3>&-
}

# deb_of BUILD_DIR: its package, made in the current directory's sources.
deb_of() {
    make -s deb BUILD="$1" 3>&-
}

@test "the version is the same everywhere" {
    local said
    said="$("$BUILD/notimewait" --version | cut -d ' ' -f 2)
$(sed -n 's/^\.Os libnotimewait //p' shim/man/notimewait.1)
$(sed -n 's/^\.Os libnotimewait //p' shim/man/libnotimewait.7)
$(sed -n 's/^## //p' CHANGELOG.md | head -n 1)
$(sed -n '1s/^notimewait (\(.*\)-1) .*/\1/p' examples/packaging/changelog)
$(sed -n 's/^Version: *//p' examples/packaging/notimewait.spec)
$(sed -nE 's/^\* .* - (.*)-1$/\1/p' examples/packaging/notimewait.spec | head -n 1)
$(sed -n 's/.*libnotimewait:\([0-9.]*\)$/\1/p' examples/kubernetes.yaml)"
    echo "$said"
    [[ $(wc -l <<<"$said") -eq 8 && $(sort -u <<<"$said") == "$VERSION" ]]
}

@test "the Dockerfile's own commands build an image's tree in which the program is preloaded" {
    grep -qx build .dockerignore # what was built elsewhere stays there
    built_elsewhere
    # COPY --from=build: the image's tree, and the client.
    # shellcheck disable=SC2034 # preload uses it
    LIB=$image$(sed -n 's/^ENV LD_PRELOAD=//p' examples/Dockerfile)
    serve "$PORT" accept readall close
    NOTIMEWAIT_LOG=$LOG preload auto "$src/build/examples/legacy-client" --port "$PORT" --connections 1
    finish server
    [[ $(json reason "$LOG") == plain ]]
}

@test "two builds in different directories are byte-identical, debug information included" {
    local file
    built_elsewhere
    cmp "$src/build/flags" "$BUILD/flags" || skip 'this build has other flags than the default'
    for file in libnotimewait.so notimewait examples/legacy-client; do
        cmp "$src/build/$file" "$BUILD/$file"
    done
    run grep -rlF "$BATS_FILE_TMPDIR" "$src/build" "$image" --include='*.so' --include='notimewait' --include='*.o'
    echo "$output"
    [[ -z $output ]]
}

@test "make deb: the library in its multiarch directory, all that is installed, twice the same" {
    need dpkg-deb
    local deb triplet dir=$BATS_TEST_TMPDIR/deb
    triplet=$(gcc -print-multiarch)
    deb=$(deb_of "$BUILD")
    built_elsewhere
    if cmp "$src/build/flags" "$BUILD/flags"; then
        cmp "$deb" "$src/$(cd "$src" && deb_of build)"
    fi
    dpkg-deb -x "$deb" "$dir"
    (cd "$dir" && find . -type f ! -path './usr/share/doc/notimewait/[a-z]*/*' | sort) >"$dir.files"
    run diff - "$dir.files" <<END
./usr/bin/notimewait
./usr/lib/$triplet/libnotimewait.so
./usr/share/bash-completion/completions/notimewait
./usr/share/doc/notimewait/CHANGELOG.md
./usr/share/doc/notimewait/README.md
./usr/share/doc/notimewait/changelog.Debian.gz
./usr/share/doc/notimewait/copyright
./usr/share/lintian/overrides/notimewait
./usr/share/man/man1/notimewait.1.gz
./usr/share/man/man7/libnotimewait.7.gz
./usr/share/zsh/vendor-completions/_notimewait
END
    echo "$output"
    [[ $status -eq 0 && $(dpkg-deb -f "$deb" Version) == "$VERSION-1" ]]
    [[ $(dpkg-deb -f "$deb" Depends) =~ ^libc6\ \(\>=\ 2\.[0-9]+\)$ ]]
    run "$dir/usr/bin/notimewait" printenv LD_PRELOAD
    [[ $output == "$dir/usr/lib/$triplet/libnotimewait.so" ]]
}

@test "lintian has nothing to say about the package" {
    need_linters lintian
    run lintian --allow-root --fail-on warning,error "$(deb_of "$BUILD")"
    echo "$output"
    [[ $status -eq 0 && ${output/running with root privileges is not recommended!/} != *[[:graph:]]* ]]
}

@test "the spec file lists what make install installs" {
    local dir=$BATS_TEST_TMPDIR/dest
    make -s install BUILD="$BUILD" DESTDIR="$dir" PREFIX=/usr LIBDIR=/usr/lib64 \
        DOCDIR=/usr/share/doc/notimewait 3>&-
    run diff <(sed -n '/^%files/,/^$/{s/^%doc //;/^%[^{]/d;/./p}' examples/packaging/notimewait.spec |
        sed 's#%{_bindir}#/usr/bin#; s#%{_libdir}#/usr/lib64#; s#%{_mandir}#/usr/share/man#
             s#%{_datadir}#/usr/share#; s#%{_docdir}#/usr/share/doc#; s#%{name}#notimewait#; s/\*$//' | sort) \
        <(cd "$dir" && find usr -type f | sed 's#^#/#; s#^\(/usr/share/doc/notimewait\)/.*#\1#' | sort -u)
    echo "$output"
    [[ $status -eq 0 ]]
}

@test "rpm and rpmlint accept the spec file" {
    need_linters rpmspec rpmlint
    rpmspec -P examples/packaging/notimewait.spec >/dev/null
    run rpmlint examples/packaging/notimewait.spec
    echo "$output"
    # (Only rpm of before 2009 wants a BuildRoot; the sources are an archive that one makes.)
    [[ $status -eq 0 && $output == *' 0 errors'* ]]
    run grep ': [WE]: ' <<<"$output"
    [[ $(grep -Ecv 'no-buildroot-tag|invalid-url Source0' <<<"$output") -eq 0 ]]
}

@test "the Containerfile's image has the library and a program that copies it, and no more" {
    local root=$BATS_TEST_TMPDIR/image command
    while IFS= read -r command; do
        command=${command//\/image/$root}
        bash -ec "${command//\/src/.}" >/dev/null 3>&-
    done < <(sed -n '/^FROM scratch/q; s/^RUN \(apt-get .*\|\)//p' examples/packaging/Containerfile)
    [[ $(cd "$root" && find . -type f | sort) == $'./copy\n./libnotimewait.so' ]]
    mkdir "$root/to"
    (umask 077 && chroot "$root" /copy /to) # the first time, and over what is there
    chroot "$root" /copy /to
    cmp "$root/to/libnotimewait.so" "$LIB"
    [[ $(stat -c %a "$root/to/libnotimewait.so") == 644 && $(find "$root/to" -type f | wc -l) -eq 1 ]]
    run chroot "$root" /copy /nowhere
    [[ $status -eq 1 && $output == '/nowhere/libnotimewait.so: No such file or directory' ]]
}

@test "make check-installed: it passes on what is installed, and fails on another library" {
    local dir=$BATS_TEST_TMPDIR/dest
    make -s install BUILD="$BUILD" DESTDIR="$dir" PREFIX=/usr 3>&-
    mkdir "$BATS_TEST_TMPDIR/build"
    ln -s "$BUILD/tests" "$BUILD/examples" "$BATS_TEST_TMPDIR/build/"
    installed() {
        tests/installed "$BATS_TEST_TMPDIR/build" "$dir/usr/bin/notimewait" \
            "$dir/usr/lib/libnotimewait.so" "$VERSION" tests/report/board.bats 3>&-
    }
    run installed
    echo "$output"
    [[ $status -eq 0 && ${lines[-1]} == '6 passed, 0 failed, 0 skipped' ]]
    gcc -shared -o "$dir/usr/lib/libnotimewait.so" -x c /dev/null
    run installed
    echo "$output"
    [[ $status -eq 1 && ${lines[-1]} == *' 2 failed, '* ]]
}
