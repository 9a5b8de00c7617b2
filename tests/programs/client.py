#!/usr/bin/env python3
"""Python's ways to use and leave a connection: `client.py WAY HOST PORT COUNT`.

Prints each reply. WAY is a function below.
"""
import asyncio
import os
import signal
import socket
import sys
import urllib.request

REQUEST = b"hello?\n"


def connect():
    return socket.create_connection((host, port))


def exchange(connection):
    connection.sendall(REQUEST)
    print(connection.recv(100), flush=True)


def get():
    """urllib.request"""
    with urllib.request.urlopen(f"http://{host}:{port}/") as response:
        print(response.read())


def raw():
    """socket, closed after the reply"""
    with connect() as connection:
        exchange(connection)


def eof():
    """socket, closed after the peer's end"""
    with connect() as connection:
        exchange(connection)
        print(connection.recv(100))


def both():
    """socket.shutdown(SHUT_RDWR) and close(), as many a client does"""
    with connect() as connection:
        exchange(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError as error:
            print(error)


def makefile():
    """socket.makefile(): closed with the last of the two objects"""
    with connect() as connection, connection.makefile("rwb") as stream:
        stream.write(REQUEST)
        stream.flush()
        print(stream.readline())


async def streams():
    """asyncio's streams"""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(REQUEST)
    print(await reader.readline())
    writer.close()
    await writer.wait_closed()


def stream():
    asyncio.run(streams())


def fork():
    """the child uses the parent's connection; both close it, the child last"""
    connection = connect()
    child = os.fork()
    if child == 0:
        exchange(connection)
        os._exit(0)
    connection.close()
    os.waitpid(child, 0)


left_open = []


def leave():
    """sockets left open"""
    left_open.append(connect())
    exchange(left_open[-1])


ways = {"urllib": get, "raw": raw, "eof": eof, "both": both, "makefile": makefile,
        "asyncio": stream, "fork": fork, "exit": leave, "kill": leave}
way, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
for _ in range(int(sys.argv[4])):
    ways[way]()
if way == "exit":
    os._exit(3)
if way == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
