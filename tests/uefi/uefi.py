#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The UEFI driver under a real firmware: QEMU boots OVMF, OVMF starts the test program (scr_test.c) from a FAT volume,
and this script plugs readers and cards when the program asks for it. Prints TAP.
	uefi.py [--sim CCID-SIM] FOLDER DRIVER PROGRAM FIRMWARE [VARIABLES]
--sim	also readers of the simulator (readers.sim), over usb-redir
FOLDER gets the volume, the console's text (console.log) and what the card was sent (card.log).
CHECK_UEFI_TIMEOUT	seconds that the machine may run (default 300)"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

from card import Card
from redir import Redirected

QEMU = "qemu-system-x86_64"
ESCAPE = re.compile(r"\x1b\[[0-9;=?]*[A-Za-z]|\r")
LEAK = "ccid: memory was not given back"
HERE = os.path.dirname(os.path.abspath(__file__))
READERS = os.path.join(HERE, "readers.sim")
TABLE = os.path.join(HERE, "..", "..", "readers", "reader_descriptors.tsv")
# Console lines that belong to the results.
RESULT = re.compile(r"(ok|not ok) [0-9]+ - |# ")


class Simulator:
    """ccid-sim, which offers the readers of readers.sim over USB/IP."""

    def __init__(self, program, folder):
        self.log = f"{folder}/sim.log"
        with open(READERS, encoding="ascii") as file:
            self.names = re.findall(r"^reader (\w+)", file.read(), re.M)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([program, "usbip", "-p", str(self.port), READERS], stdout=log, stderr=log,
                                            env=dict(os.environ, CCID_SIM_TABLE=TABLE))

    def connect(self, path, name):
        for _ in range(100):
            try:
                return Redirected(path, self.port, f"1-{self.names.index(name) + 1}")
            except ConnectionRefusedError:
                threading.Event().wait(0.05)
        raise OSError("ccid-sim does not listen")

    def end(self):
        """Does a driver break the standard? Then the exit code is 1, and the log says how."""
        self.process.terminate()
        status = self.process.wait(10)
        if status:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                print("# " + "\n# ".join(log.read().splitlines()[-20:]))
        return status == 0


class Machine:
    """QEMU, with the readers and the card that are plugged into it."""

    def __init__(self, folder, firmware, variables, sim):
        self.folder = folder
        self.sim = sim
        self.plugged = None
        self.card = None
        self.lock = threading.Lock()     # the monitor's lock: the card's thread uses the monitor as well
        flash = ["-drive", f"if=pflash,format=raw,readonly=on,file={firmware}"]
        if variables:
            flash += ["-drive", f"if=pflash,format=raw,snapshot=on,file={variables}"]
        self.qemu = subprocess.Popen(
            [QEMU, "-machine", "q35", "-accel", "tcg", "-m", "256", "-nodefaults", "-display", "none", "-no-reboot",
             *flash, "-drive", f"if=virtio,format=raw,readonly=on,file=fat:{folder}/volume",
             "-serial", "stdio", "-qmp", f"unix:{folder}/qmp,server=on,wait=on",
             "-device", "qemu-xhci,id=usb", "-device", "usb-ccid,id=reader,bus=usb.0"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=open(f"{folder}/qemu.log", "wb"))
        self.qmp = None

    def begin(self):
        """QEMU waits for its monitor before it starts the machine."""
        self.qmp = socket.socket(socket.AF_UNIX)
        for _ in range(200):
            try:
                self.qmp.connect(f"{self.folder}/qmp")
                break
            except OSError:
                if self.qemu.poll() is not None:
                    raise
                threading.Event().wait(0.05)
        self.replies = self.qmp.makefile("r")
        self.replies.readline()
        self.command("qmp_capabilities")
        self.plug_card_slot("0")

    def command(self, name, **arguments):
        with self.lock:
            self.qmp.sendall(json.dumps({"execute": name, "arguments": arguments}).encode() + b"\n")
            reply = {}
            while not {"return", "error"} & set(reply):
                reply = json.loads(self.replies.readline())
        if "error" in reply:
            print(f"# QEMU: {name}: {reply['error']['desc']}", flush=True)

    def plug_card_slot(self, number):
        """Each reader has a socket of its own."""
        path = f"{self.folder}/card{number}"
        self.command("chardev-add", id="card" + number, backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
        self.command("device_add", driver="ccid-card-passthru", id="slot" + number, bus="reader.0",
                     chardev="card" + number)
        self.card = Card(path, self.pull_reader, self.card.seen if self.card else [])
        self.card.plug()

    def plug_simulated(self, name):
        path = f"{self.folder}/redir"
        if os.path.exists(path):
            os.unlink(path)
        self.command("chardev-add", id="redir", backend={"type": "socket", "data": {
            "addr": {"type": "unix", "data": {"path": path}}, "server": True, "wait": False}})
        self.command("device_add", driver="usb-redir", id="simulated", bus="usb.0", chardev="redir")
        self.plugged = self.sim.connect(path, name)

    def pull_reader(self):
        self.command("device_del", id="reader")

    def do(self, what):
        if what == "card-in":
            self.card.insert()
        elif what == "card-out":
            self.card.remove()
        elif what == "second-in":
            self.command("device_add", driver="usb-ccid", id="second", bus="usb.0")
        elif what == "second-out":
            self.command("device_del", id="second")
        elif what == "reader-in":
            self.command("device_add", driver="usb-ccid", id="reader", bus="usb.0")
            self.plug_card_slot("1")
        elif what.endswith(" in"):
            self.plug_simulated(what.split()[0])
        elif what.endswith(" out"):
            self.command("device_del", id="simulated")
            self.plugged.close()
        else:
            print(f"# nobody knows how to do {what}", flush=True)


def make_volume(folder, driver, program, with_simulator):
    """The firmware starts the program by its name, the program looks whether there is a simulator."""
    shutil.rmtree(f"{folder}/volume", ignore_errors=True)
    os.makedirs(f"{folder}/volume/EFI/BOOT")
    shutil.copy(driver, f"{folder}/volume/ccid.efi")
    shutil.copy(program, f"{folder}/volume/EFI/BOOT/BOOTX64.EFI")
    if with_simulator:
        shutil.copy(READERS, f"{folder}/volume/readers.sim")


def console(machine):
    """The console's lines without the terminal's escapes, as they come; all of it is kept."""
    with open(f"{machine.folder}/console.log", "w", encoding="ascii", errors="replace") as kept:
        for raw in machine.qemu.stdout:
            line = ESCAPE.sub("", raw.decode("ascii", "replace")).rstrip("\n")
            kept.write(line + "\n")
            kept.flush()
            yield line


def watch(machine):
    """Does what the program asks for, and prints its results: (cases, failed ones, the end was reached, no leak)."""
    ran, failed, clean, last = 0, 0, True, []
    for line in console(machine):
        last = last[-20:] + [line]
        if line.startswith("CUE "):
            machine.do(line[4:])
        elif RESULT.match(line):
            print(line, flush=True)
            ran += line.startswith(("ok", "not ok"))
            failed += line.startswith("not ok")
        elif line == LEAK:
            clean = False
        elif line == "UEFI-DONE":
            return ran, failed, True, clean
    print("# " + "\n# ".join(last))
    return ran, failed, False, clean


def main():
    sim_program = None
    if sys.argv[1] == "--sim":
        sim_program = sys.argv[2]
        del sys.argv[1:3]
    folder, driver, program, firmware = sys.argv[1:5]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))     # QEMU ends with this script
    make_volume(folder, driver, program, bool(sim_program))
    sim = Simulator(sim_program, folder) if sim_program else None
    machine = Machine(folder, firmware, sys.argv[5] if len(sys.argv) > 5 else None, sim)
    limit = threading.Timer(float(os.environ.get("CHECK_UEFI_TIMEOUT", "300")), machine.qemu.kill)
    limit.start()
    try:
        machine.begin()
        ran, failed, done, clean = watch(machine)
        machine.qemu.wait()
    finally:
        limit.cancel()
        machine.qemu.kill()
        good = sim.end() if sim else True
    for right, name in ((done, "the machine has finished"), (clean, "the driver has freed all memory"),
                        (good, "the simulator has no complaints")):
        failed += not right
        print(f"{'ok' if right else 'not ok'} - {name}")
    print(f"# uefi: {ran + 3 - failed} passed, {failed} failed")
    if done:
        print(f"1..{ran + 3}")
    with open(f"{folder}/card.log", "w", encoding="ascii") as log:
        log.write("\n".join(machine.card.seen if machine.card else []) + "\n")
    sys.exit(0 if ran and not failed else 1)


main()
