# SPDX-License-Identifier: LGPL-2.1-or-later
"""A card for "card 0 = vpcd:PORT": the data of an OpenPGP card 3.4, and commands that test the simulator.

    openpgp_card.py PORT...     one card for each port

Class 80: 10 does nothing, 16 returns the data, 18 P1P2 does so after that many ms, 1A P1P2 is mute for that many ms and
answers then, 1C P1P2 returns that many bytes, 1E removes the card for P1P2 ms.
"""

import socket
import struct
import sys
import threading
import time

ATR = bytes.fromhex("3bda18ff81b1fe751f030031c573c001400090000c")
AID = bytes.fromhex("d2760001240103040005000049540000")
APDU_OK = b"\x90\x00"


def tlv(tag, value):
    n = len(value)
    length = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else b"\x82" + struct.pack(">H", n)
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big") + length + value


RSA2048 = bytes.fromhex("010800002000")
MODULUS = b"\xC1" + bytes(i * 5 & 0xFF for i in range(254)) + b"\x01"
CERTIFICATE = bytes(i * 7 & 0xFF for i in range(1100))


class OpenPGP:
    def __init__(self):
        self.objects = {
            0x5B: b"Reader<<Simulated", 0x5F2D: b"en", 0x5F35: b"9", 0x5F50: b"https://example.org/key.asc",
            0x5E: b"simulated", 0x93: b"\0\0\x2A", 0x7F21: CERTIFICATE,
            0xC0: bytes.fromhex("75000800080008000000"),
            0xC1: RSA2048, 0xC2: RSA2048, 0xC3: RSA2048,
            0xC4: bytes.fromhex("00202020030003"), 0xC5: bytes(60), 0xC6: bytes(60), 0xCD: bytes(12),
            0x4F: AID, 0x5F52: ATR[-11:-1],
        }

    def value(self, tag):
        def parts(*tags):
            return b"".join(tlv(t, self.value(t)) for t in tags)

        if tag == 0x65:
            return parts(0x5B, 0x5F2D, 0x5F35)
        if tag == 0x7A:
            return parts(0x93)
        if tag == 0x73:
            return parts(0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xCD)
        if tag == 0x6E:
            return parts(0x4F, 0x5F52, 0x73)
        return self.objects.get(tag)

    def run(self, ins, p1, p2, data):
        if ins == 0xA4:
            return APDU_OK if p1 == 4 and data and AID.startswith(data) else b"\x6A\x82"
        if ins == 0xCA:
            found = self.value(p1 << 8 | p2)
            if p1 << 8 | p2 in (0x65, 0x6E, 0x73, 0x7A) and found is not None:
                found = tlv(p1 << 8 | p2, found)
            return found + APDU_OK if found is not None else b"\x6A\x88"
        if ins == 0x47 and p1 == 0x81:
            return tlv(0x7F49, tlv(0x81, MODULUS) + tlv(0x82, b"\1\0\1")) + APDU_OK
        if ins == 0x20:
            return APDU_OK if data == b"123456" else b"\x63\xC2"
        if ins == 0x84:
            return bytes(32) + APDU_OK
        return b"\x6D\x00"


def take_apart(apdu):
    """Class, INS, P1, P2 and the data of a command."""
    if len(apdu) > 7 and apdu[4] == 0:
        n = apdu[5] << 8 | apdu[6]
        return *apdu[:4], apdu[7:7 + n]
    return *apdu[:4], apdu[5:5 + apdu[4]] if len(apdu) > 5 else b""


class Card(OpenPGP):
    def __init__(self, port):
        super().__init__()
        self.port = port
        self.away = 0

    def try_out(self, ins, number, data):
        if ins == 0x10:
            return APDU_OK
        if ins in (0x16, 0x18, 0x1A):
            time.sleep(number / 1000 if ins != 0x16 else 0)
            return data + APDU_OK
        if ins == 0x1C:
            return bytes(i & 0xFF for i in range(number)) + APDU_OK
        if ins == 0x1E:
            self.away = number / 1000
            return None
        return b"\x6D\x00"

    def exactly(self, link, n):
        got = b""
        while len(got) < n:
            part = link.recv(n - len(got))
            if not part:
                raise ConnectionError
            got += part
        return got

    def serve(self, link):
        while True:
            message = self.exactly(link, struct.unpack(">H", self.exactly(link, 2))[0])
            if message == b"\4":
                answer = ATR
            elif len(message) > 1:
                cla, ins, p1, p2, data = take_apart(message)
                answer = self.try_out(ins, p1 << 8 | p2, data) if cla & 0x80 else self.run(ins, p1, p2, data)
                if answer is None:
                    return
            else:
                continue
            link.sendall(struct.pack(">H", len(answer)) + answer)

    def live(self):
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as link:
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.serve(link)
            except OSError:
                pass
            time.sleep(self.away or 0.05)
            self.away = 0


if __name__ == "__main__":
    for word in sys.argv[1:]:
        threading.Thread(target=Card(int(word)).live).start()
