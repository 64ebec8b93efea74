# SPDX-License-Identifier: LGPL-2.1-or-later
"""A USB reset by another program must not leave the reader dead."""

from e2e import *

OK = b"\x90\x00"
context = Context()
reader = context.wait_readers(1)[0]


def echo():
    """Connects and exchanges an APDU; True on success."""
    rv, card = context.connect(reader)
    if rv:
        return False
    good = card.echo(b"reset")
    card.disconnect(scard.SCARD_UNPOWER_CARD)
    return good


context.wait_card(reader)
ok(echo(), "it works")
for i in range(3):
    sim("reset", 0)
    ok(wait_for(echo, 20), "works again after reset %d" % i)
rv, card = context.connect(reader)
same(rv, 0, "connect")
sim("reset", 0)
rv, answer = card.raw(short(0x10))
ok(rv != 0 or answer == OK, "an APDU right after a reset: an error, or the card powered on again", (rv, answer))
card.disconnect()
better(wait_for(echo, 20), "works again")
same(context.readers(), [reader], "the reader is the same")
ok(pcscd_alive(), "pcscd is still running")
