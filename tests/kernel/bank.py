# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two banks of 96 slots on two hosts, attached over USB/IP by the script of doc/recipes.md. All slots are at work while
one host's network stalls, is cut, and comes back; on the other host no answer is lost or mixed up."""

import glob
import os
import signal
import subprocess
import sys
import time

os.environ["e2e_log"] = "/dev/null"
from e2e import *

BUILD, TOP, RUN = os.environ["build"], os.environ["top"], os.environ["run"]
sys.path.insert(0, TOP + "/tests/check")
from recipe_files import recipe_files, write_files  # noqa: E402

READERS, SLOTS = 12, 96
HOSTS = {"one": "127.0.0.2", "two": "127.0.0.3"}
servers, keepers = {}, {}
driver = None


def serve(bank):
    log = open("%s/%s.log" % (RUN, bank), "w")
    servers[bank] = subprocess.Popen([BUILD + "/ccid-sim", "usbip", "-l", HOSTS[bank], "-c", "%s/%s" % (RUN, bank),
                                      TOP + "/tests/kernel/bank.sim"], stdout=log, stderr=log)


def keep(bank):
    """The recipe's usbip-keep."""
    write_files(recipe_files(TOP + "/doc/recipes.md"), RUN + "/recipe")
    log = open("%s/keep-%s.log" % (RUN, bank), "w")
    keepers[bank] = subprocess.Popen([RUN + "/recipe/usr/local/sbin/usbip-keep", HOSTS[bank]], stdout=log, stderr=log)


def contents(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return ""


def devices(bank):
    """pcscd's names of the bank's readers that the kernel has set up."""
    places = {}
    rows = [row.split() for path in sorted(glob.glob("/sys/devices/platform/vhci_hcd.0/status*"))
            for row in contents(path).split("\n")]
    for row in rows:
        if len(row) == 7 and row[2] == "006":
            places[int(row[1])] = row[6]
    names = []
    for path in glob.glob("/var/run/vhci_hcd/port*"):
        host = contents(path).split(" ")[0]
        place = places.get(int(path.rsplit("port", 1)[1]))
        folder = "/sys/bus/usb/devices/%s/" % place
        if host == HOSTS[bank] and place and contents(folder + "bConfigurationValue") == "1":
            names.append("usb:08e6/3437:libudev:0:/dev/bus/usb/%03d/%03d" %
                         (int(contents(folder + "busnum")), int(contents(folder + "devnum"))))
    return sorted(names)


def ask(*words):
    driver.stdin.write(" ".join(words) + "\n")
    driver.stdin.flush()
    return driver.stdout.readline().split()


def count(bank):
    """exchanges, wrong, failed, working"""
    return [int(n) for n in ask("count", bank)[1::2]]


def start(bank):
    names = wait_for(lambda: (lambda n: n if len(n) == READERS else None)(devices(bank)), 240) or devices(bank)
    same(len(names), READERS, "bank %s: all readers are attached" % bank)
    subprocess.run(["udevadm", "settle"])
    # an emulated machine may be too busy for a reader's first answer
    opened = sum(int((wait_for(lambda: (lambda said: said if said[1] != "0" else None)(ask("start", bank, name)), 20) or
                      ["", 0])[1]) for name in names)
    same(opened, SLOTS, "bank %s: all slots are opened" % bank)


def advances(bank, what, by=2 * SLOTS, seconds=60):
    """The bank exchanges so many more APDUs, all correct and without an error."""
    before = count(bank)[0]
    good = wait_for(lambda: count(bank)[0] >= before + by, seconds)
    now = count(bank)
    return ok(good and now[1:] == [0, 0, SLOTS], "bank %s: %s" % (bank, what), "before %d, now %s" % (before, now))


def all_at_work(bank):
    same(ask("begin", bank), ["begun", str(SLOTS)], "bank %s: all slots begin" % bank)
    ok(wait_for(lambda: count(bank)[0] >= 2 * SLOTS, 60), "bank %s: all slots are at work" % bank, count(bank))


driver = subprocess.Popen([BUILD + "/tests/kernel/bank", BUILD + "/ifd-ccid.bundle/Contents/Linux/libccid.so"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
for bank in HOSTS:
    serve(bank)
    keep(bank)
began = time.monotonic()
for bank in HOSTS:
    start(bank)
print("# attached and opened in %.0f s" % (time.monotonic() - began))
for bank in HOSTS:
    all_at_work(bank)

# shorter than a command waits for its answer
servers["one"].send_signal(signal.SIGSTOP)
time.sleep(1)
servers["one"].send_signal(signal.SIGCONT)
for bank in HOSTS:
    advances(bank, "the first bank has stood still for a second, no answer is lost or exchanged")

servers["one"].kill()
servers["one"].wait()
cut = time.monotonic()
ok(wait_for(lambda: count("one")[3] == 0, 60), "bank one: the link is cut, each command ends", count("one"))
print("# the last of %d commands ended %.1f s after the cut" % (SLOTS, time.monotonic() - cut))
now = count("one")
same(now[1:3], [0, SLOTS], "bank one: each ends with an error, none with a wrong answer")
advances("two", "the link of the first bank is cut, no answer is lost or exchanged")
same(ask("end", "one"), ["ended", str(SLOTS)], "bank one: closed")

serve("one")
cut = time.monotonic()
start("one")
print("# attached and opened again in %.0f s" % (time.monotonic() - cut))
all_at_work("one")
for bank in HOSTS:
    advances(bank, "the first bank is back, no answer is lost or exchanged")
total = {bank: count(bank)[0] for bank in HOSTS}
print("# exchanges: %s" % total)
for bank in HOSTS:
    now = count(bank)
    same(now[1:3], [0, 0], "bank %s: at the end no answer is lost or exchanged" % bank)
    same(ask("end", bank), ["ended", str(SLOTS)], "bank %s: closed" % bank)
    keepers[bank].terminate()
    os.environ["CCID_SIM_SOCKET"] = "%s/%s" % (RUN, bank)
    os.environ["CCID_SIM"] = BUILD + "/ccid-sim"
    same(sim("complaints"), "", "bank %s: the simulator has no complaints" % bank)
driver.stdin.close()
same(driver.wait(20), 0, "the driver's host exits with 0")
for bank in HOSTS:
    servers[bank].terminate()
    servers[bank].wait()
