# SPDX-License-Identifier: LGPL-2.1-or-later
"""A verified PIN survives pcscd's power-down of an idle card: keep.py WHAT, run by test_keep.sh."""

from e2e import *

what = sys.argv[1]
KEEPS = what in ("by reader", "by ATR")
PIN = b"1234\xff\xff\xff\xff"
OK = b"\x90\x00"
context = Context()
reader = context.wait_readers(1)[0]
context.wait_card(reader)


def connected(protocol=T1):
    rv, card = context.connect(reader, protocol)
    same(rv, 0, "%s: connect" % what)
    return card


def is_entered(card):
    return card.apdu(short(0x20, cla=0)) == OK


def enter(card):
    same(card.apdu(short(0x20, cla=0, data=PIN)), OK, "%s: the PIN is entered" % what)


def idle(seconds=0):
    """Waits until pcscd's log says that the idle card is powered off; at least the given time."""
    count = log().count("powerState: POWER_STATE_UNPOWERED")
    time.sleep(seconds)
    ok(wait_for(lambda: log().count("powerState: POWER_STATE_UNPOWERED") > count, 30), "%s: pcscd powers it off" % what)


card = connected()
print("# ATR " + card.atr().hex().upper())
ok(not is_entered(card), "%s: no PIN is entered" % what)
enter(card)
card.disconnect()
LONG = what in ("without", "by reader")
idle(12 if LONG else 0)
card = connected()
same(is_entered(card), KEEPS, "%s: %sidle, the PIN is %s entered" % (what, LONG * "12 s ", "still" if KEEPS else "no longer"))
ok(card.echo(b"on"), "%s: the card still answers" % what)
if what == "by reader":
    # a protocol that the card does not speak: the card is reset, as without keep-power
    card.disconnect()
    idle()
    card = connected(T0)
    same((card.protocol, is_entered(card)), (T0, False), "%s: a reset for another protocol" % what)
    ok(card.echo(b"T=0"), "%s: an APDU with it" % what)
    for name, action in (("SCARD_UNPOWER_CARD", scard.SCARD_UNPOWER_CARD), ("SCARD_RESET_CARD", scard.SCARD_RESET_CARD)):
        enter(card)
        card.disconnect(action)
        card = connected(T0)
        ok(not is_entered(card), "%s: %s: the PIN is no longer entered" % (what, name))
    # the same for a card that has kept its power before
    enter(card)
    card.disconnect()
    idle()
    card = connected(T0)
    ok(is_entered(card), "%s: idle, the PIN is still entered" % what)
    card.disconnect(scard.SCARD_UNPOWER_CARD)
    card = connected(T0)
    ok(not is_entered(card), "%s: idle, then SCARD_UNPOWER_CARD: the PIN is no longer entered" % what)
    enter(card)
    card.disconnect()
    idle()
    sim("remove", 0, 0)
    ok(context.wait_card(reader, False), "%s: removed while idle" % what)
    sim("insert", 0, 0, "t0t1")
    ok(context.wait_card(reader), "%s: inserted again" % what)
    card = connected(T0)
    ok(not is_entered(card), "%s: another card: no PIN is entered" % what)
    ok(card.echo(b"new"), "%s: it works" % what)
card.disconnect()
ok(pcscd_alive(), "%s: pcscd is still running" % what)
