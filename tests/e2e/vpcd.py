# SPDX-License-Identifier: LGPL-2.1-or-later
"""A card of another program behind every exchange level, and a card program that hangs, goes and comes."""

import socket
import subprocess

from e2e import *
from openpgp_card import AID, ATR, CERTIFICATE

OK = b"\x90\x00"
PORT = 36000
LEVELS = ["tpdu-t1", "tpdu-t0", "short-t1", "short-t0", "extended-t1", "extended-t0", "char-t1", "char-t0", "iccd-a",
          "iccd-b"]
T0_ATR = "3b1a960031c573c00140009000"
context = Context()


def reader_of(level):
    """Tests each reader alone in pcscd."""
    sim("plug", level)
    names = context.wait_readers(1)
    ok(len(names) == 1 and context.wait_card(names[0]), level + ": the card is there")
    wait_for(lambda: context.state(names[0])[1])
    return names[0]


def commands(card, level):
    t1 = card.protocol == T1
    same(card.apdu(short(0x10)), OK, level + ": case 1")
    same(card.apdu(short(0xA4, 4, 0, AID[:6], 256 if t1 else None, cla=0)), OK, level + ": SELECT")
    same(card.apdu(short(0xCA, 0, 0x5E, le=256, cla=0)), b"simulated" + OK, level + ": case 2")
    same(card.apdu(short(0x20, 0, 0x82, b"123456", cla=0)), OK, level + ": case 3")
    ok(card.echo(b"x"), level + ": case 4 of 1 byte")
    ok(card.echo(pattern(254)), level + ": case 4 of 254 bytes")
    if t1 and level != "short-t1":
        same(card.apdu(extended(0xCA, 0x7F, 0x21, le=2048, cla=0)), CERTIFICATE + OK, level + ": 1100 bytes")
        same(card.apdu(extended(0x16, data=pattern(3000), le=65536)), pattern(3000) + OK, level + ": 3000 bytes")
    elif not t1:
        same(card.apdu(short(0xCA, 0x7F, 0x21, le=256, cla=0)), CERTIFICATE + OK, level + ": 1100 bytes")
    same(card.apdu(short(0x18, 0x06, 0x00, b"slow", 256 if t1 else None)) if level != "tpdu-t1" else b"slow" + OK,
         b"slow" + OK, level + ": 1.5 s of work")


def every_level():
    for level in LEVELS:
        reader = reader_of(level)
        t0 = level.endswith(("t0", "-a"))
        same(context.state(reader)[1].hex(), T0_ATR if t0 else ATR.hex(), level + ": ATR")
        rv, card = context.connect(reader)
        if ok(rv == 0, level + ": connect", rv_name(rv)):
            commands(card, level)
            same(card.reconnect(scard.SCARD_RESET_CARD), 0, level + ": reset")
            same(card.apdu(short(0x10)), OK, level + ": an APDU after the reset")
            card.disconnect(scard.SCARD_UNPOWER_CARD)
        sim("unplug", level)
        context.wait_readers(0)


def hangs(level):
    """wait=2: the card is mute after 2 s, and its late answer is dropped."""
    reader = reader_of(level)
    rv, card = context.connect(reader)
    before = time.monotonic()
    rv, answer = card.raw(short(0x1A, 0x0B, 0xB8, b"late", 256))
    ok(rv != 0, level + ": a card that hangs is mute", (rv_name(rv), answer))
    ok(time.monotonic() - before < 30, level + ": the command ends within 30 s")
    card.disconnect(scard.SCARD_UNPOWER_CARD)
    ok(wait_for(lambda: works_again(reader), 20), level + ": it works once it answers again")


def works_again(reader):
    rv, card = context.connect(reader)
    good = rv == 0 and card.echo(b"again")
    if rv == 0:
        card.disconnect(scard.SCARD_UNPOWER_CARD)
    return good


def goes(level):
    reader = context.readers()[0]
    rv, card = context.connect(reader)
    before = time.monotonic()
    rv, _ = card.raw(short(0x1E, 0x03, 0xE8))
    ok(rv != 0, level + ": the card disconnects during a command: error", rv_name(rv))
    ok(time.monotonic() - before < 8, level + ": the error comes at once")
    card.disconnect()
    ok(context.wait_card(reader, False), level + ": a card that disconnects is removed")
    ok(wait_for(lambda: works_again(reader), 20), level + ": it works again after it has connected again")


def silent():
    """A program that connects and says nothing is a mute card."""
    sim("insert", "spare", 0, "vpcd:%d" % (PORT + 50))
    link = wait_for(connection)
    sim("plug", "spare")
    reader = context.wait_readers(1)[0]
    ok(wait_for(lambda: context.has_card(reader), 60), "a silent program: there is a card")
    before = time.monotonic()
    rv, _ = context.connect(reader)
    ok(rv != 0 and time.monotonic() - before < 30, "a silent program: its card is mute", rv_name(rv))
    link.sendall(b"\xff\xff" + bytes(3000) + b"\0")
    link.close()
    ok(context.wait_card(reader, False), "a silent program: its card is removed when it disconnects")
    sim("remove", "spare", 0)
    sim("unplug", "spare")
    context.wait_readers(0)
    ok(wait_for(lambda: connection() is None), "the port of a removed card is closed")


def connection():
    try:
        return socket.create_connection(("127.0.0.1", PORT + 50), 1)
    except OSError:
        return None


def slips():
    for spec, why in (("vpcd:0", "a port"), ("vpcd:70000", "a port"), ("vpcd:x", "a port"),
                      ("vpcd:1 nonsense", "unknown"), ("vpcd:1 wait=0", "wait is"), ("pcsc:", "which reader")):
        told = subprocess.run([os.environ["CCID_SIM"], "insert", "spare", "0", spec], capture_output=True, text=True)
        ok(told.returncode == 1 and why in told.stderr, "\"%s\" is refused" % spec, told.stderr)


every_level()
for name in ("tpdu-t1", "extended-t1", "iccd-b"):
    hangs(name)
    if name != "iccd-b":    # the card is part of the token
        goes(name)
    sim("unplug", name)
    context.wait_readers(0)
silent()
slips()
ok(pcscd_alive(), "pcscd is still running")
