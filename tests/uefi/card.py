#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A card for QEMU's ccid-card-passthru: the vscard protocol over a socket, and an applet with checked data. The reader is
a TPDU one for T=0."""

import socket
import struct
import threading
import time

INIT, ERROR, READER_ADD, READER_REMOVE, ATR, CARD_REMOVE, APDU = range(1, 8)
MAGIC, VERSION = b"VSCD", 2
# T=1 and T=0, a historical byte, and the check byte that T=1 requires.
ATR_BYTES = bytes.fromhex("3b8180014a4a")
OK = b"\x90\x00"


def pattern(n):
    return bytes(i & 0xff for i in range(n))


def parse(tpdu):
    """(data, Ne) of a command TPDU of T=0 (ISO 7816-3 §10.3.2); None when P3 and the data contradict."""
    p3, data = tpdu[4:5], tpdu[5:]
    if data:
        return (data, 0) if len(data) == p3[0] else None
    return b"", (p3[0] or 256) if p3 else 0


class Card:
    """The commands of the test's EFI program, by INS:
    10 nothing; 12 the data must be the pattern; 14 Ne bytes of the pattern; 16 the data come back by GET RESPONSE (C0);
    18 the same as 10, after P1 tenths of a second; 1A the status is P1 P2;
    1C the reader is pulled out, and 1E the card, instead of an answer."""

    def __init__(self, path, pull_reader, seen):
        self.pull_reader = pull_reader
        self.seen = seen
        self.kept = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def send(self, kind, data=b""):
        with self.lock:
            self.socket.sendall(struct.pack(">III", kind, 0, len(data)) + data)

    def plug(self):
        """Adds the reader: QEMU listens."""
        self.send(INIT, MAGIC + struct.pack(">II", VERSION, 0))
        self.send(READER_ADD)

    def insert(self):
        self.send(ATR, ATR_BYTES)

    def remove(self):
        self.send(CARD_REMOVE)

    def receive(self, n):
        got = b""
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise EOFError
            got += more
        return got

    def serve(self):
        try:
            while True:
                kind, _, length = struct.unpack(">III", self.receive(12))
                data = self.receive(length)
                if kind == APDU:
                    answer = self.command(data)
                    if answer is not None:
                        self.send(APDU, answer)
        except (EOFError, OSError):
            pass

    def command(self, tpdu):
        self.seen.append(tpdu[:5].hex())
        parsed = parse(tpdu) if len(tpdu) >= 4 else None
        if parsed is None:
            return b"\x67\x00"
        data, ne = parsed
        ins, p1, p2 = tpdu[1:4]
        if ins == 0x12:
            return OK if data == pattern(len(data)) else b"\x6a\x80"
        if ins == 0x14:
            return pattern(ne) + OK
        if ins == 0x16:
            self.kept = data
            return bytes([0x61, len(data) & 0xff])
        if ins == 0xC0:
            return self.kept[:ne] + OK if len(self.kept) == ne else bytes([0x6C, len(self.kept) & 0xff])
        if ins == 0x18:
            time.sleep(p1 / 10)
        elif ins == 0x1A:
            return bytes([p1, p2])
        elif ins == 0x1C:
            return self.pull_reader()
        elif ins == 0x1E:
            return self.remove()
        return OK if ins in (0x10, 0x18) else b"\x6d\x00"
