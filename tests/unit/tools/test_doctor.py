#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ccid-doctor on systems that are broken on purpose: folders with the files that a kernel, udev, systemd and the drivers
would show. In each the right step is blamed, with a cure; a good one is well, and so is every reader of the table."""

import csv
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "check"))
from tap import Tap  # noqa: E402

BUILD = os.environ.get("abs_top_builddir", os.getcwd())
DOCTOR = os.path.join(BUILD, "ccid-doctor")
BUNDLE = os.path.join(BUILD, "ifd-ccid.bundle", "Contents")
NO_DRIVER = os.path.join(BUILD, ".libs", "fake-pcsc.so")
RULES = os.path.join(BUILD, "readers", "92_pcscd_ccid.rules")
DROP = "usr/lib/pcsc/drivers"
SECRET = "S3CR3T"
NODE = "/dev/bus/usb/001/002"
GEMPC = "GemPCTwin"
STEPS = ["bus", "drivers", "allowed", "descriptor", "listed", "library", "firmware", "node", "kernel", "holder", "power",
         "ignored", "installed", "service"]


def rows():
    with open(os.path.join(TOP, "readers", "reader_descriptors.tsv"), encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def number(text):
    return int(text or "0", 0)


def bcd(text):
    major, minor = text.split(".")
    return int(major, 16) << 8 | int(minor, 16)


def class_descriptor(row):
    names = ("dwProtocols", "dwDefaultClock_kHz", "dwMaximumClock_kHz")
    out = struct.pack("<HBB", bcd(row["bcdCCID"]), number(row["bMaxSlotIndex"]), number(row["bVoltageSupport"]))
    out += struct.pack("<III", *(number(row[name]) for name in names))
    out += struct.pack("<BIIB", number(row["bNumClockSupported"]), number(row["dwDataRate_bps"]),
                       number(row["dwMaxDataRate_bps"]), number(row["bNumDataRatesSupported"]))
    out += struct.pack("<IIIII", *(number(row[name]) for name in (
        "dwMaxIFSD", "dwSynchProtocols", "dwMechanical", "dwFeatures", "dwMaxCCIDMessageLength")))
    out += struct.pack("<BBHBB", *(number(row[name]) for name in (
        "bClassGetResponse", "bClassEnvelope", "wLcdLayout", "bPINSupport", "bMaxCCIDBusySlots")))
    return bytes([2 + len(out), number(row["bDescriptorType"])]) + out


def descriptors(interfaces):
    """What the kernel shows of a device with these rows of the table as interfaces."""
    body = b""
    for row in interfaces:
        endpoints = [bytes([7, 5, 0x81, 3, 8, 0, 16]), bytes([7, 5, 0x02, 2, 64, 0, 0]), bytes([7, 5, 0x83, 2, 64, 0, 0])]
        n = number(row["bNumEndpoints"])
        chosen = endpoints[3 - n:] if n <= 3 else endpoints
        body += bytes([9, 4, number(row["bInterfaceNumber"]), 0, len(chosen), number(row["bInterfaceClass"]), 0,
                       number(row["bInterfaceProtocol"]), 0])
        body += class_descriptor(row) + b"".join(chosen)
    first = interfaces[0]
    device = struct.pack("<BBHBBBBHHHBBBB", 18, 1, 0x200, 0, 0, 0, 64, int(first["idVendor"], 16),
                         int(first["idProduct"], 16), bcd(first["bcdDevice"]), 1, 2, 3, 1)
    return device + struct.pack("<BBHBBBBB", 9, 2, 9 + len(body), len(interfaces), 1, 0, 0x80, 50) + body


class System:
    """A root folder with a reader, a driver and pcscd, all well; each situation breaks it."""

    def __init__(self, folder, interfaces):
        self.root = folder
        self.group = os.getgid()
        self.device("1-2", 2, interfaces)
        shutil.copytree(BUNDLE, os.path.join(folder, DROP, "ifd-ccid.bundle", "Contents"))
        self.write("usr/lib/udev/rules.d/92_pcscd_ccid.rules", open(RULES, encoding="utf-8").read())
        self.write("usr/sbin/pcscd", "")
        self.write("run/pcscd/pcscd.comm", "")
        self.write("run/systemd/system/.there", "")
        self.write("usr/lib/systemd/system/pcscd.service", "[Service]\nExecStart=/usr/sbin/pcscd\nUser=pcscd\n")
        self.write("etc/passwd", "root:x:0:0::/root:/bin/sh\npcscd:x:54321:54322::/:/bin/false\n")
        self.write("etc/group", f"root:x:0:\npcscd:x:{self.group}:pcscd\n")
        self.process(1, "systemd")

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb" if isinstance(text, bytes) else "w") as file:
            file.write(text)

    def remove(self, name):
        path = self.path(name)
        shutil.rmtree(path) if os.path.isdir(path) and not os.path.islink(path) else os.remove(path)

    def link(self, target, name):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        if os.path.lexists(self.path(name)):
            self.remove(name)
        os.symlink(target, self.path(name))

    def attribute(self, name, text, port="1-2"):
        self.write(f"sys/bus/usb/devices/{port}/{name}", text + "\n")

    def device(self, port, address, interfaces, raw=None):
        self.write(f"sys/bus/usb/devices/{port}/descriptors", raw or descriptors(interfaces))
        for name, text in (("busnum", "1"), ("devnum", str(address)), ("authorized", "1"), ("bConfigurationValue", "1"),
                           ("manufacturer", "Maker"), ("product", "Maker's Reader"), ("serial", SECRET),
                           ("power/control", "on"), ("power/runtime_status", "active")):
            self.attribute(name, text, port)
        node = f"dev/bus/usb/001/{address:03}"
        self.write(node, "")
        os.chmod(self.path(node), 0o660)
        self.write(f"run/udev/data/c189:{address - 1}", "I:1\nE:ID_BUS=usb\n")

    def process(self, pid, comm, opened=(), uid=0, groups="", environment=""):
        self.write(f"proc/{pid}/comm", comm + "\n")
        self.write(f"proc/{pid}/status", f"Name:\t{comm}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n"
                                         f"Gid:\t{uid}\t{uid}\t{uid}\t{uid}\nGroups:\t{groups}\n")
        self.write(f"proc/{pid}/environ", environment)
        self.write(f"proc/{pid}/fdinfo/.there", "")
        os.makedirs(self.path(f"proc/{pid}/fd"), exist_ok=True)
        for n, target in enumerate(("/dev/null",) + tuple(opened)):
            self.link(target, f"proc/{pid}/fd/{n}")

    def interface_driver(self, driver, interface=0, port="1-2"):
        self.link(f"../../../bus/usb/drivers/{driver}", f"sys/bus/usb/devices/{port}:1.{interface}/driver")

    def plist(self, change, bundle="ifd-ccid.bundle"):
        name = f"{DROP}/{bundle}/Contents/Info.plist"
        with open(self.path(name), encoding="utf-8") as file:
            text = file.read()
        changed = change(text)
        assert changed != text
        self.write(name, changed)

    def by_class(self, mark=""):
        """The file that offers readers by their class, behind one that is about something else."""
        self.write("etc/reader.conf.d/another", 'FRIENDLYNAME "Serial"\nDEVICENAME /dev/ttyS0\nLIBPATH /x.so\n')
        self.write("etc/reader.conf.d/libccid-class", f'''# usb:class
{mark}FRIENDLYNAME\t"CCID reader"
{mark}DEVICENAME   usb:class:0
{mark}LIBPATH\t\t/usr/lib/serial/libccid-class.so
{mark}CHANNELID 0x300000
''')
        os.makedirs(self.path("usr/lib/serial"), exist_ok=True)
        shutil.copy(os.path.join(BUNDLE, "Linux", "libccid.so"), self.path("usr/lib/serial/libccid-class.so"))

    def foreign_driver(self, name, plist):
        self.write(f"{DROP}/{name}/Contents/Info.plist", plist)


def small_plist(ids, executable="libccid.so", name="other"):
    """A driver that lists these readers."""
    def array(key, values):
        return f"<key>{key}</key><array>" + "".join(f"<string>{value}</string>" for value in values) + "</array>"
    return ('<?xml version="1.0" encoding="UTF-8"?><plist version="1.0"><dict>'
            f"<key>CFBundleExecutable</key><string>{executable}</string><key>CFBundleName</key><string>{name}</string>"
            + array("ifdVendorID", [vendor for vendor, _, _ in ids])
            + array("ifdProductID", [product for _, product, _ in ids])
            + array("ifdFriendlyName", [name for _, _, name in ids]) + "</dict></plist>\n")


def run(root, *options):
    return subprocess.run([DOCTOR, "--root", root, "--dir", "/" + DROP, *options], capture_output=True, text=True,
                          errors="replace", timeout=60, check=False)


def diagnosis(root, *options):
    """Exit code, broken findings, the whole."""
    done = run(root, "--json", *options)
    if done.stderr:
        raise RuntimeError(done.stderr)
    said = json.loads(done.stdout)
    return done.returncode, [each for each in said["findings"] if each["verdict"] == "broken"], said


def without_descriptor(row):
    raw = bytearray(descriptors([row]))
    at = raw.index(class_descriptor(row))
    raw[at + 1] = 0x99
    return bytes(raw)


def too_short(row):
    raw = bytearray(descriptors([row]))
    at = raw.index(class_descriptor(row))
    raw[at] = 54 - 10
    return bytes(raw)


def no_bulk(row):
    raw = descriptors([row])
    return raw.replace(bytes([7, 5, 0x83, 2]), bytes([7, 5, 0x83, 3]))


def first_lines(count):
    return "".join(f"<string>{i}</string>" for i in range(count))


# Name, what is done to the system, the step that is blamed, a part of what it says, a part of the cure.
SITUATIONS = (
    ("no USB at all", lambda s, r: s.remove("sys/bus/usb"), "bus", "there is no USB", "virtual machine"),
    ("nothing plugged in", lambda s, r: s.remove("sys/bus/usb/devices/1-2"), "bus", "none of the 0", "plug the reader in"),
    ("no folder of drivers", lambda s, r: s.remove(DROP), "drivers", "no driver is in", "apt install"),
    ("an empty folder of drivers", lambda s, r: s.remove(DROP + "/ifd-ccid.bundle"), "drivers", "no driver is in",
     "apt install"),
    ("a list that is not XML", lambda s, r: s.plist(lambda t: t[:5000]), "drivers", "line", "reinstall"),
    ("three arrays of different length",
     lambda s, r: s.plist(lambda t: t.replace("<key>ifdVendorID</key>\n\t<array>\n",
                                              "<key>ifdVendorID</key>\n\t<array>\n<string>0x1234</string>\n", 1)),
     "drivers", "must be equally many", "ccid-add-reader"),
    ("three arrays of different length in another driver", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x1", "0x2", "Other")]).replace("<string>0x2</string>", "")), "drivers",
     "1 vendor ids, 0 product ids", "reinstall"),
    ("an empty list", lambda s, r: s.write(DROP + "/ifd-ccid.bundle/Contents/Info.plist", ""), "drivers", "Info.plist",
     "reinstall"),
    ("a list that is a folder", lambda s, r: (s.remove(DROP + "/ifd-ccid.bundle/Contents/Info.plist"),
                                              os.mkdir(s.path(DROP + "/ifd-ccid.bundle/Contents/Info.plist"))),
     "drivers", "not a regular file", "reinstall"),
    ("both lists are damaged", lambda s, r: (s.foreign_driver("aaa.bundle", "nothing"), s.foreign_driver("zzz.bundle", "nothing"),
                                             s.plist(lambda t: t.replace("<string>0x08E6</string>", "", 1))), "drivers",
     "ifd-ccid.bundle", "reinstall"),
    ("a damaged list of the only driver", lambda s, r: (s.remove(DROP + "/ifd-ccid.bundle"),
                                                        s.foreign_driver("other.bundle", "nothing")), "drivers", "line 1",
     "reinstall"),
    ("a name too few in another driver", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x1", "0x2", "Other")]).replace("<string>Other</string>", "")), "drivers",
     "1 product ids and 0 names", "reinstall"),
    ("not authorized", lambda s, r: s.attribute("authorized", "0"), "allowed", "authorized is 0", "usbguard allow-device"),
    ("not configured", lambda s, r: s.attribute("bConfigurationValue", ""), "allowed", "not configured", "another port"),
    ("no class descriptor", lambda s, r: s.device("1-2", 2, [r], without_descriptor(r)), "descriptor",
     "no class descriptor", "ccid-parse"),
    ("a class descriptor that is too short", lambda s, r: s.device("1-2", 2, [r], too_short(r)), "descriptor",
     "cannot be used", "ccid-parse"),
    ("no bulk endpoint", lambda s, r: s.device("1-2", 2, [r], no_bulk(r)), "descriptor", "a bulk endpoint is missing",
     "ccid-parse"),
    ("a token that has to be switched", lambda s, r: s.device(
        "1-2", 2, [], descriptors([r])[:8] + bytes.fromhex("460d8140") + descriptors([r])[12:18]
        + bytes([9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 8, 6, 80, 0])),
     "descriptor", "a program has to switch it", "Kobil_mIDentity_switch"),
    ("a listed device without a reader", lambda s, r: s.device(
        "1-2", 2, [], descriptors([r])[:18] + bytes([9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 3, 1, 1, 0])),
     "descriptor", "no interface has", "needs a driver of its maker"),
    ("not listed", lambda s, r: s.device("1-2", 2, [dict(r, idVendor="f1f1", idProduct="0001")]), "listed",
     "no driver in", "ccid-add-reader f1f1:0001"),
    ("not listed, and of the vendor's class", lambda s, r: (s.by_class(), s.device(
        "1-2", 2, [dict(r, idVendor="f1f1", idProduct="0001", bInterfaceClass="0xFF")])), "listed", "no driver in",
     "ccid-add-reader f1f1:0001"),
    ("not listed, and the entries of reader.conf are comments", lambda s, r: (s.by_class("#"), s.device(
        "1-2", 2, [dict(r, idVendor="f1f1", idProduct="0001")])), "listed", "no driver in", "ccid-add-reader f1f1:0001"),
    ("by its class, and that library is gone", lambda s, r: (s.by_class(), s.remove("usr/lib/serial/libccid-class.so"),
                                                             s.device("1-2", 2, [dict(r, idVendor="f1f1")])), "library",
     "libccid-class.so is not there", "reinstall"),
    ("by its class, and another program has it", lambda s, r: (
        s.by_class(), s.device("1-2", 2, [dict(r, idVendor="f1f1")]), s.interface_driver("usbfs"),
        s.process(700, "scdaemon", ["/dev/bus/usb/001/002"])), "holder", "scdaemon (process 700)", "disable-ccid"),
    ("its library is gone", lambda s, r: s.remove(DROP + "/ifd-ccid.bundle/Contents/Linux/libccid.so"), "library",
     "is not there", "reinstall"),
    ("its library is not a library", lambda s, r: s.write(DROP + "/ifd-ccid.bundle/Contents/Linux/libccid.so", "text"),
     "library", "does not load", "ldd"),
    ("its library is of another machine", lambda s, r: s.write(
        DROP + "/ifd-ccid.bundle/Contents/Linux/libccid.so", b"\x7fELF\x01\x02\x01" + bytes(200)), "library",
     "does not load", "reinstall"),
    ("a library that is not a driver", lambda s, r: s.link("/proc/self/exe", DROP + "/ifd-ccid.bundle/Contents/Linux/libccid.so"),
     "library", "does not load", "reinstall"),
    ("a library that is another one", lambda s, r: s.link(
        NO_DRIVER, DROP + "/ifd-ccid.bundle/Contents/Linux/libccid.so"), "library",
     "it has no IFDHCreateChannelByName", "reinstall"),
    ("another driver goes first, and its library is gone", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x" + r["idVendor"], "0x" + r["idProduct"], "Other")])), "library",
     "other.bundle", "reinstall"),
    ("a driver without the name of a library", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x" + r["idVendor"], "0x" + r["idProduct"], "Other")], executable="")), "library",
     "names no library", "reinstall"),
    ("a driver that says nothing of a library", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x" + r["idVendor"], "0x" + r["idProduct"], "Other")]).replace(
            "CFBundleExecutable", "CFBundleNothing")), "library", "names no library", "reinstall"),
    ("a name of a library that is too long", lambda s, r: s.foreign_driver(
        "other.bundle", small_plist([("0x" + r["idVendor"], "0x" + r["idProduct"], "Other")], executable="x" * 590)),
     "library", "names no library", "reinstall"),
    ("firmware that is too old", lambda s, r: s.device("1-2", 2, [
        dict(r, idVendor="058f", idProduct="9520", bcdDevice="1.00")]), "firmware", "refused as too old", "0x04"),
    ("no node", lambda s, r: s.remove(NODE[1:]), "node", "is not there", "container"),
    ("no group of pcscd", lambda s, r: s.write("etc/group", "root:x:0:\n"), "node", "no group", "groupadd"),
    ("no groups at all", lambda s, r: s.remove("etc/group"), "node", "no group", "groupadd"),
    ("no group of the service, whose line has no number", lambda s, r: s.write("etc/group", "pcscd:x\n"), "node",
     "not applied", "udevadm trigger"),
    ("no rules of udev", lambda s, r: (s.remove("usr/lib/udev/rules.d/92_pcscd_ccid.rules"), os.chmod(s.path(NODE[1:]), 0o600)),
     "node", "not installed", "install the driver again"),
    ("rules of udev are masked", lambda s, r: (s.write("etc/udev/rules.d/92_pcscd_ccid.rules", ""),
                                               os.chmod(s.path(NODE[1:]), 0o600)), "node", "masked", "rm /etc/udev"),
    ("rules of udev were not applied", lambda s, r: os.chmod(s.path(NODE[1:]), 0o600), "node", "not applied",
     "udevadm trigger"),
    ("the group may read only", lambda s, r: os.chmod(s.path(NODE[1:]), 0o640), "node", "mode 0640", "udevadm"),
    ("pcscd runs as a user without the group", lambda s, r: s.process(700, "pcscd", uid=54399), "node", "uid 54399",
     "udevadm"),
    ("rules of udev do not know a reader of class FF", lambda s, r: (
        s.device("1-2", 2, [dict(r, bInterfaceClass="0xFF", idVendor="f1f1", idProduct="0002")]),
        s.foreign_driver("local.bundle", small_plist([("0xF1F1", "0x0002", "Mine")],
                                                     executable="../../../ifd-ccid.bundle/Contents/Linux/libccid.so")),
        os.makedirs(s.path(DROP + "/local.bundle/Contents/Linux")), os.chmod(s.path(NODE[1:]), 0o600)),
     "node", "do not know this device", "ccid-add-reader f1f1:0002"),
    ("ccid-add-reader's rules do not know it either", lambda s, r: (
        s.device("1-2", 2, [dict(r, bInterfaceClass="0xFF", idVendor="f1f1", idProduct="0002")] * 2),
        s.foreign_driver("local.bundle", small_plist([("0xF1F1", "0x0002", "Mine")],
                                                     executable="../../../ifd-ccid.bundle/Contents/Linux/libccid.so")),
        s.write("etc/udev/rules.d/92_pcscd_ccid_local.rules", 'ATTR{idVendor}=="f1f1", ATTR{idProduct}=="0003"\n'),
        os.makedirs(s.path(DROP + "/local.bundle/Contents/Linux")), os.chmod(s.path(NODE[1:]), 0o600)),
     "node", "do not know this device", "ccid-add-reader f1f1:0002"),
    ("ccid-add-reader's rules know it", lambda s, r: (
        s.device("1-2", 2, [dict(r, bInterfaceClass="0xFF", idVendor="f1f1", idProduct="0002")]),
        s.foreign_driver("local.bundle", small_plist([("0xF1F1", "0x0002", "Mine")],
                                                     executable="../../../ifd-ccid.bundle/Contents/Linux/libccid.so")),
        s.write("etc/udev/rules.d/92_pcscd_ccid_local.rules", 'ATTR{idVendor}=="f1f1", ATTR{idProduct}=="0002"\n'),
        os.makedirs(s.path(DROP + "/local.bundle/Contents/Linux")), os.chmod(s.path(NODE[1:]), 0o600)),
     "node", "not applied", "udevadm trigger"),
    ("the rules know it by its ids", lambda s, r: (
        s.device("1-2", 2, [dict(r, bInterfaceClass="0xFF")]),
        s.write("etc/udev/rules.d/92_pcscd_ccid.rules",
                'ATTR{idVendor}=="08e6", ATTR{idProduct}=="3437", GROUP="pcscd"\n'), os.chmod(s.path(NODE[1:]), 0o600)),
     "node", "not applied", "udevadm trigger"),
    ("two interfaces of class 0B", lambda s, r: (s.device("1-2", 2, [r, dict(r, bInterfaceNumber="1")]),
                                                 os.chmod(s.path(NODE[1:]), 0o600)), "node", "not applied", "udevadm trigger"),
    ("an interface is handed out by usbip", lambda s, r: s.interface_driver("usbip-host"), "kernel", "handed out",
     "usbip unbind -b 1-2"),
    ("handed out by usbip", lambda s, r: s.link("../../../bus/usb/drivers/usbip-host", "sys/bus/usb/devices/1-2/driver"),
     "kernel", "handed out", "usbip unbind -b 1-2"),
    ("handed out by usbip, and not attached elsewhere", lambda s, r: (
        s.link("../../../bus/usb/drivers/usbip-host", "sys/bus/usb/devices/1-2/driver"),
        s.attribute("bConfigurationValue", "")), "kernel", "handed out", "usbip unbind -b 1-2"),
    ("a driver of the kernel, with libccid", lambda s, r: (
        s.interface_driver("pn533_usb"), s.plist(lambda t: t.replace("<string>ifd-ccid</string>",
                                                                     "<string>ifd-ccid.bundle</string>"))),
     "kernel", "pn533_usb", "modprobe -r pn533_usb"),
    ("scdaemon has it", lambda s, r: (s.interface_driver("usbfs"), s.process(800, "scdaemon", [NODE])), "holder",
     "scdaemon (process 800)", "disable-ccid"),
    ("a virtual machine has it", lambda s, r: (s.interface_driver("usbfs"), s.process(801, "qemu-system-x86", [NODE])),
     "holder", "qemu-system-x86", "virsh detach-device"),
    ("the daemon of an NFC stack has it", lambda s, r: (s.interface_driver("usbfs"), s.process(802, "neard", [NODE])),
     "holder", "neard", "systemctl disable --now neard"),
    ("an unknown program has it", lambda s, r: (s.interface_driver("usbfs"), s.process(803, "bank app", ["/x", NODE])),
     "holder", "bank app (process 803)", "ps -p 803"),
    ("a program that cannot be seen has it", lambda s, r: s.interface_driver("usbfs"), "holder", "cannot be seen", "lsof"),
    ("suspended, and does not come back", lambda s, r: (s.device("1-2", 2, [dict(r, idVendor="058f", idProduct="9520", bcdDevice="1.10")]),
                                                        s.attribute("power/control", "auto")), "power", "suspended",
     "echo on"),
    ("the kernel failed to wake it", lambda s, r: s.attribute("power/runtime_status", "error"), "power", "error",
     "plug it in again"),
    ("udev says PCSCLITE_IGNORE", lambda s, r: s.write("run/udev/data/c189:1", "I:1\nE:PCSCLITE_IGNORE=1\n"), "ignored",
     "PCSCLITE_IGNORE", "grep -r"),
    ("udev says so for the interface", lambda s, r: s.write("run/udev/data/+usb:1-2:1.0", "E:PCSCLITE_IGNORE=1\n"),
     "ignored", "PCSCLITE_IGNORE", "grep -r"),
    ("a filter in the running pcscd", lambda s, r: s.process(
        700, "pcscd", environment=f"A={SECRET}\0PCSCLITE_FILTER_IGNORE_READER_NAMES=x:PC Twin\0"), "ignored", "PC Twin",
     "systemctl edit"),
    ("a filter in a drop-in", lambda s, r: s.write(
        "etc/systemd/system/pcscd.service.d/local.conf",
        '[Service]\nEnvironment="PCSCLITE_FILTER_IGNORE_READER_NAMES=Gemalto"\n'), "ignored", "Gemalto", "systemctl edit"),
    ("a filter in /etc/default", lambda s, r: s.write(
        "etc/default/pcscd", "export PCSCLITE_FILTER_IGNORE_READER_NAMES='Twin'\n"), "ignored", "Twin", "/etc/default"),
    ("a filter in double quotes", lambda s, r: s.write(
        "etc/default/pcscd", 'PCSCLITE_FILTER_IGNORE_READER_NAMES="::Twin"\n'), "ignored", "Twin", "/etc/default"),
    ("pcscd is not installed", lambda s, r: (s.remove("usr/sbin/pcscd"), s.remove("run/pcscd")), "installed",
     "not installed", "apt install pcscd"),
    ("the socket unit is masked", lambda s, r: s.link("/dev/null", "etc/systemd/system/pcscd.socket"), "service",
     "pcscd.socket is masked", "unmask"),
    ("the service unit is masked", lambda s, r: s.link("/dev/null", "etc/systemd/system/pcscd.service"), "service",
     "pcscd.service is masked", "unmask"),
    ("nothing starts pcscd", lambda s, r: s.remove("run/pcscd"), "service", "nothing starts it", "enable --now"),
    ("without systemd, pcscd is not started", lambda s, r: (s.remove("run/systemd"), s.remove("run/pcscd")), "service",
     "nothing starts it", "service pcscd start"),
    ("pcscd died and left its socket", lambda s, r: s.remove("run/systemd"), "service", "does not run", "start"),
    ("the socket of pcscd is gone", lambda s, r: (s.process(700, "pcscd", [NODE]), s.remove("run/pcscd"), s.link(
        s.root, "proc/700/root")), "service", "is gone", "restart"),
    ("the socket of pcscd is gone, but not its folder", lambda s, r: (
        s.process(700, "pcscd", [NODE]), s.remove("run/pcscd/pcscd.comm"), s.link(s.root, "proc/700/root")), "service", "is gone",
     "restart"),
    ("no socket, and a pcscd that this user cannot look into", lambda s, r: (s.process(700, "pcscd"), s.remove("run/pcscd")),
     "service", "process 700 may be the pcscd of a container", "enable --now"),
    ("no socket, and a pcscd in a container without its folder", lambda s, r: (
        s.process(700, "pcscd"), s.write("proc/700/root/etc/hostname", ""), s.remove("run/pcscd")), "service",
     "process 700 may be the pcscd of a container", "enable --now"),
    ("a pcscd that this user cannot look into does not tell the user of the one here", lambda s, r: (
        s.process(700, "pcscd"), s.remove("run/pcscd"), os.chmod(s.path(NODE[1:]), 0o600)), "node", "not applied", "udevadm"),
    ("pcscd runs in a container", lambda s, r: (s.process(700, "pcscd", [NODE]), s.write("proc/700/root/run/pcscd/pcscd.comm", ""),
                                                s.remove("run/systemd")), "service", "does not run", "start"),
    ("pcscd runs in a container, and never ran here", lambda s, r: (
        s.process(700, "pcscd"), s.write("proc/700/root/run/pcscd/pcscd.comm", ""), s.remove("run/pcscd")), "service",
     "nothing starts it", "enable --now"),
    ("no users at all", lambda s, r: (s.remove("etc/passwd"), os.chmod(s.path(NODE[1:]), 0o666)), "service", "is not a user of this system",
     "systemd-sysusers"),
    ("pcscd's user does not exist", lambda s, r: (s.write("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
                                                  os.chmod(s.path(NODE[1:]), 0o666)), "service", "is not a user of this system",
     "systemd-sysusers"),
)

WELL = (
    ("good: pcscd is started when needed", lambda s, r: None),
    ("good: pcscd runs as its user", lambda s, r: s.process(700, "pcscd", [NODE], 54321, str(os.getgid()))),
    ("good: pcscd runs as root", lambda s, r: (os.chmod(s.path(NODE[1:]), 0o600), s.interface_driver("usbfs"),
                                               s.process(700, "pcscd", [NODE]))),
    ("good: scdaemon waits beside pcscd", lambda s, r: (s.process(700, "pcscd", [NODE]), s.interface_driver("usbfs"),
                                                        s.process(800, "scdaemon"))),
    ("good: not listed, and offered by its class", lambda s, r: (s.by_class(), s.device("1-2", 2, [dict(r, idVendor="f1f1")]))),
    ("good: a program looks at it", lambda s, r: s.process(803, "lsusb", [NODE])),
    ("good: pcscd runs, and its socket is the one here", lambda s, r: (s.process(700, "pcscd", [NODE]),
                                                                       s.link(s.root, "proc/700/root"))),
    ("good: pcscd runs from a folder of its own", lambda s, r: (s.process(700, "pcscd", [NODE]), s.remove("usr/sbin/pcscd"))),
    ("good: pcscd runs, though its unit is masked now", lambda s, r: (
        s.process(700, "pcscd", [NODE]), s.link("/dev/null", "etc/systemd/system/pcscd.service"))),
    ("good: a container without systemd, with the socket of the host", lambda s, r: (s.remove("usr/sbin/pcscd"),
                                                                                   s.remove("run/systemd"))),
    ("good: pcscd's status cannot be read", lambda s, r: (s.process(700, "pcscd", [NODE]), s.remove("proc/700/status"))),
    ("good: pcscd and a program that looks at it", lambda s, r: (s.process(700, "pcscd", [NODE]),
                                                                 s.process(803, "lsusb", [NODE]))),
    ("good: the device has the driver that all devices have", lambda s, r: s.link(
        "../../../bus/usb/drivers/usb", "sys/bus/usb/devices/1-2/driver")),
    ("good: two interfaces, a driver of the kernel has the first", lambda s, r: (
        s.device("1-2", 2, [r, dict(r, bInterfaceNumber="1")]), s.interface_driver("pn533_usb"))),
    ("good: two interfaces, only the second can be used", lambda s, r: s.device(
        "1-2", 2, [dict(r, bDescriptorType="0x99"), dict(r, bInterfaceNumber="1")])),
    ("good: pcscd's group is the first", lambda s, r: s.write("etc/group", f"pcscd:x:{s.group}:a,pcscd,b\nroot:x:0:\n")),
    ("good: pcscd's user is in very many groups", lambda s, r: s.write(
        "etc/group", f"pcscd:x:{s.group}:pcscd\n" + "".join(f"g{n}:x:{n + 70000}:pcscd\n" for n in range(100)))),
    ("good: udev knows nothing of it", lambda s, r: s.remove("run/udev")),
    ("good: udev knows its interface", lambda s, r: s.write("run/udev/data/+usb:1-2:1.0", "E:ID_BUS=usb\n")),
    ("good: it tells no name", lambda s, r: (s.attribute("manufacturer", ""), s.attribute("product", ""))),
    ("good: pcscd runs beside a driver whose list is damaged", lambda s, r: (
        s.process(700, "pcscd", [NODE]),
        s.foreign_driver("other.bundle", small_plist([("0x1", "0x2", "Other")]).replace("<string>0x2</string>", "")))),
    ("good: three drivers list it", lambda s, r: [
        s.foreign_driver(f"zz{n}.bundle", small_plist([("0x08E6", "0x3437", name)], name="CCIDCLASSDRIVER"))
        for n, name in enumerate(("Mine", "Other"))]),
    ("good: a driver without a name of it, while pcscd runs", lambda s, r: (
        s.process(700, "pcscd", [NODE]),
        s.foreign_driver("zz.bundle", small_plist([("0x08E6", "0x3437", "Mine")], name="CCIDCLASSDRIVER").replace(
            "<string>Mine</string>", "")))),
    ("good: a driver of nobody's ids, one of a library without a name", lambda s, r: (
        s.foreign_driver("zz.bundle", small_plist([("", "0x3437", "Mine"), ("0x08E6", "zz", "Other")])),
        s.foreign_driver("zzz.bundle", small_plist([("0x1", "0x2", "Other")]).replace("CFBundleName", "CFBundleIdentifier")),
        s.process(700, "pcscd", [NODE]))),
    ("good: a file beside the drivers, and a process that is not numbered", lambda s, r: (
        s.write(DROP + "/a-note-of-somebody", ""), s.write("proc/self-made/comm", "pcscd\n"))),
    ("good: a kernel driver that this driver detaches", lambda s, r: s.interface_driver("pn533_usb")),
    ("good: suspended when idle", lambda s, r: s.attribute("power/control", "auto")),
    ("good: a filter of other names", lambda s, r: s.write("etc/default/pcscd",
                                                           "PCSCLITE_FILTER_IGNORE_READER_NAMES=Yubi:ACS\n")),
    ("good: a damaged driver of another maker", lambda s, r: s.foreign_driver("other.bundle", "nothing")),
    ("good: two drivers list it", lambda s, r: (
        s.foreign_driver("zzz.bundle", small_plist([("0x08E6", "0x3437", "Mine")], name="CCIDCLASSDRIVER")))),
    ("good: old firmware that is allowed", lambda s, r: (
        s.device("1-2", 2, [dict(r, idVendor="058f", idProduct="9520", bcdDevice="1.00")]),
        s.plist(lambda t: t.replace("<key>ifdDriverOptions</key>\n\t<string>0x0000", "<key>ifdDriverOptions</key>\n\t<string>0x0004")))),
    ("good: a mouse beside it", lambda s, r: s.device("1-3", 3, [], descriptors([r])[:8] + bytes.fromhex("f1f10900")
                                                      + descriptors([r])[12:18]
                                                      + bytes([9, 2, 18, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 0, 3, 1, 2, 0]))),
    ("good: in a container with the socket of the host", lambda s, r: (s.remove("usr/sbin/pcscd"),)),
)


def situation(tap, name, breaks, row, step, text, cure):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        breaks(system, row)
        before = snapshot(folder)
        code, broken, said = diagnosis(folder)
        faults = []
        if (code, said["result"]) != (1, "broken") or [each["step"] for each in broken] != [step]:
            faults.append(f"exit code {code}, {said['findings']}")
        elif text not in broken[0]["text"] or cure not in broken[0]["cure"]:
            faults.append(str(broken[0]))
        if SECRET in json.dumps(said):
            faults.append("a secret is shown")
        if snapshot(folder) != before:
            faults.append("something was changed")
        plain = run(folder)
        if plain.returncode != 1 or not broken or "do this:    " + broken[0]["cure"] not in plain.stdout:
            faults.append("as text: " + plain.stdout + plain.stderr)
        tap.case(f"{step}: {name}", faults)


def snapshot(folder):
    return sorted((path, name, os.lstat(os.path.join(path, name)).st_mtime_ns, os.lstat(os.path.join(path, name)).st_mode)
                  for path, folders, files in os.walk(folder) for name in folders + files)


def well(tap, name, change, row):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        change(system, row)
        code, broken, said = diagnosis(folder)
        steps = [each["step"] for each in said["findings"]]
        tap.case(name, [] if code == 0 and not broken and steps == STEPS else [f"{code} {said['findings']}"])


# Name, the system, a step, a part of the remark that it makes though all is well, whether it does.
SCDAEMON = "usr/lib/gnupg/scdaemon"
HOME = "home/somebody"
REMARKS = (
    ("remark: persist is off", lambda s: s.attribute("power/persist", "0"), "power", "power/persist is 0", True),
    ("remark: persist is on", lambda s: s.attribute("power/persist", "1"), "power", "persist", False),
    ("remark: no scdaemon", lambda s: None, "holder", "scdaemon", False),
    ("remark: scdaemon is not configured", lambda s: s.write(SCDAEMON, ""), "holder", "disable-ccid in", True),
    ("remark: scdaemon's files say other things", lambda s: (
        s.write(SCDAEMON, ""), s.write("etc/gnupg/scdaemon.conf", "# disable-ccid\n\ndisable-ccid-x\nlog-file x\n"),
        s.write(HOME + "/.gnupg/scdaemon.conf", "")), "holder", "disable-ccid in", True),
    ("remark: disable-ccid for all users", lambda s: (
        s.write(SCDAEMON, ""), s.write("etc/gnupg/scdaemon.conf", "log-file x\n  disable-ccid\n")), "holder", "scdaemon", False),
    ("remark: disable-ccid for this user", lambda s: (
        s.write(SCDAEMON, ""), s.write(HOME + "/.gnupg/scdaemon.conf", "pcsc-shared\ndisable-ccid")), "holder", "scdaemon",
     False),
    ("remark: pcscd has the reader before scdaemon", lambda s: (
        s.write(SCDAEMON, ""), s.interface_driver("usbfs"), s.process(700, "pcscd", [NODE])), "holder", "scdaemon", False),
)


def remark(tap, row, name, change, step, text, wanted):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        change(system)
        code, _, said = diagnosis(folder)
        found = [each["text"] for each in said["findings"] if each["step"] == step]
        tap.case(name, [] if code == 0 and (text in found[0]) == wanted else [f"{code} {found}"])


def gnupg_home(tap, row):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        system.write(SCDAEMON, "")
        system.write("elsewhere/scdaemon.conf", "disable-ccid\n")
        os.environ["GNUPGHOME"] = "/elsewhere"
        _, _, said = diagnosis(folder)
        del os.environ["GNUPGHOME"]
        found = [each["text"] for each in said["findings"] if each["step"] == "holder"]
        tap.case("remark: disable-ccid in GNUPGHOME", [] if "scdaemon" not in found[0] else found)


def under_sudo(tap, row):
    """The person's own file counts under sudo, not root's."""
    users = "root:x:0:0:root:/root:/bin/sh\nbroken\nsomebody:x:1000:1000:A Person,,,:/%s:/bin/sh\nshort:x:1\n" % HOME
    for person, folder, wanted in (("somebody", HOME, False), ("somebody", "root", True), ("short", "root", False),
                                   ("nobody-known", "root", False), ("", "root", False)):
        with tempfile.TemporaryDirectory() as place:
            system = System(place, [row])
            system.write(SCDAEMON, "")
            system.write("etc/passwd", users)
            system.write(folder + "/.gnupg/scdaemon.conf", "disable-ccid\n")
            os.environ.update(HOME="/root", SUDO_USER=person)
            _, _, said = diagnosis(place)
            found = [each["text"] for each in said["findings"] if each["step"] == "holder"]
            tap.case(f"remark: sudo of {person or 'nobody'}, disable-ccid in /{folder}",
                     [] if ("disable-ccid in" in found[0]) == wanted else found)
    del os.environ["SUDO_USER"]
    os.environ["HOME"] = "/" + HOME


def every_reader(tap, table):
    """No false verdict on any listed reader: all interfaces of a device, as they are described, fifty on one bus."""
    with open(os.path.join(TOP, "readers", "supported_readers.txt"), encoding="utf-8") as file:
        sections = file.read().split("\n#: ")
    listed = {line[:9] for section in sections if section.split()[0] in ("supported", "should_work", "partly_working")
              for line in section.split("\n") if line[4:5] == ":"}
    devices = {}
    for row in table:
        devices.setdefault((row["dump"], row["idVendor"], row["idProduct"], row["bcdDevice"]), []).append(row)
    devices = list(devices.values())
    faults, old, fifty = [], 0, 50
    for start in range(0, len(devices), fifty):
        with tempfile.TemporaryDirectory() as folder:
            system = System(folder, [table[0]])
            system.remove("sys/bus/usb/devices/1-2")
            some = devices[start:start + fifty]
            for n, interfaces in enumerate(some):
                system.device(f"1-{n + 2}", n + 2, interfaces)
            broken = {each["port"]: each for each in diagnosis(folder)[1]}
            for n, interfaces in enumerate(some):
                ids = f"{interfaces[0]['idVendor']}:{interfaces[0]['idProduct']}"
                said = broken.pop(f"1-{n + 2}", {"step": None})
                old += said["step"] == "firmware"
                if said["step"] != (None if ids in listed else "listed") and said["step"] != "firmware":
                    faults.append(f"{interfaces[0]['dump']} {ids}: {said}")
            faults += list(broken.values())
    tap.case(f"every reader: no false verdict on {len(devices)} devices ({old} with firmware that is refused)", faults)
    tap.case("every reader: the table is whole", len(devices) > 600 and old < 20)


def several(tap, row):
    """Each reader has its own verdict; one that is named is the only one."""
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        system.device("1-4", 4, [dict(row, idVendor="f1f1", idProduct="0001")])
        code, broken, said = diagnosis(folder)
        tap.case("two readers: the broken one is blamed", code == 1 and [each["port"] for each in broken] == ["1-4"])
        tap.case("two readers: the other one is looked at to the end",
                 [each["step"] for each in said["findings"] if each["port"] == "1-2"][-1] == "ignored")
        code, broken, said = diagnosis(folder, f"{row['idVendor']}:{row['idProduct']}")
        tap.case("an id: only that reader", code == 0 and len(said["devices"]) == 1)
        code, broken, said = diagnosis(folder, "dead:beef")
        tap.case("an id that is not there", code == 1 and "dead:beef is not on the bus" in broken[0]["text"])
        system.attribute("product", "\033[31mred\x07", "1-4")
        tap.case("a device cannot control the terminal", "\033" not in run(folder).stdout)
        system.attribute("product", 'quote " and \\ and \xff', "1-4")
        tap.case("a device cannot break the JSON", bool(diagnosis(folder)))


def cannot_tell(tap, row):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        shutil.rmtree(system.path("sys"))
        code, broken, said = diagnosis(folder)
        tap.case("without /sys it cannot tell", (code, said["result"], broken) == (2, "unknown", []))
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        system.interface_driver("usbfs")
        system.process(700, "pcscd")
        code, broken, said = diagnosis(folder)
        tap.case("a holder that may not be seen: it cannot tell", (code, said["result"], broken) == (2, "unknown", []))


NAMES = ("\u00e9".encode(), "\u20ac \ud55c".encode(), "\U0001f600".encode(), b"\xc3(", b"\xe2\x28\xa1", b"\xe0\x80\x80", b"\xed\xa0\x80",
         b"\xf0\x80\x80\x80", b"\xf1\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"\xc2\x85", b"\xff", b"\x7f\x01", b"x" * 300,
         b"\xc2\xa9", b"\xc3\x80", b"\xe2\x82", b"\xe2\x82\xc0")


def unusual_reader_names(tap, row):
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        faults = []
        for name in NAMES:
            system.write("sys/bus/usb/devices/1-2/product", name + b"\n")
            shown = diagnosis(folder)[2]["devices"][0]["name"]
            try:
                good = name.decode() in shown or not name.decode().isprintable()
            except UnicodeDecodeError:
                good = "?" in shown
            if not good and len(name) < 100:
                faults.append(f"{name}: {shown}")
        tap.case("names of devices: UTF-8 is shown, other bytes are not", faults)


def unusual_devices(tap, row):
    """Descriptors that no device should have; a good reader beside them is found."""
    good = descriptors([row])
    face = good[18 + 9:]
    long_face = bytes([9, 4, 0, 0, 40, 11, 0, 0, 0]) + class_descriptor(row) + bytes([7, 5, 0x81, 2, 64, 0, 0]) * 40
    damaged = (b"", good[:10], good[:18], good[:18] + bytes(9), good[:18] + good[18:20] + b"\xff\xff" + good[22:],
               good[:18] + good[18:20] + b"\x09\x00" + good[22:], good[:27] + b"\x00\x00" + face, good[:27] + face[:9] + b"\xff\x21",
               good[:27] + bytes([8, 4, 0, 0, 0, 11, 0, 0]) + face, good[:27] + face[:3] + b"\x01" + face[4:],
               good[:27] + b"\x05\x24\x00\x00\x00" + face * 12, good[:27] + long_face, good[:27] + face + bytes([3, 5, 1]),
               good[:20] + struct.pack("<H", 9 + len(long_face)) + good[22:27] + long_face,
               good[:20] + struct.pack("<H", 9 + 9 * len(face)) + good[22:27] + face * 9,
               good[:27] + face[:9] + face[9 + face[9]:] + face[9:9 + face[9]] + bytes([3, 5, 1]), good[:23] + b"\x02" + good[24:] + good[18:], good[:27] + face[:5] + b"\x00" + face[6:])
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        for n, raw in enumerate(damaged):
            system.device(f"1-{n + 3}", n + 3, [], raw or b"\0")
        system.attribute("bConfigurationValue", "7", "1-4")
        for name in ("usb1", "1-2:1.0", "x" * 100 + "-1"):
            system.write(f"sys/bus/usb/devices/{name}/descriptors", good)
        code, _, said = diagnosis(folder)
        ports = [each["port"] for each in said["devices"]]
        tap.case("damaged descriptors: the good reader is found", code == 1 and "1-2" in ports and "usb1" not in ports)
        for n in range(80):
            system.device(f"2-{n + 2}", n + 2, [dict(row, idVendor="f1f1")])
        tap.case("more readers than are looked at", len(diagnosis(folder)[2]["devices"]) == 64)


def unusual_files(tap, row):
    """Files of the system as they may be found; a good reader stays well."""
    with tempfile.TemporaryDirectory() as folder:
        system = System(folder, [row])
        plain = small_plist([("zz", "0x3437", "No number"), ("0x1", "0x2", "")])
        system.foreign_driver("aaa.bundle", plain.replace("<key>CFBundleName</key><string>other</string>", ""))
        system.foreign_driver("no.plist.bundle", plain)
        os.remove(system.path(DROP + "/no.plist.bundle/Contents/Info.plist"))
        system.foreign_driver("y" * 200 + ".bundle", plain)
        system.foreign_driver("not-one", plain)
        system.write("etc/passwd", "broken\n\npcscd\npcscd:x\nroot:x:0:0::/:\npcscd:x:54321:54322::/:/bin/false\n")
        system.write("etc/group", f"broken\n\nx:y\nother:x:7:a,b,pcscd\npcscd:x:{system.group}:\n")
        system.write("etc/systemd/system/pcscd.service.d/a.conf",
                     "[Service]\n# Environment=IFDCCID_QUIRKS=bad\n  Environment='IFDCCID_QUIRKS=08e6:3437:no-ifsd'\nGroup=pcscd\n")
        code, _, said = diagnosis(folder)
        tap.case("unusual files: all is well", [] if code == 0 else [str(said["findings"])])
        tap.case("a quirk of pcscd's environment is known", "no-ifsd" in said["devices"][0]["quirks"])
        for user in ("root", "0"):
            system.write("etc/systemd/system/pcscd.service.d/a.conf", f"[Service]\nUser={user}\n")
            tap.case(f"pcscd as {user}", "which is root" in run(folder).stdout)
        system.process(700, "pcscd", [NODE], 54321, " ".join(str(n) for n in range(70000, 70100)))
        os.chmod(system.path(NODE[1:]), 0o666)
        system.write("proc/self-made/comm", "pcscd\n")
        tap.case("a process of very many groups", diagnosis(folder)[0] == 0)
        system.write("proc/700/environ", f"PCSCLITE_HP_DROPDIR=/{DROP}\0X=1\0")
        system.write("usr/sbin/pcscd", "PCSCLITE_HP_DROPDIR")
        done = subprocess.run([DOCTOR, "--root", folder, "-j"], capture_output=True, text=True, timeout=60, check=False)
        tap.case("pcscd's environment says where its drivers are", done.returncode == 0)
        # pcscd 1.9.9 does not know the variable: its own folder counts, whatever the environment says
        system.write("proc/700/environ", "PCSCLITE_HP_DROPDIR=/nowhere/drivers\0")
        for program, folder_counts in (("1\0\0PCSCLITE_\0HP_DROPDIR", False), ("\0\0PCSCLITE_HP_DROPDIR\0", True)):
            system.write("usr/sbin/pcscd", "\x7fELF" + program)
            done = subprocess.run([DOCTOR, "--root", folder, "-j"], capture_output=True, text=True, timeout=60, check=False)
            tap.case(f"the variable for pcscd's folder of drivers counts where pcscd has its name: {folder_counts}",
                     ("/nowhere/drivers" in done.stdout) == folder_counts)
        system.remove("usr/sbin/pcscd")
        system.write("proc/700/environ", f"PCSCLITE_HP_DROPDIR=/{DROP}\0X=1\0")
        for n in range(80):
            system.foreign_driver(f"many{n}.bundle", plain)
        tap.case("more drivers than anybody has", diagnosis(folder)[0] in (0, 1))
        for n in range(80):
            system.remove(f"{DROP}/many{n}.bundle")
        os.chmod(system.path(NODE[1:]), 0o660)
        owner = os.lstat(system.path(NODE[1:])).st_uid
        system.process(700, "pcscd", [NODE], owner or 54321, "")
        tap.case("pcscd owns the node, or may not open it", diagnosis(folder)[0] == (0 if owner else 1))
        if os.getuid() == 0:
            os.chown(system.path(NODE[1:]), 54321, -1)
            tap.case("pcscd owns the node, not being root", diagnosis(folder)[0] == 0)
            os.chmod(system.path(NODE[1:]), 0o060)
            tap.case("it owns the node, and may not open it", diagnosis(folder)[0] == 1)
            os.chmod(system.path(NODE[1:]), 0o660)
        for long in ("/" + "x" * 700, "/" + "x" * (590 - len(folder))):
            done = subprocess.run([DOCTOR, "--root", folder, "--dir", long], capture_output=True, text=True, timeout=60,
                                  check=False)
            tap.case(f"a folder of drivers with a name of {len(long)} bytes",
                     done.returncode == 1 and "no driver is in /xxx" in done.stdout)
        tap.case("a root that is not there", run(folder + "/no").returncode in (1, 2))
        tap.case("a root that is too long", run("/" + "x" * 700).returncode in (1, 2))


def on_a_terminal(root, environment):
    """What a terminal is shown."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("TERM", "NO_COLOR")}
    with subprocess.Popen([DOCTOR, "--root", root, "--dir", "/" + DROP], env={**env, **environment}, stdout=theirs) as process:
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 65536):
                said += piece
        except OSError:
            pass        # EIO: it has ended
        process.wait(60)
    os.close(ours)
    return said.decode(errors="replace")


def colours(tap, row):
    with tempfile.TemporaryDirectory() as folder:
        System(folder, [row])
        for environment, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({}, False),
                                      ({"TERM": "xterm", "NO_COLOR": "1"}, False)):
            said = on_a_terminal(folder, environment)
            tap.case(f"on a terminal, {environment}: {'colours' if coloured else 'no colours'}",
                     [] if "All is well" in said and ("\033[32mok" in said) == coloured else [said])


def folder_of_drivers(tap, row):
    """Without --dir: pcscd's variable counts where the machine itself is looked at, not a folder."""
    with tempfile.TemporaryDirectory() as folder:
        System(folder, [row])
        for own in (None, "", "/nowhere/drivers"):
            env = {name: value for name, value in os.environ.items() if name != "PCSCLITE_HP_DROPDIR"}
            env |= {} if own is None else {"PCSCLITE_HP_DROPDIR": own}
            for options in (["--root", folder], ["--root", "/", "dead:beef"], ["dead:beef"]):
                done = subprocess.run([DOCTOR, *options], capture_output=True, text=True, env=env, timeout=60, check=False)
                tap.case(f"{' '.join(options).replace(folder, 'FOLDER')}, the environment says {own}",
                         [] if done.returncode in (0, 1, 2) and "nowhere" not in done.stdout else [done.stdout + done.stderr])


def schema(tap, row):
    """What is printed has the fields of the schema, and no others."""
    with open(os.path.join(TOP, "doc", "ccid-doctor.schema.json"), encoding="utf-8") as file:
        rules = json.load(file)
    with tempfile.TemporaryDirectory() as folder:
        System(folder, [row])
        said = diagnosis(folder)[2]
    faults = [] if set(said) == set(rules["properties"]) == set(rules["required"]) else [str(sorted(said))]
    for name in ("devices", "findings"):
        item = rules["properties"][name]["items"]
        for each in said[name]:
            if set(each) != set(item["properties"]) or set(each) != set(item["required"]):
                faults.append(f"{name}: {sorted(each)}")
    steps = rules["properties"]["findings"]["items"]["properties"]["step"]["enum"]
    if steps[:len(STEPS)] != STEPS:
        faults.append(str(steps))
    tap.case("JSON is as doc/ccid-doctor.schema.json says", faults)


def main():
    tap = Tap()
    if not os.path.exists(DOCTOR):
        tap.skip("ccid-doctor", "it is not built")
        tap.finish()
    table = rows()
    row = next(each for each in table if each["dump"] == GEMPC)
    for name, breaks, step, text, cure in SITUATIONS:
        if name == "a library that is another one" and not os.path.exists(NO_DRIVER):
            tap.skip(name, "the stand-in for libpcsclite is not built")
            continue
        situation(tap, name, breaks, row, step, text, cure)
    for name, change in WELL:
        well(tap, name, change, row)
    os.environ["HOME"] = "/" + HOME
    os.environ.pop("GNUPGHOME", None)
    os.environ.pop("SUDO_USER", None)
    for each in REMARKS:
        remark(tap, row, *each)
    gnupg_home(tap, row)
    under_sudo(tap, row)
    several(tap, row)
    cannot_tell(tap, row)
    unusual_reader_names(tap, row)
    unusual_devices(tap, row)
    unusual_files(tap, row)
    colours(tap, row)
    folder_of_drivers(tap, row)
    schema(tap, row)
    every_reader(tap, table)
    tap.finish()


if __name__ == "__main__":
    main()
