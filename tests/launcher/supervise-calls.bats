# notimewait --by supervise: which system calls that open a connection are seen, whatever their number.
# shellcheck disable=SC2153 # BUILD is the helper's
load ../lib/helper

START=$BUILD/notimewait

# opener: a program that opens a connection by data (MSG_FASTOPEN) with a raw system call, and prints
# what is set on its socket then. The numbers of x32 (bit 30) are notified where the kernel has no
# such programs, too: the call then says ENOSYS.
opener() {
    cat >"$BATS_TEST_TMPDIR/opener" <<'END'
import ctypes, mmap, os, socket, struct, sys
name, port = sys.argv[1], int(sys.argv[2])
numbers = {"sendto": 44, "sendmsg": 46, "sendmmsg": 307, "x32-sendto": 1 << 30 | 44,
           "x32-sendmsg": 1 << 30 | 518, "x32-sendmmsg": 1 << 30 | 538}
where = {"sendto": 3, "sendmsg": 2, "sendmmsg": 3}[name.replace("x32-", "").split("=")[0]]
flags = 0 if "=" in name else socket.MSG_FASTOPEN
name = name.split("=")[0]
low = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40) # MAP_32BIT
at = ctypes.addressof(ctypes.c_char.from_buffer(low))
low[0:16] = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(port), socket.inet_aton("127.0.0.1"))
low[16:20] = b"data"
word = "I" if name.startswith("x32") else "Q"
low[32:32 + 2 * struct.calcsize(word)] = struct.pack("=2" + word, at + 16, 4) # struct iovec
message = struct.pack("=QI4xQQQQQ" if word == "Q" else "=IIIIIII", at, 16, at + 32, 1, 0, 0, 0)
low[64:64 + len(message)] = message
s = socket.socket()
arguments = {"sendto": [at + 16, 4, flags, at, 16], "sendmsg": [at + 64, flags, 0, 0, 0],
             "sendmmsg": [at + 64, 1, flags, 0, 0]}[name.replace("x32-", "")]
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
result = libc.syscall(ctypes.c_long(numbers[name]), s.fileno(), *[ctypes.c_long(a) for a in arguments])
print(name, "linger2", s.getsockopt(socket.IPPROTO_TCP, 8), "result", result, flush=True)
END
}

@test "data with the SYN: sendto(), sendmsg(), sendmmsg(), x32's too; without the flag nothing is done" {
    need python3
    [[ $(uname -m) == x86_64 ]] || skip 'the numbers are those of a 64-bit PC'
    local call
    opener
    serve "$PORT" loop:6 accept readall close end
    for call in sendto sendmsg sendmmsg x32-sendto x32-sendmsg x32-sendmmsg; do
        run "$START" --by supervise -p fin-rst python3 "$BATS_TEST_TMPDIR/opener" $call "$PORT"
        echo "$output"
        [[ $status -eq 0 && $output == *"$call linger2 -1 result "* ]]
        [[ $call == x32-* || $output == *'result '[14] ]]
        run "$START" --by supervise -p fin-rst python3 "$BATS_TEST_TMPDIR/opener" $call=plain "$PORT"
        echo "$output"
        [[ $status -eq 0 && $output != *'linger2 -1'* ]]
    done
}
