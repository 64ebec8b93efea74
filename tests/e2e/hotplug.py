# SPDX-License-Identifier: LGPL-2.1-or-later
"""Readers are plugged in and unplugged, at rest and at work."""

import threading

from e2e import *

OK = b"\x90\x00"
NAME = "Gemalto PC Twin Reader 00 00"
context = Context()


changes = {"plug": 0, "unplug": 0}


def change(what):
    sim(what, 0)
    changes[what] += 1


def settled():
    """True when pcscd has handled all events so far."""
    text = log()
    return (text.count("USB Device add") == changes["plug"] and
            text.count("USB Device removed") == changes["unplug"])


def echo():
    rv, card = context.connect(NAME, T1)
    if rv:
        return rv_name(rv)
    answer = card.apdu(short(0x16, data=b"hot", le=256))
    card.disconnect()
    return answer


def works(name):
    wait_for(settled)
    wait_for(lambda: echo() == b"hot" + OK)
    same(echo(), b"hot" + OK, name)


same(context.wait_readers(1), [NAME], "the reader is there")
works("it works")
for i in range(5):
    change("unplug")
    same(context.wait_readers(0), [], "unplugged (%d): no reader" % i)
    change("plug")
    same(context.wait_readers(1), [NAME], "plugged (%d): the reader is back" % i)
    works("it works (%d)" % i)

# unplugged while a program is connected
rv, card = context.connect(NAME, T1)
change("unplug")
context.wait_readers(0)
rv, _ = card.raw(short(0x10))
ok(rv != 0, "an APDU to an unplugged reader fails", rv_name(rv))
change("plug")
same(context.wait_readers(1), [NAME], "plugged: the reader is back")
works("it works")

# unplugged in the middle of a command
rv, card = context.connect(NAME, T1)
same(rv, 0, "connect")
timer = threading.Timer(0.3, lambda: change("unplug"))
timer.start()
begin = time.monotonic()
rv, _ = card.raw(short(0x18, 0x27, 0x10, b"\x01", 256))
ok(rv != 0, "the reader is unplugged during a slow command: error", rv_name(rv))
ok(time.monotonic() - begin < 8, "the error comes at once", time.monotonic() - begin)
timer.join()
same(context.wait_readers(0), [], "no reader")
change("plug")
same(context.wait_readers(1), [NAME], "plugged: the reader is back")
works("it works")



def quick_changes():
    """A reader comes and goes so fast that pcscd removes it when polling has only just begun."""
    for i in range(5):
        change("unplug")
        change("plug")
    works("after five quick changes the reader works")
    same(context.wait_readers(1), [NAME], "it is listed once")
    change("unplug")
    change("plug")
    change("unplug")
    wait_for(settled)
    same(context.wait_readers(0), [], "plugged and unplugged quickly: no reader")
    change("plug")
    same(context.wait_readers(1), [NAME], "the reader is back")
    works("it works")


if CLASSIC:
    better(False, "quick changes")  # a stop before the poll does not end libccid's polling
else:
    quick_changes()
ok(pcscd_alive(), "pcscd is still running")
