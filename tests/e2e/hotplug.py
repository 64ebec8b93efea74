# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plugging and unplugging, at rest and at work."""

import threading

from e2e import *

OK = b"\x90\x00"
NAME = "Gemalto PC Twin Reader 00 00"
context = Context()


def echo():
    rv, card = context.connect(NAME, T1)
    if rv:
        return rv_name(rv)
    answer = card.apdu(short(0x16, data=b"hot", le=256))
    card.disconnect()
    return answer


def works(name):
    # events come in order: once the newest address was looked at, all before are done with
    wait_for(lambda: "/dev/bus/usb/001/" + address(0) in log())
    wait_for(lambda: echo() == b"hot" + OK)
    same(echo(), b"hot" + OK, name)


same(context.wait_readers(1), [NAME], "the reader is there")
works("it works")
for i in range(5):
    sim("unplug", 0)
    same(context.wait_readers(0), [], "unplugged (%d): no reader" % i)
    sim("plug", 0)
    same(context.wait_readers(1), [NAME], "plugged (%d): the reader is back" % i)
    works("it works (%d)" % i)

# while a program is connected
rv, card = context.connect(NAME, T1)
sim("unplug", 0)
context.wait_readers(0)
rv, _ = card.raw(short(0x10))
ok(rv != 0, "an APDU to an unplugged reader fails", rv_name(rv))
sim("plug", 0)
same(context.wait_readers(1), [NAME], "back again")
works("it works")

# in the middle of a command
rv, card = context.connect(NAME, T1)
same(rv, 0, "connect")
timer = threading.Timer(0.3, lambda: sim("unplug", 0))
timer.start()
begin = time.monotonic()
rv, _ = card.raw(short(0x18, 0x27, 0x10, b"\x01", 256))
ok(rv != 0, "the reader is unplugged in a slow command: error", rv_name(rv))
ok(time.monotonic() - begin < 5, "and at once", time.monotonic() - begin)
timer.join()
same(context.wait_readers(0), [], "no reader")
sim("plug", 0)
same(context.wait_readers(1), [NAME], "plugged: the reader is back")
works("it works")

# two changes in a row, faster than anybody looks
for i in range(5):
    sim("unplug", 0)
    sim("plug", 0)
works("after five quick changes the reader works")
same(context.wait_readers(1), [NAME], "and is there once")
sim("unplug", 0)
sim("plug", 0)
last = address(0)
sim("unplug", 0)
wait_for(lambda: "/dev/bus/usb/001/" + last in log())
same(context.wait_readers(0), [], "after a quick in and out it is not")
sim("plug", 0)
same(context.wait_readers(1), [NAME], "the reader is back")
works("it works")
ok(pcscd_alive(), "pcscd lives")
