# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each use of a reader once, under a pcscd without rights."""

import threading

from e2e import *

OK = b"\x90\x00"
READERS = 13


def work(name):
    context.wait_card(name)
    rv, card = context.connect(name)
    if not ok(rv == 0, name + ": connect", rv_name(rv)):
        return
    ok(card.echo(pattern(200)), name + ": 200 bytes echoed")
    whole = card.protocol == T1 and not name.startswith("ACS") and "OMNIKEY" not in name
    if whole:
        same(card.apdu(extended(0x14, le=65536)), pattern(65536) + OK, name + ": 64 KiB")
    rv, features = scard.SCardControl(card.handle, scard.SCARD_CTL_CODE(3400), [])
    ok(rv == 0 and features, name + ": features", rv_name(rv))
    codes = {features[i]: int.from_bytes(bytes(features[i + 2:i + 6]), "big") for i in range(0, len(features), 6)}
    if 6 in codes:
        pin(card, codes[6], name)
    same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, name + ": disconnect")


def pin(card, code, name):
    """PIN_VERIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits, a block of 8 bytes. A key that is pressed too early is lost."""
    structure = bytes.fromhex("1E 00 82 08 00 0804 02 01 0904 00 000000 0D000000 0020000108") + b"\xff" * 8
    trace = os.path.join(os.environ["e2e_tmp"], "trace")
    sim("trace", trace)

    def press():
        def asked():
            with open(trace) as f:
                return " Secure " in f.read()
        if wait_for(asked):
            sim("keys", "pinpad", r"1234\n")

    finger = threading.Thread(target=press)
    finger.start()
    rv, answer = scard.SCardControl(card.handle, code, list(structure))
    finger.join()
    same(bytes(answer) if rv == 0 else rv_name(rv), OK, name + ": PIN")


def movements():
    before = context.readers()
    sim("plug", "late")
    names = context.wait_readers(READERS + 1)
    new = [n for n in names if n not in before]
    if ok(len(new) == 1, "a reader is plugged in", names):
        work(new[0])
    sim("unplug", "late")
    same(context.wait_readers(READERS), before, "the reader is unplugged")
    first = before[0]
    rv, card = context.connect(first)
    sim("reset", 0)
    card.raw(short(0x10))
    card.disconnect()


def cards():
    name = next(n for n in context.readers() if n.startswith("ACS"))
    sim("remove", "short-t1", 0)
    ok(context.wait_card(name, False), "a card is removed")
    sim("insert", "short-t1", 0, "t1")
    ok(context.wait_card(name), "the card is inserted again")
    work(name)


context = Context()
names = context.wait_readers(READERS)
if ok(len(names) == READERS, "%d readers" % READERS, names):
    for each in names:
        work(each)
    movements()
    cards()
ok(pcscd_alive(), "pcscd is still running")
