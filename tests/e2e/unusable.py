# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices without a usable interface, and devices that vanish while they are opened."""

from e2e import *

OK = b"\x90\x00"
GOOD = "Gemalto PC Twin Reader 00 00"
context = Context()
context.wait_readers(1)
context.wait_card(GOOD)


def good_works(when):
    rv, card = context.connect(GOOD)
    same(card.apdu(short(0x14, le=200)) if card else rv_name(rv), pattern(200) + OK, "the good reader works " + when)
    if card:
        card.disconnect()


good_works("at first")
for name in ("desc-none", "desc-short", "no-endpoints", "no-altsetting", "endpoint-type", "max-message"):
    sim("plug", name)
    node = "/dev/bus/usb/001/" + address(name)
    # pcscd ignores a device without an interface
    ok(name == "no-altsetting" or wait_for(lambda: node in log()), "%s: pcscd sees it" % name)
    ok(pcscd_alive(), "%s: pcscd is still running" % name)
    refused = ok if name != "max-message" else better
    refused(wait_for(lambda: context.readers() == [GOOD]), "%s: it is not a reader" % name, context.readers())
    good_works("beside " + name)
    sim("unplug", name)

for name in ("vanish-first", "vanish-second", "vanish-power", "vanish-control"):
    sim("plug", name)
    ok(wait_for(lambda: not address(name)), "%s: it disappears" % name, sim("list"))
    ok(wait_for(lambda: context.readers() == [GOOD]), "%s: it is not listed" % name, context.readers())
    ok(pcscd_alive(), "%s: pcscd is still running" % name)
    good_works("beside " + name)
    sim("fault", name, "clear")
    sim("plug", name)
    ok(len(context.wait_readers(2)) == 2, "%s: plugged again without the fault, it is a reader" % name)
    sim("unplug", name)
    ok(context.wait_readers(1) == [GOOD], "%s: unplugged again" % name)
