# shim/ is built in layers: calls and includes go down, and no two files need each other.
load ../lib/helper

# copied: a copy of shim/ and of the objects, to be spoilt; sets $copy.
copied() {
    copy=$BATS_TEST_TMPDIR/copy
    mkdir -p "$copy/build"
    cp -r shim "$copy/shim"
    cp -r "$BUILD/shim" "$copy/build/shim"
}

# layers_of_copy: what the script says of it.
layers_of_copy() {
    local script=$PWD/tests/layers
    (cd "$copy" && "$script" build)
}

@test "includes and calls go down the layers, without a circle" {
    run tests/layers "$BUILD"
    echo "$output"
    [[ $status -eq 0 && -z $output ]]
}

@test "an include of a layer above is noticed, and a circle, also in the launcher" {
    copied
    sed -i '1i #include "report/log.h"' "$copy/shim/kernel/clock.h"
    sed -i '1i #include "connection/ending.h"' "$copy/shim/connection/conn.h"
    sed -i '1i #include "launcher/failure.h"' "$copy/shim/policy/text.h"
    run layers_of_copy
    echo "$output"
    [[ $status -eq 1 && $output == *'includes: upwards: kernel/clock -> report/log'* ]]
    [[ $output == *'includes: upwards: policy/text -> launcher/failure'* ]]
    [[ $output == *'includes: circle: connection/ending connection/conn connection/ending '* ]]
}

@test "a call into a layer above is noticed where no include tells, and a circle of calls" {
    copied
    gcc -c -x c -o "$copy/build/shim/policy/text.o" - <<'C'
int share_same_socket(int, int);
int text_char(int a) { return share_same_socket(a, a); }
C
    gcc -c -x c -o "$copy/build/shim/connection/share.o" - <<'C'
int text_char(int);
int share_same_socket(int a, int b) { return text_char(a + b); }
C
    run layers_of_copy
    echo "$output"
    [[ $status -eq 1 && $output == *'calls of the library: upwards: policy/text -> connection/share'* ]]
    [[ $output == *'calls of the library: circle: policy/text connection/share policy/text '* ]]
}
