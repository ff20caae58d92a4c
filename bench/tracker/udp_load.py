"""Announces over UDP (BEP 15) as fast as they are answered, so many at a time; until its time is up.

Arguments, as JSON: {"port": N, "swarms": N, "peers": N, "wanted": N, "seconds": S, "window": N,
                     "hashes": PATH, "announces": N}
It ends also when so many announces were answered, where that is said. "hashes" is a
file of info-hashes in hexadecimal, one a line.
On stdout, as JSON:  {"announces": N, "seconds": S, "p99Ms": N, "lost": N, "errors": N, "bytes": N}
"""

import json
import os
import socket
import struct
import sys
import time

CONNECT, ANNOUNCE, ERROR = 0, 1, 3
PROTOCOL_ID = 0x41727101980
# After so long without an answer what is under way counts as lost.
PATIENCE_S = 0.2


def connect(udp):
    udp.send(struct.pack(">QII", PROTOCOL_ID, CONNECT, 1))
    action, _, connection = struct.unpack(">IIQ", udp.recv(2048)[:16])
    assert action == CONNECT
    return connection


def announces(asked, connection):
    """All peers, swarm by swarm in turn. The transaction id is the place in this list."""
    hashes = [bytes.fromhex(line) for line in open(asked["hashes"])]
    for index in range(asked["peers"]):
        swarm, member = index % asked["swarms"], index // asked["swarms"]
        left = 0 if member % 10 == 0 else 1000
        head = struct.pack(">QII", connection, ANNOUNCE, index)
        peer = b"-BENCH0-%012d" % index
        numbers = struct.pack(">QQQIIIiH", 0, left, 0, 0, 0, 0, asked["wanted"], 10000 + member)
        yield head + hashes[swarm] + peer + numbers


def run(asked):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    udp.settimeout(PATIENCE_S)
    udp.connect(("127.0.0.1", asked["port"]))
    packets = list(announces(asked, connect(udp)))
    count, window = len(packets), asked["window"]
    send, receive, clock = udp.send, udp.recv_into, time.perf_counter
    buffer = bytearray(2048)
    done = errors = lost = size = under_way = 0
    at = int.from_bytes(os.urandom(4), "big") % count
    # One announce in so many is timed.
    timed, started, times = None, 0.0, []
    enough = asked.get("announces", float("inf"))
    begin = clock()
    end = begin + asked["seconds"]
    while done < enough:
        while under_way < window:
            if timed is None:
                timed, started = at, clock()
                if started >= end:
                    break
            send(packets[at])
            under_way += 1
            at = at + 1 if at + 1 < count else 0
        if timed is not None and started >= end:
            break
        try:
            # Half of the window at once, so that neither side waits for the other.
            for _ in range(max(1, window // 2)):
                size += receive(buffer)
                under_way -= 1
                if buffer[3] != ANNOUNCE:
                    errors += 1
                    continue
                done += 1
                if int.from_bytes(buffer[4:8], "big") == timed:
                    times.append(clock() - started)
                    timed = None
        except TimeoutError:
            lost += under_way
            under_way, timed = 0, None
    seconds = clock() - begin
    times.sort()
    p99 = times[int(len(times) * 0.99)] * 1000 if times else None
    return {"announces": done, "seconds": seconds, "p99Ms": p99, "lost": lost, "errors": errors, "bytes": size}


print(json.dumps(run(json.loads(sys.argv[1]))), flush=True)
