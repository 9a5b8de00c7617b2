# shellcheck shell=bash
# An ordinary user; loaded after helper. Owns who that is, and where it can read files of ours.

# unprivileged CMD...: as another user, without any capability.
unprivileged() {
    setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all --inh-caps=-all "$@"
}

# publish FILE...: copies them to a directory that any user can read, and sets `public` to it, until
# the test removes it.
publish() {
    public=$(mktemp -d -p /tmp)
    chmod 755 "$public"
    cp "$@" "$public"
}
