# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every case of APDU at every exchange level."""

from e2e import *

OK = b"\x90\x00"


def short_cases(card, where):
    same(card.apdu(short(0x10)), OK, where + " case 1")
    for n in (1, 2, 16, 127, 128, 200, 254, 255, 256):
        same(card.apdu(short(0x14, le=n)), pattern(n) + OK, "%s case 2, %d bytes" % (where, n))
    for n in (1, 2, 16, 31, 32, 33, 127, 128, 200, 246, 247, 253, 254, 255):
        same(card.apdu(short(0x12, 1, data=pattern(n))), OK, "%s case 3, %d bytes" % (where, n))
    for n in (1, 2, 16, 100, 128, 246, 247, 253, 254, 255):
        data = bytes(255 - (i & 0xff) for i in range(n))
        # at T=0 the application leaves Le out and fetches the answer (ISO 7816-4 §12.2.5)
        le = None if where.startswith("TPDU, T=0") else 256
        same(card.apdu(short(0x16, data=data, le=le)), data + OK, "%s case 4, %d bytes" % (where, n))
    same(card.apdu(short(0x1A, 0x6A, 0x82)), b"\x6a\x82", where + " status bytes 6A82")
    same(card.apdu(short(0x12, 1, data=b"\x01\x00")), b"\x6a\x80", where + " refused data 6A80")
    same(card.apdu(short(0xA4, 2, 0x0C, b"\x2f\x00", cla=0)), OK, where + " SELECT 2F00")
    same(card.apdu(short(0xB0, 0, 3, le=16, cla=0)), bytes(range(3, 19)) + OK, where + " READ BINARY")
    same(card.apdu(short(0x14, 0x01, 0x00, le=256)), pattern(256) + OK, where + " 256 bytes again")


def extended_cases(card, where):
    for n in (1, 256, 257, 1000, 4096, 32767, 65535, 65536):
        same(card.apdu(extended(0x14, le=n)), pattern(n) + OK, "%s case 2E, %d bytes" % (where, n))
    for n in (1, 255, 256, 257, 1000, 4096, 65535):
        same(card.apdu(extended(0x12, 1, data=pattern(n))), OK, "%s case 3E, %d bytes" % (where, n))
    for n in (1, 256, 300, 5000, 32768, 65535):
        data = bytes((7 * i) & 0xff for i in range(n))
        same(card.apdu(extended(0x16, data=data, le=65536)), data + OK, "%s case 4E, %d bytes" % (where, n))
    same(card.apdu(short(0x10)), OK, where + " a short APDU afterwards")


context = Context()
names = context.wait_readers(6)
levels = {"Gemalto": "TPDU", "ACS": "short APDU", "Alcor": "extended APDU"}
for name in names:
    level = levels[name.split()[0]]
    context.wait_card(name)
    rv, card = context.connect(name)
    if not ok(rv == 0, "connect to " + name, rv_name(rv)):
        continue
    place = "%s, T=%d:" % (level, card.protocol == T1)
    short_cases(card, place)
    if level != "short APDU" and card.protocol == T1:
        extended_cases(card, place)
    same(card.disconnect(), 0, place + " disconnect")
ok(pcscd_alive(), "pcscd is still running")
