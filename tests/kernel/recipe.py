# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bank of doc/recipes.md, unchanged: systemd starts its units, udev reads its rule. First the server's side with
two hosts of simulated readers, of which one is cut and restored; then the bank's side, which exports QEMU's reader."""

import glob
import os
import re
import subprocess
import sys
import threading
import time

os.environ["e2e_log"] = os.devnull
from e2e import *
import e2e

TOP, BUILD, RUN = os.environ["top"], os.environ["build"], os.environ["run"]
sys.path.insert(0, TOP + "/tests/check")
from recipe_files import recipe_files, write_files  # noqa: E402

HOSTS = {"bank1.example": "127.0.0.2", "bank2.example": "127.0.0.3"}
ONE, TWO = HOSTS
SLOTS = 4	# slots of a host
RULE = "/etc/udev/rules.d/99-usbip.rules"
servers = {}


def run(*words):
    """The output of a program; a failure is printed."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        print("# %s: %d: %s" % (" ".join(words), done.returncode, done.stdout.replace("\n", "\n# ")))
    return done.stdout.strip()


def shown(name, unit):
    return run("systemctl", "show", "-P", name, unit)


def contents(path):
    with open(path, errors="replace") as f:
        return f.read().strip()


def keeper(host):
    return "usbip-keep@%s.service" % host


def serve(host):
    log = open("%s/%s.log" % (RUN, host), "a")
    servers[host] = subprocess.Popen([BUILD + "/ccid-sim", "usbip", "-l", HOSTS[host], "-c", "%s/%s" % (RUN, host),
                                      TOP + "/tests/kernel/recipe.sim"], stdout=log, stderr=log)


def names_now(count):
    """Waits for readers, which appear one by one on a slow machine. A new process asks each time: an older client of
    pcscd 2.5 may miss a new reader (doc/pcsclite-client.md)."""
    for _ in range(12):
        names = Context().wait_readers(count)
        if len(names) == count:
            break
    return names


def cards(names):
    """Opens the card in each reader; the result lacks cards that cannot be opened."""
    opened = {}
    context = Context()
    for name in names:
        context.wait_card(name)
        rv, card = context.connect(name)
        if rv == 0:
            opened[name] = card
    return opened


class Load(threading.Thread):
    """Exchanges APDUs with cards in turn until the end; counts wrong answers."""

    def __init__(self, opened):
        super().__init__()
        self.opened, self.done, self.wrong, self.go = opened, 0, 0, True

    def run(self):
        while self.go:
            for card in self.opened.values():
                self.wrong += not card.echo(pattern(self.done % 200 + 1))
                self.done += 1

    def advances(self, by=8):
        """Waits for some more exchanges."""
        before = self.done
        wait_for(lambda: self.done >= before + by, 60)
        return self.done >= before + by and self.wrong == 0

    def end(self):
        self.go = False
        self.join()
        for card in self.opened.values():
            card.disconnect()


def journal(unit):
    return run("journalctl", "-b", "-u", unit, "-o", "cat", "--no-pager")


def install():
    files = recipe_files(TOP + "/doc/recipes.md")
    write_files(files, "")
    with open("/etc/hosts", "a") as f:
        f.write("".join("%s %s\n" % (address, name) for name, address in HOSTS.items()))
    run("systemctl", "daemon-reload")
    units = [os.path.basename(path) for path in files if path.endswith(".service")]
    names = [unit.replace("@.", "@%s." % ONE) for unit in units]
    same(run("systemd-analyze", "verify", "--recursive-errors=yes", *names), "", "systemd finds no fault in the units")
    same(run("udevadm", "verify", "--no-summary", RULE), "", "udev finds no fault in the rule")
    run("/usr/lib/systemd/systemd-sysctl", "/etc/sysctl.d/usbip.conf")
    settings = re.findall(r"^(\S+) = (\S+)$", files["/etc/sysctl.d/usbip.conf"], re.M)
    ok(len(settings) == 4 and all(contents("/proc/sys/" + key.replace(".", "/")) == value for key, value in settings),
       "sysctl applies the file", settings)
    shown_as = shown("ExecStart", keeper("bank-3.example"))
    ok("argv[]=/usr/local/sbin/usbip-keep bank-3.example ;" in shown_as, "a host's name keeps its hyphen", shown_as)


def server_side():
    for host in HOSTS:
        serve(host)
    run("systemctl", "enable", "--now", "usbip-keep@" + ONE, "usbip-keep@" + TWO)
    for host in HOSTS:
        same(run("systemctl", "is-active", keeper(host)), "active", host + ": its unit runs")
        same(run("systemctl", "is-enabled", keeper(host)), "enabled", host + ": its unit starts with the machine")
    began = time.monotonic()
    names = names_now(2 * SLOTS)
    same(len(names), 2 * SLOTS, "all slots of both hosts are in PC/SC")
    print("# attached in %.0f s" % (time.monotonic() - began))
    opened = cards(names)
    same(len(opened), 2 * SLOTS, "each slot has its card")
    ok(all(card.echo(pattern(200)) for card in opened.values()), "each slot exchanges 200 bytes")
    return opened


def of_host(host, opened):
    """The cards of a host: vhci-hcd's ports give the host of each device, and CHANNEL_ID the reader."""
    places = set()
    rows = [row.split() for path in glob.glob("/sys/devices/platform/vhci_hcd.*/status*") for row in contents(path).split("\n")]
    for row in rows:
        port = "/var/run/vhci_hcd/port%d" % int(row[1]) if row[0] in ("hs", "ss") else ""
        if len(row) == 7 and os.path.exists(port) and contents(port).split(" ")[0] in (host, HOSTS[host]):
            folder = "/sys/bus/usb/devices/%s/" % row[6]
            places.add(int(contents(folder + "busnum")) << 8 | int(contents(folder + "devnum")))
    mine = {}
    for name, card in opened.items():
        rv, value = scard.SCardGetAttrib(card.handle, scard.SCARD_ATTR_CHANNEL_ID)
        if rv == 0 and int.from_bytes(bytes(value), sys.byteorder) & 0xffff in places:
            mine[name] = card
    return mine


def cut(opened):
    """The first host's connections break; the other one is at work all the time."""
    others = of_host(TWO, opened)
    same([len(of_host(ONE, opened)), len(others)], [SLOTS, SLOTS], "half of the slots belong to each host")
    load = Load(others)
    load.start()
    ok(load.advances(), TWO + ": at work")
    servers[ONE].kill()
    servers[ONE].wait()
    left = names_now(SLOTS)
    same(set(left), set(others), ONE + " is cut: its slots disappear, the others stay")
    ok(load.advances(), TWO + ": goes on working without an error")
    serve(ONE)
    began = time.monotonic()
    names = names_now(2 * SLOTS)
    same(len(names), 2 * SLOTS, ONE + " is restored: its unit attaches its readers again")
    print("# back after %.0f s" % (time.monotonic() - began))
    again = cards(set(names) - set(others))
    same([len(again), sum(card.echo(pattern(200)) for card in again.values())], [SLOTS, SLOTS], ONE + ": each slot works")
    ok(load.advances(), TWO + ": no error meanwhile")
    print("# %d exchanges meanwhile" % load.done)
    load.end()
    for card in again.values():
        card.disconnect()


def killed():
    """The script is killed, and systemd starts it again."""
    before = shown("MainPID", keeper(ONE))
    run("systemctl", "kill", "--kill-whom=all", "--signal=KILL", keeper(ONE))
    ok(wait_for(lambda: shown("MainPID", keeper(ONE)) not in ("0", before), 30), "the script is killed: systemd starts it again")
    same(shown("NRestarts", keeper(ONE)), "1", "the script was restarted once")


def server_ends():
    run("systemctl", "disable", "--now", keeper(ONE), keeper(TWO))
    for host in HOSTS:
        os.environ["CCID_SIM_SOCKET"], os.environ["CCID_SIM"] = "%s/%s" % (RUN, host), BUILD + "/ccid-sim"
        same(sim("complaints"), "", host + ": the simulator has no complaints")
        servers[host].terminate()
        servers[host].wait()
    same(names_now(0), [], "both hosts are gone: no reader")


def qemu_port():
    """The reader on QEMU's own bus: USB/IP makes a second device of the reader."""
    found = [path for path in glob.glob("/sys/bus/usb/devices/*/product")
             if "CCID" in contents(path) and "vhci_hcd" not in os.path.realpath(path)]
    return found and os.path.basename(os.path.dirname(found[0]))


def driver_of(port):
    return os.path.basename(os.path.realpath("/sys/bus/usb/devices/%s/driver" % port))


def bank_side():
    """usbipd runs, and QEMU's reader is its device."""
    run("modprobe", "uhci-hcd")
    port = wait_for(qemu_port, 60)
    ok(port, "QEMU's reader is plugged in")
    with open(RULE) as f:
        text = f.read()
    ok("1-2.1|1-2.2" in text, "the rule has the ports of the recipe")
    with open(RULE, "w") as f:
        f.write(text.replace("1-2.1|1-2.2", port + "|99-1"))
    run("systemctl", "enable", "--now", "usbipd")
    same(run("systemctl", "is-active", "usbipd"), "active", "usbipd runs")
    run("udevadm", "control", "--reload")
    run("udevadm", "trigger", "--subsystem-match=usb", "--action=add")
    run("udevadm", "settle")
    same(driver_of(port), "usbip-host", "the rule exports the reader")
    doctor = subprocess.run([BUILD + "/ccid-doctor", "--dir", "/usr/lib/pcsc/drivers"], stdout=subprocess.PIPE, text=True)
    ok("usbip unbind -b %s" % port in doctor.stdout, "ccid-doctor says how to take it back", doctor.stdout)
    run("usbip", "unbind", "-b", port)
    run("systemctl", "disable", "--now", "usbipd")


install()
opened = server_side()
if len(opened) == 2 * SLOTS:
    cut(opened)
killed()
server_ends()
bank_side()
if e2e.failed:
    for unit in (keeper(ONE), keeper(TWO), "usbipd.service"):
        print("# %s:\n# %s" % (unit, journal(unit).replace("\n", "\n# ")))
    open(RUN + "/failed", "w").close()
