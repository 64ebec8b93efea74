# SPDX-License-Identifier: LGPL-2.1-or-later
"""Six identical readers and one of two interfaces, plugged in several orders: each key stays with its card."""

import json

from e2e import *

LIST = os.environ["CCID_LIST"]
ORDERS = ((0, 1, 2, 3, 4, 5), (5, 4, 3, 2, 1, 0), (2, 0, 5, 1, 4, 3), (3, 5, 1, 4, 0, 2))


def rows():
    done = subprocess.run([LIST, "--json"], capture_output=True, text=True, timeout=30, check=False)
    return json.loads(done.stdout or "[]")


def cards():
    """Keys, and the last historical byte of the card in each reader."""
    return {each["key"]: each["atr"] and re.search(r"(3[0-5]|4[01])..$", each["atr"]).group(1) for each in rows()}


want = None
for order in ORDERS:
    for n in order:
        sim("plug", f"same-{n}")
        wait_for(lambda: len([each for each in rows() if each["atr"]]) == order.index(n) + 1, 30)
    got = cards()
    want = want or got
    ok(len(want) == 6 and sorted(want.values()) == [f"3{n}" for n in range(6)], "six readers, six keys", want)
    same(got, want, "plugged in the order %s: the keys are the same" % (order,))
    same({each["serial"]: each["key"] for each in rows()},
         {f"S-{value[1]}": key for key, value in want.items()}, "each key has its serial number")
    for n in range(6):
        sim("unplug", f"same-{n}")
    ok(wait_for(lambda: rows() == [], 30), "unplugged: no reader is left")

sim("plug", "double")
ok(wait_for(lambda: sorted(str(value) for value in cards().values()) == ["40", "41"], 30), "one device, two interfaces",
   rows())
places = {value: key for key, value in cards().items()}
better(places.get("40", "").endswith("/0/0") and places.get("41", "").endswith("/1/0"), "the key of each card names its interface", places)
watch = subprocess.Popen([LIST, "--watch"], stdout=subprocess.PIPE, text=True)
first = [watch.stdout.readline(), watch.stdout.readline()]
ok(all(line.startswith("added ") for line in first), "watch: the readers at the start", first)
sim("remove", "double", 0)
line = watch.stdout.readline()
ok(line.startswith("changed ") and line.rstrip().endswith(" none"), "watch: a card is removed", line)
sim("unplug", "double")
line = watch.stdout.readline()
while line.startswith("changed "):
    line = watch.stdout.readline()
ok(line.startswith("removed "), "watch: the reader is unplugged", line)
watch.terminate()
watch.wait()
