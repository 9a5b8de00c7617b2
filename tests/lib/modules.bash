# shellcheck shell=bash disable=SC2154 # whoever loads it sets `modules`
# The modules of an unpacked kernel, whose directory is $modules, for an initramfs.

# module NAME: the files that it needs, in the order of loading: of a line of modules.dep, from the
# last to the first, which is the module itself.
module() {
    local line words
    line=$(grep -E "/$1\.ko[.a-z]*:" "$modules/modules.dep") || return 0 # it is built in
    read -ra words <<<"${line/:/}"
    printf '%s\n' "${words[@]}" | tac
}

# plain FILE: a module's file, unpacked.
plain() {
    case $1 in
    *.xz) xz -dc "$1" ;;
    *.zst) zstd -qdc "$1" ;;
    *) cat "$1" ;;
    esac
}

# add_modules DIR NAME...: into DIR, unpacked, with a file `order` that lists them in the order of
# loading.
add_modules() {
    local name file
    for name in "${@:2}"; do module "$name"; done | awk '!seen[$0]++' | while read -r file; do
        name=$(basename "$file" | sed 's/\.ko.*/.ko/')
        plain "$modules/$file" >"$1/$name"
        echo "$name" >>"$1/order"
    done
    touch "$1/order"
}
