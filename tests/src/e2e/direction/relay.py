"""A link between two network namespaces that delays packets, each way by its own time.

Usage: relay.py NAMESPACE NAMESPACE

Creates a TUN device tun0 in each namespace, whose addresses are set by others. Reads lines with two
numbers from standard input: the delay in milliseconds from the first namespace to the second, and
back. Packets of one way keep their order. Ends with standard input.
"""

import collections
import ctypes
import fcntl
import os
import struct
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000


def tun(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    with open(namespace) as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    return device


class Way:
    def __init__(self, source, sink):
        self.source, self.sink, self.delay = source, sink, 0.0
        self.packets = collections.deque()
        self.arrived = threading.Semaphore(0)
        for act in (self.read, self.write):
            threading.Thread(target=act, daemon=True).start()

    def read(self):
        while True:
            packet = os.read(self.source, 65536)
            self.packets.append((time.monotonic() + self.delay, packet))
            self.arrived.release()

    def write(self):
        while True:
            self.arrived.acquire()
            due, packet = self.packets.popleft()
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            try:
                os.write(self.sink, packet)
            except OSError:
                pass  # The device is down: the packet is lost.


first, second = (tun(namespace) for namespace in sys.argv[1:3])
there, back = Way(first, second), Way(second, first)
print("ready", flush=True)
for line in sys.stdin:
    there.delay, back.delay = (float(text) / 1000 for text in line.split())
    print("set", flush=True)
