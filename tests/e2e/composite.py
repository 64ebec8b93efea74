# SPDX-License-Identifier: LGPL-2.1-or-later
"""Devices with several CCID interfaces. Names of devices may be given as arguments."""

import threading

from e2e import *

OK = b"\x90\x00"
MULTISLOT = os.environ["E2E_MULTISLOT"] == "1"
# Name of the device, pcscd's name without its numbers, interfaces, and number of slots as one reader.
DEVICES = (
    ("omnikey-5422", "HID Global OMNIKEY 5422 Smartcard Reader", 2, 2),
    ("prox-du", "Gemalto Prox Dual USB PC Link Reader", 2, 2),
    ("r502", "Feitian R502", 4, 4),
    ("acr1581", "ACS ACR1581 1S Dual Reader", 3, 3),
    ("kap-ecv", "KAPELSE KAP-eCV", 2, 1),
    ("kap-move", "Kapelse KAP-Move", 3, 3),
    ("ak9572", "Alcor Link AK9572", 2, 2),
)


def numbers(name):
    """The numbers that pcscd appended to the name: index of the reader, number of the slot."""
    return tuple(int(part, 16) for part in name.split()[-2:])


def bare(name):
    return re.sub(r"( \[.*\])?( \(.*\))? [0-9A-F]{2} [0-9A-F]{2}$", "", name)


def exchange(name, i, results):
    own = Context()
    rv, card = own.connect(name)
    results[i] = rv == 0 and all(card.echo(bytes([i, n]) * 20) for n in range(10))
    if card:
        card.disconnect()


def one_by_one(readers, device):
    """The card of a reader names the reader's interface."""
    order = []
    for name in readers:
        wait_for(lambda: context.state(name)[1])
        atr = context.state(name)[1]
        found = [i for i in range(4) if bytes([0x30 + i]) in atr[-2:]]
        order.append(found[0] if found else None)
    same(order, list(range(len(readers))), device + ": each has its own interface's card")
    results = {}
    threads = [threading.Thread(target=exchange, args=(n, i, results)) for i, n in enumerate(readers)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    same([results.get(i) for i in range(len(readers))], [True] * len(readers), device + ": all work at once")


def movements(readers, device):
    last = len(readers) - 1
    sim("remove", "%s.%d" % (device, last), 0)
    ok(context.wait_card(readers[last], False), "%s: the card of the last interface is removed" % device)
    same([context.has_card(n) for n in readers], [True] * last + [False], device + ": and no other card is")
    sim("insert", "%s.%d" % (device, last), 0, "t0t1")
    ok(context.wait_card(readers[last]), device + ": it has a card again")
    rv, card = context.connect(readers[last])
    ok(card and card.echo(b"again"), device + ": and the card works", rv_name(rv))
    if card:
        card.disconnect()


def visit(device, name, interfaces, slots):
    count = slots if MULTISLOT else interfaces
    sim("plug", device)
    readers = sorted(context.wait_readers(count), key=numbers)
    same([bare(n) for n in readers], [name] * count, "%s: names of %d" % (device, count))
    want = [(0, i) for i in range(count)] if MULTISLOT else [(i, 0) for i in range(count)]
    same([numbers(n) for n in readers], want,
         device + (": slots of one reader" if MULTISLOT else ": a reader each"))
    if len(readers) == count:
        for n in readers:
            context.wait_card(n)
        one_by_one(readers, device)
        movements(readers, device)
    sim("unplug", device)
    ok(wait_for(lambda: not context.readers()), device + ": unplugged, all its readers disappear", context.readers())
    # and all slots come back
    sim("plug", device)
    same(len(context.wait_readers(count)), count, device + ": plugged again")
    sim("unplug", device)
    ok(wait_for(lambda: not context.readers()), device + ": unplugged again", context.readers())


context = Context()
for row in DEVICES:
    if len(sys.argv) < 2 or row[0] in sys.argv[1:]:
        visit(*row)
ok(pcscd_alive(), "pcscd is still running")
