# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every case of APDU at every exchange level, one reader after the other. Arguments: names of readers."""

from e2e import *

OK = b"\x90\x00"
WHOLE = 65536
# Name, protocol, whether the application does GET RESPONSE itself (no Le in case 4), and the longest data of
# extended APDUs (0: none; FITS: as long as one message of the reader allows).
FITS = -1
READERS = (
    ("tpdu-t0", T0, True, 0),
    ("tpdu-t0-bytewise", T0, True, 0),
    ("tpdu-t1-lrc", T1, False, WHOLE),
    ("tpdu-t1-crc", T1, False, WHOLE),
    ("tpdu-t1-small-blocks", T1, False, WHOLE),
    ("short-t0", T0, False, FITS),
    ("short-t1", T1, False, FITS),
    # extended APDUs as T=1 blocks in Escape commands
    ("short-omnikey-t1", T1, False, WHOLE),
    ("short-omnikey-6121-t1-crc", T1, False, WHOLE),
    ("extended-t0", T0, False, WHOLE),
    ("extended-t1", T1, False, WHOLE),
    ("extended-64-t0", T0, False, WHOLE),
    ("extended-64-t1", T1, False, WHOLE),
    ("extended-11-t1", T1, False, 1000),
    ("char-t0", T0, True, 0),
    ("char-t0-bytewise", T0, True, 0),
    ("char-t1-lrc", T1, False, WHOLE),
    ("char-t1-crc", T1, False, WHOLE),
    ("char-oz776-t0", T0, True, 0),
    ("char-oz776-t1", T1, False, WHOLE),
    ("iccd-a-egate", T0, True, 0),
    ("iccd-a-ibank2key", T0, True, 0),
    ("iccd-b-magistra", T1, False, WHOLE),
    ("iccd-b-cosmocard", T1, False, WHOLE),
    ("iccd-b-extended", T1, False, WHOLE),
    ("iccd-b-extended-64", T1, False, WHOLE),
)


def noise(n, seed):
    return bytes((i * i + 7 * i + seed) & 0xff for i in range(n))


# E2E_LONGEST=N: the data are at most N bytes long (for machines on which a block is slow).
LONGEST = int(os.environ.get("E2E_LONGEST", WHOLE))


def up_to(top, *numbers):
    return [n for n in numbers if n <= min(top, LONGEST)]


def apdu(card, command, t0):
    """At T=0 the application fetches the answer; otherwise there is one command and one answer."""
    if t0:
        return card.apdu(command)
    rv, answer = card.raw(command)
    return answer if rv == 0 else rv_name(rv)


def short_cases(card, where, t0):
    same(apdu(card, short(0x10), t0), OK, where + " case 1")
    for n in (1, 2, 53, 54, 55, 127, 128, 246, 247, 254, 255, 256):
        same(apdu(card, short(0x14, le=n), t0), pattern(n) + OK, "%s case 2, %d bytes" % (where, n))
    for n in (1, 2, 48, 49, 50, 127, 128, 200, 253, 254, 255):
        same(apdu(card, short(0x12, 1, data=pattern(n)), t0), OK, "%s case 3, %d bytes" % (where, n))
    for n in (1, 2, 31, 32, 33, 47, 48, 49, 128, 246, 247, 254, 255):
        data = noise(n, n)
        same(apdu(card, short(0x16, data=data, le=None if t0 else 256), t0), data + OK,
             "%s case 4, %d bytes" % (where, n))
    same(apdu(card, short(0x1A, 0x6A, 0x82), t0), b"\x6a\x82", where + " status bytes 6A82")
    same(apdu(card, short(0x12, 1, data=b"\x01\x00"), t0), b"\x6a\x80", where + " refused data 6A80")
    same(apdu(card, short(0xA4, 2, 0x0C, b"\x2f\x00", cla=0), t0), OK, where + " SELECT 2F00")
    same(apdu(card, short(0xB0, 0, 3, le=16, cla=0), t0), bytes(range(3, 19)) + OK, where + " READ BINARY")


def extended_cases(card, where, top):
    for n in up_to(top, 1, 255, 256, 257, 1000, 4096, 32767, 65535, 65536):
        same(apdu(card, extended(0x14, le=n), False), pattern(n) + OK, "%s case 2E, %d bytes" % (where, n))
    for n in up_to(top, 1, 255, 256, 257, 1000, 4096, 65535):
        same(apdu(card, extended(0x12, 1, data=pattern(n)), False), OK, "%s case 3E, %d bytes" % (where, n))
    for n in up_to(top, 1, 255, 256, 300, 5000, 65535):
        data = noise(n, 3)
        same(apdu(card, extended(0x16, data=data, le=65536), False), data + OK, "%s case 4E, %d bytes" % (where, n))


def refused(card, where):
    """An extended APDU that the reader cannot pass on is refused; the card never sees half of it."""
    for command, case in ((extended(0x14, le=300), "2E"), (extended(0x12, 1, data=pattern(300)), "3E")):
        rv, answer = card.raw(command)
        ok(rv != 0 or answer[0] >> 4 == 6, "%s case %s is refused" % (where, case), (rv_name(rv), answer))


def fitting(card, where):
    """A reader of short APDU level passes on an APDU that fits into its message; a longer one is refused."""
    same(apdu(card, extended(0x14, le=200), False), pattern(200) + OK, where + " case 2E, 200 bytes")
    same(apdu(card, extended(0x12, 1, data=pattern(200)), False), OK, where + " case 3E, 200 bytes")
    rv, answer = card.raw(extended(0x12, 1, data=pattern(300)))
    ok(rv != 0, where + " case 3E of 300 bytes does not fit", (rv_name(rv), answer))


def visit(name, protocol, t0, top):
    sim("plug", name)
    readers = context.wait_readers(1)
    if not ok(len(readers) == 1, name + ": plugged, it is a reader", readers):
        sim("unplug", name)
        return
    reader = readers[0]
    context.wait_card(reader)
    for when in ("", " after a reset"):
        rv, card = context.connect(reader)
        if not ok(rv == 0, "%s: connect%s" % (name, when), rv_name(rv)):
            break
        same(card.protocol, protocol, name + ": the protocol is T=%d" % (protocol == T1))
        short_cases(card, name + when + ":", t0)
        if when == "":
            if top == FITS:
                fitting(card, name + ":")
            elif top:
                extended_cases(card, name + ":", top)
            else:
                refused(card, name + ":")
            same(apdu(card, short(0x10), t0), OK, name + ": a short APDU afterwards")
        same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, name + ": disconnect")
    sim("unplug", name)
    ok(wait_for(lambda: not context.readers()), name + ": unplugged, it is not a reader any more", context.readers())


context = Context()
for row in READERS:
    if len(sys.argv) < 2 or row[0] in sys.argv[1:]:
        before = time.monotonic()
        visit(*row)
        print("# %s: %.1f s" % (row[0], time.monotonic() - before))
ok(pcscd_alive(), "pcscd is still running")
