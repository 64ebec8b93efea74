# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tests that need a real kernel: its USB/IP client, usbfs, udev's rules, power management, other programs on the
same device; and QEMU's own reader."""

import errno
import fcntl
import glob
import grp
import os
import re
import signal
import stat
import struct
import subprocess
import threading

os.environ["e2e_log"] = os.environ["run"] + "/pcscd.log"
from e2e import *

OK = b"\x90\x00"
SIM = os.environ["build"] + "/ccid-sim"
SINGLE = "Gemalto PC Twin Reader 00 00"
CLAIM, RELEASE, DISCONNECT_CLAIM = 0x8004550f, 0x80045510, 0x8108551b
GET_CAPABILITIES = 0x8004551a
# ZERO_PACKET, NO_PACKET_SIZE_LIM, BULK_SCATTER_GATHER, REAP_AFTER_DISCONNECT, CONNINFO_EX
PRELOADED_CAPABILITIES = 0x01 | 0x04 | 0x08 | 0x10 | 0x80
pcscd = None
context = None


def run(*words):
    r = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if r.returncode:
        print("# %s: %d: %s" % (" ".join(words), r.returncode, r.stdout.replace("\n", "\n# ")))
    return r.stdout


def contents(path):
    with open(path) as f:
        return f.read().strip()


def put(path, text):
    with open(path, "w") as f:
        f.write(text)


def start(readers):
    """Starts pcscd; waits for the given number of readers and returns their names."""
    global pcscd, context
    for path in glob.glob("/run/pcscd/*"):
        os.unlink(path)
    with open(os.environ["e2e_log"], "w") as out:
        pcscd = subprocess.Popen(["pcscd", "--foreground", "--debug", "--apdu"], stdout=out, stderr=out)
    os.environ["pcscd_pid"] = str(pcscd.pid)
    wait_for(lambda: scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)[0] == 0, 20)
    context = Context()
    return context.wait_readers(readers)


def stop(sig=signal.SIGTERM):
    pcscd.send_signal(sig)
    return pcscd.wait(20)


def device(i):
    """The folder of reader i in sysfs."""
    return "/sys/bus/usb/devices/" + wait_for(lambda: sim("busid", i))


def node(i):
    return "/dev/bus/usb/%03d/%03d" % tuple(int(contents(device(i) + "/" + n)) for n in ("busnum", "devnum"))


def show_log():
    """Prints the last lines of pcscd and the kernel, and the readers that the simulator has plugged."""
    lines = [line for line in log().split("\n")
             if not re.search("winscard|SVCServiceRunLoop|RefReader|RFWaitForReaderInit", line)]
    print("# " + "\n# ".join(lines[-80:] + run("dmesg").split("\n")[-30:] + run(SIM, "list").split("\n")))


def works(reader, name, seconds=20):
    """The reader exchanges APDUs within some seconds."""
    last = [None]

    def echo():
        rv, card = context.connect(reader)
        last[0] = rv_name(rv)
        if rv:
            return False
        last[0] = card.apdu(short(0x14, le=200))
        card.disconnect(scard.SCARD_UNPOWER_CARD)
        return last[0] == pattern(200) + OK
    ok(wait_for(echo, seconds), name, last[0]) or show_log()


def find(word):
    names = [n for n in context.readers() if word in n]
    return names[0] if names else word


def list_test():
    run(SIM, "plug", "spare")
    text = run("usbip", "list", "-r", "127.0.0.1")
    ok(re.search(r"1-5: .*\(072f:b000\)", text), "usbip list shows a reader", text)
    ok("1-1:" not in text, "usbip list shows no attached reader", text)
    run(SIM, "unplug", "spare")
    ok("1-5:" not in run("usbip", "list", "-r", "127.0.0.1"), "usbip list does not show an unplugged reader")


def speed_test():
    same([contents(device(i) + "/speed") for i in range(4)], ["12", "480", "12", "12"], "speeds")
    found = [line for line in run("dmesg").split("\n")
             if re.search(r"usb \d+-\d+: .*(config \d|descriptor|endpoint|interface|can't|unable|invalid)", line)]
    ok(not found, "the kernel finds no fault in the descriptors", "\n".join(found))
    real = contents_of(device(0) + "/descriptors")
    same(real[:2], b"\x12\x01", "sysfs has the descriptors")


def contents_of(path):
    with open(path, "rb") as f:
        return f.read()


def capabilities_test():
    """The kernel's usbfs has all capabilities of the preloaded one."""
    other = Node(node(1))
    caps = bytearray(4)
    same(other.ioctl(GET_CAPABILITIES, caps), 0, "usbfs reports its capabilities")
    caps = int.from_bytes(caps, "little")
    print("# usbfs capabilities %#x" % caps)
    ok(caps & PRELOADED_CAPABILITIES == PRELOADED_CAPABILITIES, "usbfs has all capabilities of the simulated one", hex(caps))
    other.close()


def rules_test():
    for i in range(4):
        s = os.stat(node(i))
        # the system's own rules decide about the read permission for others
        same((grp.getgrgid(s.st_gid).gr_name, stat.S_IMODE(s.st_mode) & 0o660), ("pcscd", 0o660), "group and mode of node %d" % i)
        # only devices that are plain CCID readers: reader 2 works over its control pipe
        same(contents(device(i) + "/power/control"), "on" if i == 2 else "auto", "reader %d: autosuspend as the rules say" % i)
        same(contents(device(i) + "/power/persist"), "0", "reader %d: persist is off" % i)


def exchanges():
    for reader in context.readers():
        if context.has_card(reader):
            ok(context.state(reader)[1][:1] == b"\x3b", "ATR: " + reader)
            works(reader, "APDU: " + reader)
    # whole packets of 512: the answer is 10 bytes of header, data, 2 of status
    rv, card = context.connect(find("AU9540"))
    same(rv, 0, "connect at high speed")
    for n in (499, 500, 501, 1012, 16372, 65524, 65536):
        same(card.apdu(extended(0x14, le=n)), pattern(n) + OK, "high speed: %d bytes received" % n)
    for n in (494, 495, 496, 1007, 16367, 65519, 65535):
        same(card.apdu(extended(0x12, 1, data=pattern(n))), OK, "high speed: %d bytes sent" % n)
    for n in (1, 255, 5000, 65535):
        same(card.apdu(extended(0x16, data=pattern(n), le=65536)), pattern(n) + OK, "high speed: %d bytes echoed" % n)
    card.disconnect()


def slow(reader, results):
    own = Context()
    rv, card = own.connect(reader, T1)
    results.append(card.raw(short(0x18, 0x13, 0x88, b"\x01", 256))[0] if rv == 0 else rv)


def in_mid_command(name, what):
    results = []
    thread = threading.Thread(target=slow, args=(SINGLE, results))
    before = log().count("APDU: ")
    thread.start()
    ok(wait_for(lambda: log().count("APDU: ") > before), name + ": a command is under way")
    what()
    thread.join()
    ok(results and results[0] != 0, name + ": the program gets an error", results)


def restarts():
    for sig in (signal.SIGKILL, signal.SIGTERM):
        name = "pcscd ended by %s in mid-command" % sig.name
        in_mid_command(name, lambda: stop(sig))
        same(len(start(11)), 11, name + ": all readers are back")
        works(SINGLE, name + ": it works")


class Node:
    """A device node that another program has open."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def ioctl(self, request, argument):
        try:
            fcntl.ioctl(self.fd, request, argument)
        except OSError as e:
            return e.errno
        return 0

    def claim(self):
        return self.ioctl(CLAIM, struct.pack("I", 0))

    def release(self):
        return self.ioctl(RELEASE, struct.pack("I", 0))

    def steal(self):
        """Takes the interface from its current driver, in one request: between two, that driver may take it back."""
        return self.ioctl(DISCONNECT_CLAIM, struct.pack("II256x", 0, 0))

    def close(self):
        os.close(self.fd)


def second_program():
    other = Node(node(0))
    same(other.claim(), errno.EBUSY, "another program: the interface is pcscd's")
    works(SINGLE, "another program: pcscd goes on working")
    same(stop(), 0, "pcscd ends")
    same(other.claim(), 0, "another program: the interface can be claimed")
    names = start(10)
    same(len(names), 10, "another program has a reader: the others are listed")
    ok("interface 0 is claimed by python3 (process %d)" % os.getpid() in log(), "another program: the log names it")
    other.close()
    sim("unplug", 0)
    sim("plug", 0)
    same(len(context.wait_readers(11)), 11, "another program has released it: the reader is back")
    reader = [n for n in context.readers() if n not in names][0]
    works(reader, "another program has released it: it works")
    return reader


def stolen_interface(reader):
    other = Node(node(0))
    same(other.steal(), 0, "stolen interface: another program takes it from pcscd")
    rv, card = context.connect(reader)
    rv = rv or card.raw(short(0x10))[0]
    ok(rv != 0, "stolen interface: an error", rv_name(rv))
    ok(pcscd_alive(), "stolen interface: pcscd is still running")
    other.close()
    works(reader, "stolen interface: released, it works")


def unplug_at_work():
    in_mid_command("unplugged at work", lambda: sim("unplug", 0))
    same(len(context.wait_readers(10)), 10, "unplugged at work: the reader disappears")
    sim("plug", 0)
    same(len(context.wait_readers(11)), 11, "plugged: it is back")
    works(SINGLE, "plugged: it works")


def reattach():
    text = contents("/sys/devices/platform/vhci_hcd.0/status")
    port = [line.split()[1] for line in text.split("\n") if line.split()[4:5] == ["00010003"]][0]
    run("usbip", "detach", "-p", str(int(port)))
    same(len(context.wait_readers(10)), 10, "detached: the reader disappears")
    ok(wait_for(lambda: "1-2:" in run("usbip", "list", "-r", "127.0.0.1")), "detached: it is listed again")
    run("usbip", "attach", "-r", "127.0.0.1", "-b", "1-2")
    same(len(context.wait_readers(11)), 11, "attached: it is back")
    works(find("AU9540"), "attached: it works")


def sleep_test():
    """The kernel suspends a device that no program has open."""
    for i in range(4):
        put(device(i) + "/power/autosuspend_delay_ms", "0")
        status = device(i) + "/power/runtime_status"
        ok(wait_for(lambda: contents(status) == "active"), "reader %d: open, therefore active" % i, contents(status))
    same(stop(), 0, "pcscd ends")
    for i in range(4):
        status = device(i) + "/power/runtime_status"
        # the rules allow suspending only for a plain CCID reader: reader 2 works over its control pipe
        wanted = "active" if i == 2 else "suspended"
        ok(wait_for(lambda: contents(status) == wanted), "reader %d: %s" % (i, wanted), contents(status))
    same(len(start(11)), 11, "pcscd resumes the readers")
    for word in ("00 00", "AU9540", "Rutoken"):
        works(find(word), "resumed, it works: " + word)


def qemu_test():
    for i in range(4):
        sim("unplug", i)
    same(context.wait_readers(0), [], "all readers are unplugged") or show_log()
    run("modprobe", "uhci-hcd")
    names = context.wait_readers(1)
    # recognised by its id, with the name from the lists
    ok(len(names) == 1 and "433-Swap" in names[0], "QEMU's reader", names)
    context.wait_card(names[0])
    qemu_card(names[0], "QEMU's card")
    folder = os.path.dirname([p for p in glob.glob("/sys/bus/usb/devices/*/product") if "CCID" in contents(p)][0])
    put(folder + "/power/autosuspend_delay_ms", "0")
    same(stop(), 0, "pcscd ends")
    status = folder + "/power/runtime_status"
    ok(wait_for(lambda: contents(status) == "suspended"), "QEMU's reader is suspended", contents(status))
    names = start(1)
    qemu_card(names[0] if names else "none", "resumed")
    where = [int(contents(folder + "/" + n)) for n in ("busnum", "devnum")]
    run("usbreset", "%03d/%03d" % tuple(where))
    qemu_card(names[0], "after usbreset")
    run("modprobe", "-r", "uhci-hcd")
    same(context.wait_readers(0), [], "its bus is removed: no reader")
    ok(pcscd_alive(), "pcscd is still running")


def qemu_card(reader, name):
    """SELECT of a CAC's first PKI applet, which libcacard's card has."""
    last = [None]

    def select():
        rv, card = context.connect(reader)
        last[0] = rv_name(rv)
        if rv:
            return False
        last[0] = card.apdu(short(0xA4, 4, 0, bytes.fromhex("a0000000790100"), cla=0))
        same_atr = card.atr()[:1] == b"\x3b"
        card.disconnect(scard.SCARD_UNPOWER_CARD)
        return last[0][-2:] == OK and same_atr
    ok(wait_for(select, 20), name + ": ATR and SELECT", last[0]) or show_log()


list_test()
same(len(start(11)), 11, "eleven readers")
speed_test()
capabilities_test()
rules_test()
exchanges()
unplug_at_work()
restarts()
reattach()
stolen_interface(second_program())
sleep_test()
qemu_test()
same(stop(), 0, "pcscd exits cleanly")
same(run(SIM, "complaints").strip(), "", "the simulator has no complaints")
