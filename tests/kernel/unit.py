# SPDX-License-Identifier: LGPL-2.1-or-later
"""pcscd, started by its unit: its rights; readers work, come and go in spite of them."""

import fcntl
import os
import pwd
import struct
import subprocess
import sys

os.environ["e2e_log"] = os.devnull
from e2e import *
import e2e

READERS = 11	# slots of kernel.sim
CLAIM = 0x8004550f	# USBDEVFS_CLAIMINTERFACE


def shown(name):
    return subprocess.run(["systemctl", "show", "-P", name, "pcscd.service"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()


def rights(pid):
    """The rights that the unit takes away, so that no other pcscd is tested."""
    with open("/proc/%s/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    same(int(status["Uid"].split()[0]), pwd.getpwnam("pcscd").pw_uid, "pcscd is the user pcscd")
    same([status[cap].strip() for cap in ("CapEff", "CapBnd")], ["0" * 16] * 2, "pcscd has no capability")
    same(status["Seccomp"].strip(), "2", "the system calls of pcscd are filtered")
    ok(os.readlink("/proc/%s/ns/user" % pid) != os.readlink("/proc/self/ns/user"), "pcscd has a user namespace (PrivateUsers=full)",
       shown("PrivateUsersEx"))
    with open("/proc/%s/maps" % pid) as f:
        ok("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so" in f.read(), "pcscd has loaded the tested driver")


def work(context, name):
    context.wait_card(name)
    rv, card = context.connect(name)
    if ok(rv == 0, name + ": connect", rv_name(rv)):
        ok(card.echo(pattern(200)), name + ": 200 bytes echoed")
        same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, name + ": disconnect")


def journal():
    return subprocess.run(["journalctl", "-b", "-u", "pcscd.service", "-o", "cat", "--no-pager"], stdout=subprocess.PIPE,
                          text=True, errors="replace", check=True).stdout


def names_now(count):
    """Waits on a slow machine: some tries of ten seconds."""
    for _ in range(4):
        names = set(Context().wait_readers(count))
        if len(names) == count:
            break
    return names


def rescans():
    return journal().count("Received signal: 10")


def unlisted():
    """Unlisted readers appear and disappear: udev's rule makes pcscd rescan."""
    listed = names_now(READERS)
    sim("plug", "stranger")
    names = names_now(READERS + 2)
    new = sorted(names - listed)
    same(len(new), 2, "unlisted: a reader with two slots is plugged in")
    ok(all(n.startswith("CCID reader 0") for n in new), "unlisted: the name of its slots", new)
    work(Context(), new[0])
    sim("plug", "stranger-too")
    both = names_now(READERS + 3)
    same(len(both), READERS + 3, "unlisted: two readers at once")
    one = Context()
    for name in sorted(both - listed):
        if one.has_card(name):
            work(one, name)
    sim("unplug", "stranger")
    left = names_now(READERS + 1)
    same(len(left), READERS + 1, "unlisted: one is unplugged")
    ok(left >= listed, "unlisted: the listed readers stay", listed - left)
    sim("plug", "stranger")
    again = names_now(READERS + 3)
    same(len(again), READERS + 3, "unlisted: it is plugged in again")
    work(Context(), sorted(again - left)[0])
    sim("unplug", "stranger")
    sim("unplug", "stranger-too")
    same(names_now(READERS), listed, "unlisted: both are unplugged")
    text = journal()
    same([text.count("drives f1f1:0003"), text.count("drives f1f1:0004")], [2, 1], "unlisted: each was opened once for each plugging in")
    ok("SHOULD NOT" not in text, "unlisted: pcscd does not warn")


def sharing():
    """A reader that another program has claimed comes back at pcscd's first rescan after the release."""
    subprocess.run(["systemctl", "stop", "pcscd.socket", "pcscd.service"], check=True)
    at = "/sys/bus/usb/devices/" + sim("busid", "single")
    with open(at + "/busnum") as bus, open(at + "/devnum") as device:
        path = "/dev/bus/usb/%03d/%03d" % (int(bus.read()), int(device.read()))
    other = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(other, CLAIM, struct.pack("I", 0))
    subprocess.run(["systemctl", "start", "pcscd.socket"], check=True)
    others = names_now(READERS - 1)
    same(len(others), READERS - 1, "sharing: the reader that another program has claimed is not listed")
    told = journal().count("is claimed by")
    ok(told > 0, "sharing: the log says why")
    seen = rescans()
    subprocess.run(["systemctl", "reload", "pcscd.service"], check=True)
    ok(wait_for(lambda: rescans() > seen), "sharing: pcscd rescans")
    os.close(other)
    subprocess.run(["systemctl", "reload", "pcscd.service"], check=True)
    names = names_now(READERS)
    same(len(names), READERS, "sharing: released, the reader is back")
    same(journal().count("is claimed by"), told, "sharing: the log says it once")
    for name in names - others:
        work(Context(), name)


def all_but_sharing():
    same(shown("ActiveState"), "inactive", "pcscd is not started before a client connects")
    context = Context()
    names = context.wait_readers(READERS)
    same(len(names), READERS, "%d readers" % READERS)
    pid = shown("MainPID")
    rights(pid)
    for each in names:
        if context.has_card(each):
            work(context, each)
    same(sum(context.has_card(each) for each in names), 5, "five cards")
    sim("plug", "spare")
    names = Context().wait_readers(READERS + 1)
    same(len(names), READERS + 1, "a reader is plugged in")
    sim("unplug", "spare")
    same(len(Context().wait_readers(READERS)), READERS, "the reader is unplugged")
    unlisted()
    same(shown("MainPID"), pid, "pcscd is still running")


if sys.argv[1] == "sharing":
    sharing()
    before = rescans()
    time.sleep(3)
    same(rescans(), before, "pcscd does not rescan again and again")
else:
    all_but_sharing()
if e2e.failed:
    open(os.environ["run"] + "/failed", "w").close()
