# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sixteen slots, each with its own card, all at once."""

import threading

from e2e import *

OK = b"\x90\x00"
context = Context()
names = context.wait_readers(16)
want = ["Gemalto PC Twin Reader %02X %02X" % (r, s) for r in range(2) for s in range(8)]
same(names, want, "names of sixteen slots")
results = {}
for i, name in enumerate(names):
    wait_for(lambda: context.state(name)[1])
    atr = context.state(name)[1]
    ok(bytes([0x30 + i % 8]) in atr[2:], "the ATR of slot %d belongs to that slot" % i, show(atr))


def work(i, name):
    own = Context()
    rv, card = own.connect(name)
    good = rv == 0
    for n in range(20):
        data = bytes([i, n]) * 60
        good = good and card.echo(data)
    results[i] = good
    if card:
        card.disconnect()


threads = [threading.Thread(target=work, args=a) for a in enumerate(names)]
for t in threads:
    t.start()
for t in threads:
    t.join()
for i in range(len(names)):
    ok(results.get(i), "slot %d: 20 APDUs while the others work" % i)
for r in (0, 1):
    ok(1 <= int(sim("in-flight", r)) <= 8, "reader %d: never more than 8 commands at once" % r)

# the card of one slot goes and comes, and the other slots are undisturbed
rv, other = context.connect(names[3])
sim("remove", 0, 5)
better(context.wait_card(names[5], False), "the card of slot 5 is removed")
there = [context.has_card(n) for n in names]
better(there == [i != 5 for i in range(16)], "all other cards are still there", there)
same(other.apdu(short(0x10)), OK, "slot 3 goes on working")
sim("insert", 0, 5, "t1")
ok(context.wait_card(names[5]), "slot 5 has a card again")
rv, card = context.connect(names[5])
same(card.apdu(short(0x14, le=64)) if card else rv_name(rv), pattern(64) + OK, "the card in slot 5 works")
began = time.monotonic()
sim("unplug", 0)
same(context.wait_readers(8), want[8:], "the first reader is unplugged: its 8 slots disappear")
took = time.monotonic() - began
print("# gone after %.2f s" % took)
# all at once, without a sleep of pcscd's polling thread for each
better(took < 5, "they disappear within 5 s", "%.2f s" % took)
rv, card = context.connect(want[9])
same(card.apdu(short(0x10)) if card else rv_name(rv), OK, "the second reader goes on working")
sim("plug", 0)
same(len(context.wait_readers(16)), 16, "plugged again: 16 slots")
ok(pcscd_alive(), "pcscd is still running")
