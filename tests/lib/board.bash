# shellcheck shell=bash
# What the tests of the board share: `load board`. A board is at $BOARD, on /dev/shm or, where the
# test may mount, on a tmpfs of its own.
# shellcheck disable=SC2034 # used in the tests

START=$BUILD/notimewait
SHM=/dev/shm/notimewait-test-$$-$BATS_TEST_NUMBER
BOARD=$SHM/board

private_place() {
    mkdir -m 700 "$SHM"
}

prepare() {
    private_place
}

clean_up() {
    umount "$SHM" 2>/dev/null || true
    rm -rf "$SHM"
}

# board_cells: what the counters say, by the layout that libnotimewait(7) gives: a line
# `PROGRAM POLICY WASHOUT connections=N closes=N recycled=N rst=N` of each cell, and what else is
# not zero: `connect_errors.ERRNO=N`, `io_errors.ERRNO=N`, `connect_times=N`, `close_times=N`,
# `peer=ADDRESS:PORT`. With `slots`: a line `START POLICYWORD LENGTH BLOCK connections failed
# no_port io_errors times` of each slot.
# shellcheck disable=SC2120 # of the tests
board_cells() {
    python3 - "$BOARD/counters" "$@" <<'END'
import socket, struct, sys
CELLS, CELL, SLOTS, SLOT, HEAD = 128, 13912, 1024, 1784, 128
data = open(sys.argv[1], 'rb').read()
assert len(data) == HEAD + (CELLS + 1) * CELL + SLOTS * SLOT, len(data)
assert data[:8] == b'nwtboard' and struct.unpack_from('=IIQ', data, 8) == (1, 0, len(data))
def numbers(at, count):
    return struct.unpack_from('=%dQ' % count, data, at)
def named(name, values):
    return [' %s.%d=%d' % (name, i, n) for i, n in enumerate(values) if n]
for i in range(CELLS + 1 if len(sys.argv) == 2 else 0):
    at = HEAD + i * CELL
    state, washout = struct.unpack_from('=II', data, at)
    program = data[at + 8:at + 112].split(b'\0')[0].decode() or '-'
    policy = data[at + 112:at + 144].split(b'\0')[0].decode() or 'other'
    at += 144
    connections, closes, recycled, more, broken = numbers(at, 5)
    if state != 2 and not connections + closes:
        continue
    line = '%s %s %d connections=%d closes=%d recycled=%d rst=%d' % (
        program, policy, washout, connections, closes, recycled, numbers(at + 40, 2)[1])
    at += 40 + 8 * (8 + 32)
    line += ' broken=%d' % broken if broken else ''
    line += ''.join(named('connect_errors', numbers(at, 134)))
    at += 8 * 134
    line += ''.join(named('io_errors', numbers(at, 134)))
    at += 8 * 134
    line += ' connect_times=%d close_times=%d' % (sum(numbers(at, 656)), sum(numbers(at + 8 * 656, 656)))
    at += 2 * 8 * 656
    for p in range(at, at + 32 * 24, 24):
        ready, port, _ = struct.unpack_from('=IHH', data, p)
        if ready == 2:
            line += ' peer=%s:%d' % (socket.inet_ntop(socket.AF_INET6, data[p + 8:p + 24]), port)
    print(line)
for i in range(SLOTS if len(sys.argv) > 2 else 0):
    key, *values = numbers(HEAD + (CELLS + 1) * CELL + i * SLOT, SLOT // 8)
    values = [v & 0xffffffff if v >> 32 == key >> 32 else 0 for v in values]
    if key:
        print(key >> 32, key & 0xffffffff, *values[:6], sum(values[6:114]))
END
}

# boarded POLICY CMD...: runs it under the library with the board.
boarded() {
    NOTIMEWAIT_BOARD=$BOARD preload "$@"
}

# total FIELD [REGEX]: the sum of a field over the cells whose line matches.
total() {
    # shellcheck disable=SC2119
    board_cells | grep -E -- "${2-.}" | grep -oE " $1=[0-9]+" | awk -F= '{ sum += $2 } END { print sum + 0 }'
}
