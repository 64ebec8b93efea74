# SPDX-License-Identifier: LGPL-2.1-or-later
"""pcscd as its unit starts it: its rights, and readers that work and come and go all the same."""

import os
import pwd
import subprocess

os.environ["e2e_log"] = os.devnull
from e2e import *
import e2e

READERS = 11	# slots of kernel.sim


def shown(name):
    return subprocess.run(["systemctl", "show", "-P", name, "pcscd.service"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()


def rights(pid):
    """What the unit takes away; that nothing else is tested."""
    with open("/proc/%s/status" % pid) as f:
        status = dict(line.split(":", 1) for line in f)
    same(int(status["Uid"].split()[0]), pwd.getpwnam("pcscd").pw_uid, "pcscd is the user pcscd")
    same([status[cap].strip() for cap in ("CapEff", "CapBnd")], ["0" * 16] * 2, "without any capability")
    same(status["Seccomp"].strip(), "2", "its system calls are filtered")
    ok(os.readlink("/proc/%s/ns/user" % pid) != os.readlink("/proc/self/ns/user"), "users of its own (PrivateUsers=full)",
       shown("PrivateUsersEx"))
    with open("/proc/%s/maps" % pid) as f:
        ok("/usr/lib/pcsc/drivers/ifd-ccid.bundle/Contents/Linux/libccid.so" in f.read(), "it has the tested driver")


def work(context, name):
    context.wait_card(name)
    rv, card = context.connect(name)
    if ok(rv == 0, name + ": connect", rv_name(rv)):
        ok(card.echo(pattern(200)), name + ": 200 bytes there and back")
        same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, name + ": disconnect")


same(shown("ActiveState"), "inactive", "no pcscd before there is a client")
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
same(len(Context().wait_readers(READERS)), READERS, "and out")
same(shown("MainPID"), pid, "pcscd lives")
if e2e.failed:
    open(os.environ["run"] + "/failed", "w").close()
