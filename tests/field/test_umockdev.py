#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A recording (ccidlog(5)) played by umockdev, which is independent of this project: the recording is converted to the
description of a device and a capture in usbmon's format, and a client of libusb sends the recorded commands. Each
answer must be as recorded."""

import ctypes
import glob
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "check"))
from tap import Tap  # noqa: E402

BUS, DEVICE = 1, 2
SYSFS = "/devices/pci0000:00/0000:00:14.0/usb1/1-1"
INTERRUPT, BULK = 1, 3
ROOM = 512


class Recording:
    def __init__(self, path):
        self.device = self.configuration = b""
        self.strings, self.lines = {}, []
        head = True
        with open(path, encoding="ascii") as text:
            for line in text:
                line = re.sub(r" \([0-9.]+\)$", "", line.rstrip("\n"))
                if not line or line.startswith("#"):
                    continue
                word, _, rest = line.partition(" ")
                if head and word in ("device", "configuration"):
                    setattr(self, word, bytes.fromhex(rest))
                elif head and word == "string":
                    number, _, value = rest.partition(" ")
                    self.strings[int(number)] = value
                elif line == "begin":
                    head = False
                elif not head:
                    self.lines.append((word, rest))

    def descriptors(self):
        """The interfaces: number, class, subclass, protocol, endpoints."""
        at, faces = 0, []
        while at + 2 <= len(self.configuration) and self.configuration[at] >= 2:
            d = self.configuration[at:at + self.configuration[at]]
            if d[1] == 4:
                faces.append((d[2], d[5], d[6], d[7], []))
            elif d[1] == 5:
                faces[-1][4].append((d[2], d[3] & 3))
            at += d[0]
        return faces


def properties(pairs):
    return "".join(f"E: {name}={value}\n" for name, value in pairs)


def attributes(pairs):
    return "".join(f"A: {name}={value}\\n\n" for name, value in pairs)


def describe(recording):
    d = recording.device
    vendor, product, bcd = struct.unpack_from("<HHH", d, 8)
    raw = (d + recording.configuration).hex().upper()
    text = f"P: {SYSFS}\nN: bus/usb/{BUS:03}/{DEVICE:03}={raw}\n"
    text += properties((("DEVNAME", f"/dev/bus/usb/{BUS:03}/{DEVICE:03}"), ("DEVTYPE", "usb_device"),
                        ("SUBSYSTEM", "usb"), ("DRIVER", "usb"), ("BUSNUM", f"{BUS:03}"), ("DEVNUM", f"{DEVICE:03}"),
                        ("MAJOR", 189), ("MINOR", DEVICE - 1), ("PRODUCT", f"{vendor:x}/{product:x}/{bcd:x}"),
                        ("ID_VENDOR_ID", f"{vendor:04x}"), ("ID_MODEL_ID", f"{product:04x}")))
    text += attributes((("idVendor", f"{vendor:04x}"), ("idProduct", f"{product:04x}"), ("bcdDevice", f"{bcd:04x}"),
                        ("busnum", BUS), ("devnum", DEVICE), ("speed", 12), ("bConfigurationValue", 1),
                        ("bNumConfigurations", 1), ("bDeviceClass", f"{d[4]:02x}"),
                        ("bNumInterfaces", f"{recording.configuration[4]:2}"),
                        ("manufacturer", recording.strings.get(d[14], "")),
                        ("product", recording.strings.get(d[15], ""))))
    text += f"H: descriptors={raw}\n\n"
    for number, kind, sub, protocol, _ in recording.descriptors():
        text += f"P: {SYSFS}/1-1:1.{number}\n"
        text += properties((("DEVTYPE", "usb_interface"), ("SUBSYSTEM", "usb"),
                            ("INTERFACE", f"{kind}/{sub}/{protocol}"), ("PRODUCT", f"{vendor:x}/{product:x}/{bcd:x}")))
        text += attributes((("bInterfaceNumber", f"{number:02x}"), ("bInterfaceClass", f"{kind:02x}"),
                            ("bInterfaceSubClass", f"{sub:02x}"), ("bInterfaceProtocol", f"{protocol:02x}"),
                            ("bAlternateSetting", " 0"))) + "\n"
    text += "P: /devices/pci0000:00/0000:00:14.0/usb1\nN: bus/usb/001/001\n"
    text += properties((("DEVTYPE", "usb_device"), ("SUBSYSTEM", "usb"), ("BUSNUM", "001"), ("DEVNUM", "001"),
                        ("MAJOR", 189), ("MINOR", 0)))
    text += attributes((("idVendor", "1d6b"), ("idProduct", "0002"), ("busnum", 1), ("devnum", 1), ("speed", 480),
                        ("bConfigurationValue", 1)))
    return text


class Capture:
    """pcapng with the headers of usbmon (LINKTYPE_USB_LINUX_MMAPPED)."""

    def __init__(self):
        self.urb, self.time = 0x1000, 0
        self.out = [self.block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
                    self.block(1, struct.pack("<HHI", 220, 0, 0))]

    @staticmethod
    def block(kind, body):
        body += b"\0" * (-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    def packet(self, kind, xfer, endpoint, data, length, urb):
        self.time += 100
        header = struct.pack("<QBBBBHBBqiiII8sIIII", urb, ord(kind), xfer, endpoint, DEVICE, BUS, ord("-"),
                             0 if data else ord("<" if endpoint & 0x80 else ">"), self.time // 1000000,
                             self.time % 1000000, -115 if kind == "S" else 0, length, len(data), b"\0" * 8, 0, 0, 0, 0)
        body = header + data
        self.out.append(self.block(6, struct.pack("<IIIII", 0, 0, self.time, len(body), len(body)) + body))


def ends(recording):
    """Addresses of the first reader's endpoints, by their names in a recording."""
    face = [f for f in recording.descriptors() if f[1] in (0x0B, 0xFF)][0]
    return {("int" if kind == 3 else "<-" if address & 0x80 else "->"): address for address, kind in face[4]}


def talk(recording):
    """The transfers: kind and bytes."""
    command = 0
    for word, rest in recording.lines:
        if word in ("->", "<-", "int") and re.fullmatch("[0-9A-Fs ]+", rest):
            command = (command + (word == "->")) & 0xFF
            yield word, bytes.fromhex(rest.replace("ss", f"{command:02X}"))


def capture(recording):
    c, address = Capture(), ends(recording)
    for urb, (word, data) in enumerate(talk(recording), 0x1000):
        kind = INTERRUPT if word == "int" else BULK
        sent = data if word == "->" else b""
        c.packet("S", kind, address[word], sent, len(sent) or ROOM, urb)
        c.packet("C", kind, address[word], b"" if sent else data, len(data), urb)
    return b"".join(c.out)


def play(recording):
    """The client: returns the faults."""
    usb, context, address = ctypes.CDLL("libusb-1.0.so.0"), ctypes.c_void_p(), ends(recording)
    usb.libusb_open_device_with_vid_pid.restype = ctypes.c_void_p
    if usb.libusb_init(ctypes.byref(context)):
        return "libusb does not start"
    handle = usb.libusb_open_device_with_vid_pid(context, *struct.unpack_from("<HH", recording.device, 8))
    if not handle or usb.libusb_claim_interface(ctypes.c_void_p(handle), recording.descriptors()[0][0]):
        return "the reader cannot be opened"
    for number, (word, data) in enumerate(talk(recording)):
        buffer, done = ctypes.create_string_buffer(data if word == "->" else ROOM, ROOM), ctypes.c_int()
        transfer = usb.libusb_interrupt_transfer if word == "int" else usb.libusb_bulk_transfer
        rc = transfer(ctypes.c_void_p(handle), ctypes.c_ubyte(address[word]), buffer,
                      len(data) if word == "->" else ROOM, ctypes.byref(done), 3000)
        if rc or done.value != len(data) or buffer.raw[:done.value] != data:
            return f"transfer {number}: {word} {data.hex()}: {rc}, {buffer.raw[:done.value].hex()}"
    return ""


def played(recording, path, folder):
    """umockdev plays a recording, and the client sends its commands. Returns a list of faults."""
    with open(folder + "/device", "w", encoding="ascii") as out:
        out.write(describe(recording))
    with open(folder + "/capture", "wb") as out:
        out.write(capture(recording))
    run = subprocess.run(["umockdev-run", "-d", folder + "/device", "-p", f"/sys{SYSFS}={folder}/capture", "--",
                          sys.executable, __file__, "--play", path], capture_output=True, text=True, timeout=60,
                         check=False)
    return [] if run.returncode == 0 else [run.stdout.strip() or run.stderr[-300:]]


def main():
    if sys.argv[1:2] == ["--play"]:
        why = play(Recording(sys.argv[2]))
        print(why)
        sys.exit(bool(why))
    tap = Tap()
    if not shutil.which("umockdev-run"):
        tap.skip("umockdev plays recordings", "umockdev is not installed")
        tap.finish()
        return
    recordings = sys.argv[1:] or sorted(glob.glob(os.path.join(TOP, "tests", "field", "recordings", "*.ccidlog")))
    with tempfile.TemporaryDirectory() as folder:
        for path in recordings:
            recording = Recording(path)
            tap.case(f"umockdev plays {os.path.basename(path)}: {sum(1 for _ in talk(recording))} transfers",
                     played(recording, path, folder))
        other = folder + "/other.ccidlog"
        with open(recordings[0], encoding="ascii") as text, open(other, "w", encoding="ascii") as out:
            out.write(text.read().replace(" ss 00 00 00 3B", " ss 00 00 00 3F", 1))
        found = played(Recording(recordings[0]), other, folder)
        tap.case("an answer that is not the recorded one is found", bool(found))
    tap.finish()


if __name__ == "__main__":
    main()
