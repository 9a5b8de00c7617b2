#!/usr/bin/env python3
"""A client that lets an HTTP server close first: `closes.py PORT COUNT ADDRESS [FILE]`.

It makes COUNT requests by HTTP/1.0, each on a connection of its own, reads to the end, and closes
50 ms later, while others are made, so that the server's close is over by then, also of one that calls
shutdown() before: TIME_WAIT belongs there. With
FILE it opens them all and lets them live (keep-alive), prints `open`, and asks for their end
once FILE exists. It prints how many answers were whole.

The connections come from ADDRESS and from ports of their own: one of the same port would take over
the entry that an earlier one has left at the server.
"""
import os
import socket
import sys
import time

port, count, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
file = sys.argv[4] if len(sys.argv) > 4 else None


def connect(number):
    return socket.create_connection(("127.0.0.1", port), source_address=(address, 20000 + number))


def ask(connection, version, more=""):
    connection.sendall(f"GET /index.html HTTP/{version}\r\nHost: localhost\r\n{more}\r\n".encode())


def read_answer(connection):
    """The head, and as much as that says."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += connection.recv(4096)
    head, body = text.split(b"\r\n\r\n", 1)
    left = int(head.lower().split(b"content-length:")[1].split()[0]) - len(body)
    while left > 0:
        left -= len(connection.recv(4096))


ended = []


def close_ended(now):
    while ended and ended[0][0] <= now:
        ended.pop(0)[1].close()


def read_end(connection):
    text = b""
    while piece := connection.recv(4096):
        text += piece
    ended.append((time.monotonic() + 0.5, connection))
    close_ended(time.monotonic())
    return b" 200 OK\r\n" in text.split(b"\n", 1)[0] + b"\n"


def fresh(number):
    connection = connect(number)
    ask(connection, "1.0")
    return read_end(connection)


def kept():
    connections = [connect(number) for number in range(count)]
    for connection in connections:
        ask(connection, "1.1")
        read_answer(connection)
    print("open", flush=True)
    while not os.path.exists(file):
        time.sleep(0.01)
    for connection in connections:
        ask(connection, "1.1", "Connection: close\r\n")
    return [read_end(connection) for connection in connections]


whole = sum(kept() if file else map(fresh, range(count)))
time.sleep(0.5)
close_ended(time.monotonic() + 1)
print("whole", whole)
