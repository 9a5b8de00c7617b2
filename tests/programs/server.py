#!/usr/bin/env python3
"""A server for the tests of real programs: `server.py WAY PORT` listens on every address.

It reads one request, of HTTP (it begins with GET) or anything in one piece, and replies: `hello`, and
for /page a page with a few images. WAY:
  eof   it reads on and closes when its client has closed: the client closes first
  mute  as eof, and it never replies
  now   it closes at once after the reply: both may close at the same moment
  fork  socketserver.ForkingTCPServer: each child half-closes and closes, first
  dns   as eof, and the request is one of DNS (RFC 1035): every name has the address 192.0.2.1
It prints `ready`, and every error of a connection by name: what a server's log would complain of.
"""
import errno
import os
import socket
import socketserver
import sys
import threading

BODY = b"hello\n"
PAGE = b"<p>delivered</p>" + b"".join(b'<img src="/%d">' % i for i in range(5))
HEADER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n%s\r\n"


def read_request(connection):
    request = connection.recv(4096)
    while request.startswith(b"GET") and not request.endswith(b"\r\n\r\n"):
        piece = connection.recv(4096)
        if not piece:
            break
        request += piece
    return request


def answer(connection):
    """Over TCP, a length comes before each message (RFC 1035, 4.2.2)."""
    query = connection.recv(4096)[2:]
    question = query[12 : query.index(b"\0", 12) + 5]
    address = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes([192, 0, 2, 1])
    message = query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question + address
    connection.sendall(len(message).to_bytes(2, "big") + message)


def reply(connection):
    request = read_request(connection)
    if request.startswith(b"GET /page"):
        connection.sendall(HEADER % (len(PAGE), b"Content-Type: text/html\r\n") + PAGE)
    elif request.startswith(b"GET"):
        connection.sendall(HEADER % (len(BODY), b"") + BODY)
    else:
        connection.sendall(BODY)


def read_on(connection):
    while connection.recv(4096):
        pass


def complain(text):
    """In one write: threads share the line."""
    os.write(sys.stdout.fileno(), text.encode() + b"\n")


def say_nothing(connection):
    """What comes is read until the end."""


def converse(connection, way):
    try:
        {"dns": answer, "mute": say_nothing}.get(way, reply)(connection)
        if way != "now":
            read_on(connection)
    except OSError as error:
        complain(errno.errorcode[error.errno])
    finally:
        connection.close()


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        reply(self.request)


class Forking(socketserver.ForkingTCPServer):
    allow_reuse_address = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        complain(repr(sys.exc_info()[1]))


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    listener.listen(100)
    return listener


def serve(listener, way):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=converse, args=(connection, way), daemon=True).start()


def main(way, port):
    if way == "fork":
        server = Forking(("", port), Handler)
        print("ready", flush=True)
        server.serve_forever()
    listener = listen(port)
    print("ready", flush=True)
    serve(listener, way)


main(sys.argv[1], int(sys.argv[2]))
