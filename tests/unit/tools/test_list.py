#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ccid-list beside a stand-in for libpcsclite and a folder with the files that the kernel would show: keys that stay the
same, drivers that tell less, 96 slots, events. And the last steps of ccid-doctor, which ask the same library."""

import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_doctor import BUILD, DROP, NODE, TOP, System, rows, small_plist  # noqa: E402
from tap import Tap  # noqa: E402

LIST = os.path.join(BUILD, "ccid-list")
DOCTOR = os.path.join(BUILD, "ccid-doctor")
EMPTY, PRESENT, EXCLUSIVE, INUSE, MUTE, UNAVAILABLE = "12", "22", "a2", "122", "222", "8"
ATR = "3B00"


class Machine:
    """Devices, and what pcscd says."""

    def __init__(self, folder, row):
        self.row = row
        self.system = System(os.path.join(folder, "root"), [row])
        self.system.remove("sys/bus/usb/devices/1-2")
        shutil.copy(os.path.join(BUILD, ".libs", "fake-pcsc.so"), os.path.join(folder, "libpcsclite.so.1"))
        self.said = os.path.join(folder, "said")
        self.env = {**os.environ, "LD_LIBRARY_PATH": folder, "FAKE_PCSC": self.said}
        self.options = ["--root", self.system.root, "--dir", "/" + DROP]
        self.readers([])

    def plug(self, port, address, interfaces=None, serial=None):
        self.system.device(port, address, interfaces or [self.row])
        if serial is not None:
            self.system.attribute("serial", serial, port)

    def readers(self, lines):
        with open(self.said + ".new", "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))
        os.replace(self.said + ".new", self.said)

    def run(self, *options, program=LIST):
        return subprocess.run([program, *self.options, *options], env=self.env, capture_output=True, text=True, timeout=60,
                              check=False)

    def list(self):
        done = self.run("--json")
        if done.stderr:
            raise RuntimeError(done.stderr)
        return json.loads(done.stdout)


def reader(index, slot, address, path="-", state=EMPTY, atr="-", name="Gemalto PC Twin Reader", connect="0"):
    channel = "-" if address is None else f"{0x200100 + address:x}"
    return f"{name} {index:02X} {slot:02X}|{connect}|{channel}|{path}|{state}|{atr}"


def one_reader(tap, machine):
    machine.plug("1-2.4", 9, serial="S-0042")
    machine.readers([reader(0, 0, 9, "1-2.4:1.0", PRESENT, ATR)])
    got = machine.list()
    want = {"reader": "Gemalto PC Twin Reader 00 00", "key": "1-2.4/0/0", "port": "1-2.4", "interface": 0, "slot": 0,
            "serial": "S-0042", "card": "present", "atr": ATR, "level": "TPDU"}
    tap.case("one reader: all of it", [] if len(got) == 1 and want.items() <= got[0].items() else [str(got)])
    tap.case("one reader: firmware, rates and driver",
             got[0]["firmware"] == "1.00" and got[0]["rate"] == 10752 and got[0]["max_rate"] == 344086
             and got[0]["driver"].startswith("ifd-ccid.bundle "))
    with open(os.path.join(TOP, "doc", "ccid-list.schema.json"), encoding="utf-8") as file:
        rules = json.load(file)["items"]
    tap.case("JSON is as doc/ccid-list.schema.json says",
             set(got[0]) == set(rules["required"]) and set(got[0]) | {"event"} == set(rules["properties"]))
    lines = machine.run().stdout.splitlines()
    tap.case("the table: a title and a line", len(lines) == 2 and lines[0].startswith("KEY ") and "DEVICE" not in lines[0]
             and lines[1].startswith("1-2.4/0/0  Gemalto PC Twin Reader 00 00  present  S-0042"))
    for state, word in ((EMPTY, "none"), (EXCLUSIVE, "exclusive"), (INUSE, "in use"), (MUTE, "mute"), (UNAVAILABLE, "unknown")):
        machine.readers([reader(0, 0, 9, "1-2.4:1.0", state)])
        tap.case(f"its card: {word}", machine.list()[0]["card"] == word)


def keys(machine):
    return {each["reader"]: each["key"] for each in machine.list()}


def six(tap, machine):
    """Six identical readers, plugged in every order: what is plugged in one port has one key."""
    faults = []
    for number, order in enumerate(itertools.permutations(range(6))):
        if number % 24 != 0 and number > 24:
            continue        # every order of four, and every order of where the others come
        shutil.rmtree(machine.system.path("sys/bus/usb/devices"))
        os.makedirs(machine.system.path("sys/bus/usb/devices"))
        lines = []
        for address, port in enumerate(order, 2):
            machine.plug(f"1-{port + 1}", address)
            lines.append(reader(address - 2, 0, address, f"1-{port + 1}:1.0", PRESENT, f"3B0{port}"))
        machine.readers(lines)
        got = [(each["atr"], each["key"]) for each in machine.list()]
        if got != [(f"3B0{port}", f"1-{port + 1}/0/0") for port in range(6)]:
            faults.append(f"{order}: {got}")
    tap.case("six identical readers keep their keys, and the order of the list, in whatever order they come", faults)


def less(tap, machine, composite):
    """Drivers that tell less than this one."""
    machine.plug("1-2", 2)
    machine.readers([reader(0, 0, 2), reader(0, 1, 2)])
    tap.case("no interface reported: the only one", keys(machine) == {
        "Gemalto PC Twin Reader 00 00": "1-2/0/0", "Gemalto PC Twin Reader 00 01": "1-2/0/1"})
    machine.readers([reader(0, 0, None)])
    tap.case("no channel reported: the only device of that name", keys(machine) == {"Gemalto PC Twin Reader 00 00": "1-2/0/0"})
    machine.plug("1-3", 3)
    tap.case("two of that name: no key", keys(machine) == {"Gemalto PC Twin Reader 00 00": None})
    machine.readers([reader(0, 0, 2, "1-2:1.0", connect="8010000b")])
    tap.case("another program has it alone, and it has a twin: no key", list(keys(machine).values()) == [None])
    machine.readers([reader(0, 0, 2, "1-2:1.0", name="Serial reader")])
    machine.plug("1-4", 4, composite)
    name = "HID Global OMNIKEY 5422 Smartcard Reader"
    machine.readers([reader(4, 0, 4, name=name), reader(3, 0, 4, name=name)])
    numbers = sorted(int(each["bInterfaceNumber"]) for each in composite)
    tap.case("two interfaces, none reported: in the order of the readers", keys(machine) == {
        f"{name} 03 00": f"1-4/{numbers[0]}/0", f"{name} 04 00": f"1-4/{numbers[1]}/0"})
    machine.readers([reader(4, 0, 4, f"1-4:1.{numbers[0]}", name=name), reader(3, 0, 4, f"1-4:1.{numbers[1]}", name=name)])
    tap.case("two interfaces, reported", keys(machine) == {f"{name} 04 00": f"1-4/{numbers[0]}/0",
                                                       f"{name} 03 00": f"1-4/{numbers[1]}/0"})
    machine.readers([reader(4, 0, 4, "1-4:1.99", name=name)])
    tap.case("an interface that the device does not have", keys(machine) == {f"{name} 04 00": "1-4/99/0"})
    machine.readers([reader(r, 0, 4, name=name) for r in range(3, 6)])
    tap.case("more readers than interfaces: the last has no key", list(keys(machine).values())[-1] is None)
    machine.readers([reader(3, 1, 4, name=name), reader(4, 0, 4, name=name), reader(0, 0, 2), reader(5, 0, None)])
    tap.case("second slots and readers of other devices do not count", keys(machine)[f"{name} 04 00"] == f"1-4/{numbers[0]}/0")
    machine.readers(["SCM SCR 331|0|-|-|12|-", reader(0, 0, 77, "1-77:1.0")])
    got = machine.list()
    tap.case("a reader that is not on the bus is shown, without a place",
             len(got) == 2 and all(each["key"] is None and each["port"] is None for each in got))


def unusual(tap, machine, composite):
    """Names, places and drivers as pcscd and other drivers may tell them."""
    machine.plug("1-2", 2)
    machine.plug("1-4", 4, composite)
    faults = []
    for name in ("R", "Reader 0000", "Reader 0000 00", "Reader 00 0000", "Reader 0z 00", "Reader 00 0z"):
        for address in (2, 4):
            machine.readers([f"{name}|0|{0x200100 + address:x}|-|12|-"])
            got = machine.list()
            if len(got) != 1 or got[0]["key"] is not None or got[0]["port"] != f"1-{address}":
                faults.append(f"{name}: {got}")
    tap.case("names without the numbers of pcscd: a port, but no key", faults)
    faults = []
    for path in ("1-2", "1-2:1", "1-2:1.", "1-2:1.x", "1-2:1.300", "1" * 27 + ":1.0"):
        machine.readers([reader(0, 0, 2, path)])
        got = machine.list()
        if len(got) != 1 or got[0]["port"] not in ("1-2", None):
            faults.append(f"{path}: {got}")
    tap.case("a path that is none: the channel tells the place", faults)
    machine.readers(["Something 00 00|0|10001|-|12|-"])
    tap.case("a channel that is not USB: no place", machine.list()[0]["port"] is None)
    machine.readers([reader(0, 0, 2, "1-2:1.0", "=8010002e")])
    tap.case("a state that cannot be had: the card is not known", machine.list()[0]["card"] == "unknown")
    mixed = ["Serial reader 07 00|0|-|-|12|-", reader(0, 0, 2, "1-2:1.0"), "Another 08 00|0|-|-|12|-"]
    for lines in (mixed, mixed[::-1]):
        machine.readers(lines)
        tap.case("readers without a key are the last, by name",
                 [each["reader"][:7] for each in machine.list()] == ["Gemalto", "Another", "Serial "])
    tap.case("the table: what is not known is -", [line.split()[0] for line in machine.run().stdout.splitlines()]
             == ["KEY", "1-2/0/0", "-", "-"])
    machine.plug("1-5", 5, [dict(machine.row, idVendor="f1f1", idProduct="0001", dwDataRate_bps="0")])
    mouse = bytes.fromhex("120110010000000801f1020000010102000109021200010100803209040000000301020000")
    machine.system.device("1-6", 6, [], mouse)
    machine.readers(["Gemalto 00 00|0|-|-|12|-", "Mine 00 00|0|200105|1-5:1.0|12|-"])
    got = machine.list()
    tap.case("a device that no driver lists has a place, but no driver",
             got[0]["port"] == "1-5" and got[0]["driver"] is None and got[0]["rate"] == 0)
    lines = machine.run().stdout.splitlines()
    tap.case("the table: no rates, no driver, but the device's own strings",
             lines[0].split()[-3:] == ["RATES", "DRIVER", "DEVICE"] and lines[1].split()[-4:] == ["-", "-", "Maker's", "Reader"])
    tap.case("JSON: the device's own strings", got[0]["device"] == "Maker's Reader" and got[1]["device"] is None)
    machine.system.attribute("product", "`reboot` \033[31m$(x)\a", "1-5")
    tap.case("a device cannot control the terminal", "Maker `reboot` ?[31m$(x)?\n" in machine.run().stdout)
    machine.system.foreign_driver("mine.bundle", small_plist([("0xF1F1", "0x0001", "Mine")]))
    tap.case("a driver that tells no version", machine.list()[0]["driver"] == "mine.bundle")
    machine.readers(["Mine|0|-|-|12|-"])
    tap.case("a name without numbers: the only device of that name", machine.list()[0]["port"] == "1-5")
    machine.system.attribute("busnum", "2", "1-2")
    machine.plug("1-7", 2, [dict(machine.row, idVendor="f1f1", idProduct="0001")])
    machine.readers([reader(0, 0, 2)])
    tap.case("the same address on two buses: the bus decides", machine.list()[0]["port"] == "1-7")
    for n in range(80):
        machine.plug(f"3-{n + 1}", n + 10)
    tap.case("more devices than are looked at", machine.list()[0]["port"] == "1-7")
    machine.system.remove("sys/bus/usb/devices")
    machine.readers([f"Reader {r:02X} 00|0|-|-|12|-" for r in range(256)] + ["One more 00 00|0|-|-|12|-"] * 20)
    tap.case("300 readers: 256 are shown", len(machine.list()) == 256)


def many(tap, machine):
    machine.readers([reader(r, s, None, f"1-{r + 1}:1.0", PRESENT if (r + s) % 2 else EMPTY) for r in range(12) for s in range(8)])
    for r in range(12):
        machine.plug(f"1-{r + 1}", r + 2)
    got = machine.list()
    tap.case("96 slots: all are shown", len(got) == 96)
    tap.case("96 slots: in the order of the ports", [each["key"] for each in got]
             == [f"1-{r + 1}/0/{s}" for r in range(12) for s in range(8)])
    tap.case("96 slots: the table", len(machine.run().stdout.splitlines()) == 97)


class Watch:
    """ccid-list --watch, whose lines are waited for."""

    def __init__(self, machine, *options):
        self.machine = machine
        self.said = ""
        self.process = subprocess.Popen([LIST, *machine.options, "--watch", *options], env=machine.env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait(self, text, seconds=30):
        end = time.monotonic() + seconds
        while text not in self.said and time.monotonic() < end:
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                self.said += os.read(self.process.stdout.fileno(), 65536).decode()
        return text in self.said

    def end(self):
        """The output is closed: the program ends at the next event."""
        self.process.stdout.close()
        self.machine.readers([])
        return self.process.wait(30)


def watching(tap, machine):
    machine.plug("1-2", 2)
    machine.readers([reader(0, 0, 2, "1-2:1.0")])
    watch = Watch(machine)
    tap.case("watch: what is there", watch.wait("added    1-2/0/0  Gemalto PC Twin Reader 00 00  none\n"))
    machine.readers([reader(0, 0, 2, "1-2:1.0", PRESENT, ATR)])
    tap.case("watch: a card comes", watch.wait("changed  1-2/0/0  Gemalto PC Twin Reader 00 00  present  3B00\n"))
    machine.plug("1-3", 3)
    machine.readers([reader(0, 0, 2, "1-2:1.0", PRESENT, ATR), reader(1, 0, 3, "1-3:1.0")])
    tap.case("watch: a reader comes", watch.wait("added    1-3/0/0  Gemalto PC Twin Reader 01 00  none\n"))
    machine.readers([reader(1, 0, 3, "1-3:1.0")])
    tap.case("watch: a reader goes", watch.wait("removed  1-2/0/0  Gemalto PC Twin Reader 00 00  present  3B00\n"))
    machine.system.remove("sys/bus/usb/devices/1-3")
    machine.plug("1-5", 5)
    machine.readers([reader(1, 0, 5, "1-5:1.0")])
    tap.case("watch: the same name in another port", watch.wait("  1-5/0/0  Gemalto PC Twin Reader 01 00  none\n"))
    devices = machine.system.path("sys/bus/usb/devices")
    for before, after in ((5, 6), (6, 5)):
        machine.readers([reader(1, 0, 5, f"1-{after}:1.0")])
        os.rename(f"{devices}/1-{before}", f"{devices}/1-{after}")
        tap.case(f"watch: the same name and address, now in port {after}",
                 watch.wait(f"removed  1-{before}/0/0  ") and watch.wait(f"added    1-{after}/0/0  Gemalto PC Twin Reader 01 00  none\n"))
    machine.readers(["=8010001d"])
    tap.case("watch: pcscd ends", watch.wait("removed  1-5/0/0") and watch.wait("pcscd cannot be used"))
    machine.readers([reader(2, 0, 5, "1-5:1.0")])
    tap.case("watch: and comes back", watch.wait("added    1-5/0/0  Gemalto PC Twin Reader 02 00"))
    tap.case("watch: the program ends when its output is closed", watch.end() == 1)
    machine.readers([reader(2, 0, 5, "1-5:1.0")])
    watch = Watch(machine, "--json")
    tap.case("watch: JSON", watch.wait('{"reader": "Gemalto PC Twin Reader 02 00", "event": "added", "key": "1-5/0/0"'))
    watch.end()
    machine.readers([f"Reader {r:02X} 00|0|-|-|12|-" for r in range(20)])
    watch = Watch(machine)
    told = all(watch.wait(f"added    -  Reader {r:02X} 00  none\n") for r in range(20))
    lines = [f"Reader {r:02X} 00|0|-|-|22|3B0{r % 10}" for r in range(20)]
    machine.readers(lines)
    tap.case("watch: more readers than are waited for at once, without a place",
             told and all(watch.wait(f"changed  -  Reader {r:02X} 00  present  3B0{r % 10}\n") for r in range(20)))
    machine.readers([line[:-1] + "A" for line in lines])
    tap.case("watch: another card", watch.wait("changed  -  Reader 07 00  present  3B0A\n"))
    for state in range(12):
        machine.readers([reader(0, 0, None, state=PRESENT, atr=f"3B{state:02X}", name="Nowhere")])
        told = told and watch.wait(f"Nowhere 00 00  present  3B{state:02X}\n")
    tap.case("watch: a reader without a place is not asked for ever", told)
    watch.end()


def failures(tap, machine):
    done = machine.run()
    tap.case("no reader: exit code 1, and it says so", done.returncode == 1 and "pcscd has no reader" in done.stderr)
    done = machine.run("-j")
    tap.case("no reader: JSON is []", done.returncode == 1 and json.loads(done.stdout) == [])
    machine.readers(["=8010001d"])
    done = machine.run()
    tap.case("no pcscd: exit code 1, and it says so", done.returncode == 1 and "ccid-doctor" in done.stderr and not done.stdout)
    done = machine.run("-j")
    tap.case("no pcscd: JSON is []", done.returncode == 1 and done.stdout == "[]\n" and "ccid-doctor" in done.stderr)
    watch = Watch(machine)
    told = watch.wait("pcscd cannot be used")
    time.sleep(1.2)     # two more rounds
    machine.readers([reader(0, 0, None)])
    tap.case("watch: a missing pcscd is reported once, until it comes",
             told and watch.wait("added    -  Gemalto PC Twin Reader 00 00") and watch.said.count("cannot be used") == 1)
    watch.end()
    os.remove(os.path.join(os.path.dirname(machine.said), "libpcsclite.so.1"))
    with open(os.path.join(os.path.dirname(machine.said), "libpcsclite.so.1"), "w", encoding="utf-8") as file:
        file.write("text")
    done = machine.run()
    tap.case("no library: exit code 1, and it says so",
             done.returncode == 1 and "libpcsclite.so.1" in done.stderr and not done.stdout)
    done = machine.run("-j")
    tap.case("no library: JSON is []", done.returncode == 1 and done.stdout == "[]\n" and "libpcsclite.so.1" in done.stderr)
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("no library: ccid-doctor", blamed(done) in (["answer"], ["bus"]))
    machine.plug("1-2", 2)
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("no library, and a reader: ccid-doctor",
             blamed(done) == ["answer"] and "the library for programs does not load" in done.stdout)
    with open(os.path.join(os.path.dirname(machine.said), "libpcsclite.so.1"), "wb") as file, open(
            os.path.join(BUILD, "ifd-ccid.bundle", "Contents", "Linux", "libccid.so"), "rb") as driver:
        file.write(driver.read())
    done = machine.run()
    tap.case("a library that is another one", done.returncode == 1 and "libpcsclite.so.1" in done.stderr)


def blamed(done):
    return [each["step"] for each in json.loads(done.stdout)["findings"] if each["verdict"] == "broken"]


def doctor(tap, machine):
    """The steps that ask pcscd."""
    machine.plug("1-2", 2)
    for name, lines, code, step, text in (
            ("all is well", [reader(0, 0, 2, "1-2:1.0", PRESENT, ATR)], 0, None, ""),
            ("no card is in it", [reader(0, 0, 2, "1-2:1.0")], 0, None, ""),
            ("polkit says no", ["=8010006a"], 1, "answer", "polkit does not let you"),
            ("pcscd is not there", ["=8010001d"], 1, "answer", "pcscd cannot be used"),
            ("pcscd hangs", ["hang"], 1, "answer", "has not answered"),
            ("no reader is shown", [], 1, "shown", "could not open it"),
            ("another reader is shown", [reader(0, 0, None, name="Gemalto PC Twin Readers")], 1, "shown", "could not open"),
            ("the card is mute", [reader(0, 0, 2, "1-2:1.0", MUTE)], 1, "card", "does not answer")):
        machine.readers(lines)
        done = machine.run("-a", "-j", program=DOCTOR)
        broken = [each for each in json.loads(done.stdout)["findings"] if each["verdict"] == "broken"]
        good = done.returncode == code and [each["step"] for each in broken] == ([step] if step else [])
        tap.case(f"ccid-doctor: {name}", [] if good and (not step or text in broken[0]["text"]) else [done.stdout])
    machine.system.process(700, "pcscd", [NODE])
    machine.system.write("proc/stat", "cpu 1\nbtime 1000000000\n")
    machine.system.write("proc/700/stat", "700 (pcscd) S " + " ".join(["1"] * 18) + " 500 1 1\n")
    machine.readers([])
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("ccid-doctor: pcscd is older than the list", "pcscd was started before the list" in done.stdout)
    machine.plug("1-3", 3)
    machine.readers([reader(0, 0, 2, "1-2:1.0")])
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("ccid-doctor: one of two is shown", blamed(done) == ["shown"] and '"port": "1-3", "step": "shown"' in done.stdout)
    machine.readers([reader(0, 0, 2, "1-2:1.0").replace("Reader 00", "Reader (S-0042) 00"), reader(1, 0, 3, "1-3:1.0")])
    done = machine.run("-a", program=DOCTOR)
    tap.case("ccid-doctor: the serial number is not shown",
             done.returncode == 0 and 'as "Gemalto PC Twin Reader 00 00"' in done.stdout and "S-0042" not in done.stdout)
    pair = [reader(0, 0, 2, "1-2:1.0"), reader(1, 0, 3, "1-3:1.0", PRESENT), "Other|0|-|-|12|-"]
    machine.readers(pair)
    for name, stat, own in (("no time of boot", "cpu 1\n", "700 (pcscd) S 1\n"), ("a line that is too short",
                            "cpu 1\nbtime 1000000000\n", "700 (pcscd) S 1\n"), ("no name", "cpu 1\nbtime 1000000000\n", "700"),
                            ("an empty line", "cpu 1\nbtime 1000000000\n", ""),
                            ("pcscd is newer", "cpu 1\nbtime 9000000000\n", "700 (pcscd) S " + " ".join(["1"] * 18) + " 500 1\n")):
        machine.system.write("proc/stat", stat)
        machine.system.write("proc/700/stat", own)
        machine.readers([])
        done = machine.run("-a", "-j", program=DOCTOR)
        tap.case(f"ccid-doctor: when pcscd was started: {name}",
                 set(blamed(done)) == {"shown"} and "before the list" not in done.stdout)
    machine.system.remove("proc/stat")
    tap.case("ccid-doctor: no /proc/stat", "could not open it" in machine.run("-a", "-j", program=DOCTOR).stdout)
    machine.readers(pair)
    tap.case("ccid-doctor: two of two, and another one", blamed(machine.run("-a", "-j", program=DOCTOR)) == [])
    machine.system.remove("proc/700/fd/1")
    machine.system.interface_driver("usbfs")
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("ccid-doctor: a holder that is not seen does not matter when the reader is shown",
             done.returncode == 0 and '"verdict": "unknown"' in done.stdout)
    machine.readers(pair[:1])
    machine.system.remove("proc/700")
    machine.system.remove("sys/bus/usb/devices/1-2:1.0")
    done = machine.run("-a", "-j", program=DOCTOR)
    tap.case("ccid-doctor: one of two readers of that name", "but others of that name" in done.stdout)
    machine.plug("1-3", 3, [dict(machine.row, idVendor="f1f1", idProduct="0001")])
    tap.case("ccid-doctor: a reader that no driver lists is not expected",
             blamed(machine.run("-a", "-j", program=DOCTOR)) == ["listed"])
    machine.readers([reader(0, 0, 2, state="=8010002e"), *pair[2:]])
    done = machine.run("-a", "-j", "08e6:3437", program=DOCTOR)
    tap.case("ccid-doctor: a state that cannot be had", done.returncode == 0 and "no card is in it" in done.stdout)
    machine.readers([reader(0, 0, 2)] + [f"Reader {r}|0|-|-|12|-" for r in range(280)])
    done = machine.run("-a", "-j", "08e6:3437", program=DOCTOR)
    tap.case("ccid-doctor: more readers than are looked at", "256 readers in its list" in done.stdout)


def verdicts(machine, step):
    """Exit code, and what the step says of each port."""
    done = machine.run("-a", "-j", program=DOCTOR)
    return done.returncode, {each["port"]: (each["verdict"], each["text"]) for each in json.loads(done.stdout)["findings"]
                             if each["step"] == step}


def places(tap, machine, composite):
    """ccid-doctor: a reader of PC/SC belongs to the device at its place."""
    def judge(name, lines, step, code, *said):
        machine.readers(lines)
        got = verdicts(machine, step)
        good = got[0] == code and len(said) == len(got[1]) and all(
            port in got[1] and got[1][port][0] == verdict and text in got[1][port][1] for port, verdict, text in said)
        tap.case(f"ccid-doctor: {name}", [] if good else [str(got)])

    first, busy = "Gemalto PC Twin Reader 00 00", "8010000b"
    twins = [dict(machine.row, bMaxSlotIndex="1")]
    machine.plug("1-1", 2, twins)
    machine.plug("1-2", 3, twins)
    judge("two readers of two slots, and one of them is not shown", [reader(0, s, 2, "1-1:1.0") for s in range(2)], "shown", 1,
          ("1-1", "well", first), ("1-2", "broken", "but others of that name"))
    judge("the same by the channel alone", [reader(0, s, 2) for s in range(2)], "shown", 1, ("1-1", "well", first),
          ("1-2", "broken", "but others of that name"))
    judge("the same without any place: it cannot tell", [reader(0, s, None) for s in range(2)], "shown", 2,
          ("1-1", "unknown", "2 like"), ("1-2", "unknown", "of 4 that should be there"))
    judge("all four without a place", [reader(r, s, 2, connect=busy) for r in range(2) for s in range(2)], "shown", 0,
          ("1-1", "well", "as one like"), ("1-2", "well", "as one like"))
    judge("one of the four is mute, without a place: it cannot tell",
          [reader(r, s, 2, connect=busy, state=MUTE if r and s else EMPTY) for r in range(2) for s in range(2)], "card", 2,
          ("1-1", "unknown", "may be another reader"), ("1-2", "unknown", "may be another reader"))
    judge("cards in readers without a place", [reader(r, s, None, state=PRESENT) for r in range(2) for s in range(2)], "card", 0,
          ("1-1", "well", "4 cards in the 2 readers"), ("1-2", "well", "4 cards in the 2 readers"))
    judge("a place and no place", [reader(0, 0, 2, "1-1:1.0"), reader(0, 1, 2, "1-1:1.0"), reader(1, 0, 3, connect=busy),
                                   reader(1, 1, 3, connect=busy)], "shown", 0, ("1-1", "well", first), ("1-2", "well", "Reader 01 00"))
    judge("a program has a transaction: pcscd waits with the place", [
        reader(r, s, 2, connect="hang" if r else "0") for r in range(2) for s in range(2)], "shown", 0,
          ("1-1", "well", "as one like"), ("1-2", "well", "as one like"))
    machine.system.process(700, "pcscd", [NODE, NODE[:-1] + "3"])
    for port in ("1-1", "1-2"):
        machine.system.interface_driver("usbfs", 0, port)
    judge("no place, but pcscd has both open", [reader(0, 0, None), reader(1, 0, None)], "shown", 0, ("1-1", "well", first),
          ("1-2", "well", first))
    machine.system.remove("proc/700")
    for port, address in (("1-1", 2), ("1-2", 3)):
        machine.system.remove(f"sys/bus/usb/devices/{port}:1.0")
        machine.plug(port, address)
    pair = [reader(0, 0, 2, "1-1:1.0", PRESENT, ATR), reader(1, 0, 3, "1-2:1.0")]
    judge("two readers: each has its name", pair, "shown", 0, ("1-1", "well", first), ("1-2", "well", "Gemalto PC Twin Reader 01 00"))
    judge("two readers: each has its card", pair, "card", 0, ("1-1", "well", "1 card"), ("1-2", "well", "no card"))
    judge("two readers: the one with the mute card is blamed", [pair[0], reader(1, 0, 3, "1-2:1.0", MUTE)], "card", 1,
          ("1-1", "well", "1 card"), ("1-2", "broken", '"Gemalto PC Twin Reader 01 00" does not answer'))
    machine.system.remove("sys/bus/usb/devices")
    machine.plug("1-4", 4, composite)
    name = "HID Global OMNIKEY 5422 Smartcard Reader"
    numbers = sorted(int(each["bInterfaceNumber"]) for each in composite)
    both = [reader(n, 0, 4, f"1-4:1.{number}", name=name) for n, number in enumerate(numbers)]
    judge("two interfaces", both, "shown", 0, ("1-4", "well", name))
    judge("one of two interfaces", both[:1], "shown", 1, ("1-4", "broken", "1 of its 2 interfaces"))
    judge("the other one of two interfaces", both[1:], "shown", 1, ("1-4", "broken", "1 of its 2 interfaces"))
    judge("an interface that the device does not have", [reader(0, 0, 4, "1-4:1.99", name=name)], "shown", 1,
          ("1-4", "broken", "1 of its 2 interfaces"))
    judge("two interfaces, and the places of both are guessed", [reader(n, 0, 4, name=name) for n in (1, 0)], "shown", 0,
          ("1-4", "well", name))
    machine.plug("1-4", 4, [dict(composite[0], bVoltageSupport="0")])
    judge("a reader that does not state its voltages", [reader(0, 0, 4, name=name, state=MUTE)], "card", 1,
          ("1-4", "broken", "voltages of the reader: not stated"))


def options(tap, machine):
    for own in (None, "", "/nowhere"):
        env = {**machine.env, "PCSCLITE_HP_DROPDIR": own or ""}
        if own is None:
            del env["PCSCLITE_HP_DROPDIR"]
        for options in ([], ["--root", "/"], ["--root", machine.system.root]):
            done = subprocess.run([LIST, *options], env=env, capture_output=True, text=True, timeout=60, check=False)
            tap.case(f"ccid-list {' '.join(options[:1])}, folder of drivers {own}",
                     done.returncode == 1 and "pcscd has no reader" in done.stderr)
    for program, name in ((LIST, "ccid-list"), (DOCTOR, "ccid-doctor")):
        for arguments, code, text in ((["--help"], 0, "Usage: " + name), (["--version"], 0, name + " (ifd-ccid) "),
                                      (["--bogus"], 2, "Usage: " + name), (["f1f1"], 2, "f1f1"),
                                      (["f1f1:0001", "f1f1:0002"], 2, "f1f1:000"),
                                      (["f1f1-0001"], 2, "f1f1-0001"), (["123456789"], 2, "123456789"),
                                      (["f1f1:01:2"], 2, "f1f1:01:2")):
            done = machine.run(*arguments, program=program)
            tap.case(f"{name} {' '.join(arguments)}", done.returncode == code and text in done.stdout + done.stderr)
        with open("/dev/full", "w", encoding="utf-8") as full:
            machine.readers([reader(0, 0, 2, "1-2:1.0")])
            done = subprocess.run([program, *machine.options, "-j"], env=machine.env, stdout=full, stderr=subprocess.PIPE,
                                  text=True, timeout=60, check=False)
        tap.case(f"{name}: a full disk is noticed", done.returncode in (1, 2) and "No space left" in done.stderr)


def main():
    tap = Tap()
    if not os.path.exists(LIST) or not os.path.exists(os.path.join(BUILD, ".libs", "fake-pcsc.so")):
        tap.skip("ccid-list", "it is not built")
        tap.finish()
    table = rows()
    row = next(each for each in table if each["dump"] == "GemPCTwin")
    composite = [each for each in table if each["dump"] == "HID_OMNIKEY_5422"]
    for part, arguments in ((one_reader, ()), (six, ()), (less, (composite,)), (unusual, (composite,)), (many, ()),
                            (watching, ()), (doctor, ()), (places, (composite,)), (options, ()), (failures, ())):
        with tempfile.TemporaryDirectory() as folder:
            part(tap, Machine(folder, row), *arguments)
    tap.finish()


if __name__ == "__main__":
    main()
