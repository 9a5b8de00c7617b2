# shellcheck shell=bash
# The names that the library hooks; loaded after helper. Owns what is read of the hooks' tables.

# hooked: the names of the table of hooks.
hooked() {
    sed -nE 's/^(HOOK|VARIADIC|TIME64|TIME64_VARIADIC|JUMP|ALIAS)\(([A-Za-z_ ]+ ?\*?, )?([A-Za-z0-9_]+)[,)].*/\3/p' \
        shim/hooks/entry_points.def | sort
}

# aliases: a line `ALIAS NAME` for each other name.
aliases() {
    sed -nE 's/^ALIAS\([A-Za-z_ ]+ ?\*?, ([A-Za-z0-9_]+), ([A-Za-z0-9_]+),.*/\1 \2/p' \
        shim/hooks/entry_points.def
}

# older: the names under which the library defines hooks for programs of an older libc.
older() {
    sed -nE 's/^OLDER(_VARIADIC)?\([A-Za-z_ ]+ ?\*?, ([A-Za-z0-9_]+),.*/older_\2/p' shim/hooks/versions.def | sort -u
}
