#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ccid-trace: logs of every shape become captures, captures become logs, and no secret goes through."""

import os
import struct
import subprocess
import sys
import time

TOP = os.environ.get("top_srcdir", os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, os.path.join(TOP, "tests", "check"))
from tap import Tap  # noqa: E402

BUILD = os.environ.get("abs_top_builddir", os.getcwd())
TRACE = os.path.join(BUILD, "ccid-trace")
NAME = "usb:08e6/3437:libudev:0:/dev/bus/usb/001/002"


def run(data, *options):
    """Exit code, output, messages."""
    done = subprocess.run([TRACE, *options], input=data, capture_output=True, check=False)
    return done.returncode, done.stdout, done.stderr.decode()


def ours(arrow, text, micros=100, lun=0):
    return f"{micros:08d} [139911] {NAME} (lun {lun}): {arrow} {text}\n"


def packets(capture):
    """(usb header, data, whole length) of each packet of a little-endian pcapng."""
    at = 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        assert length % 4 == 0 and length >= 12 and capture[at + length - 4:at + length] == capture[at + 4:at + 8]
        if kind == 6:
            here, whole = struct.unpack_from("<II", capture, at + 20)
            body = capture[at + 28:at + 28 + here]
            yield body[:64], body[64:], whole - 64
        at += length


def messages(capture):
    """The CCID messages among the packets: bulk (3) and interrupt (1) transfers."""
    return [(head[10], data.hex().upper(), whole) for head, data, whole in packets(capture) if head[9] in (1, 3)]


SELECT = "6F 07 00 00 00 00 05 00 00 00 00 A4 02 0C 02 2F 00"
DONE = "80 02 00 00 00 00 05 00 00 00 90 00"
VERIFY = "6F 0D 00 00 00 00 06 00 00 00 00 20 00 01 08 31 32 33 34 FF FF FF FF"
PAIR = [(0x02, SELECT.replace(" ", ""), 17), (0x82, DONE.replace(" ", ""), 12)]


def shapes(tap):
    wrapped = SELECT[:30] + "\n    " + SELECT[30:]
    texts = {
        "this driver's log": ours("->", SELECT) + ours("<-", DONE),
        "libccid's log": f"00000007 -> 000000 {SELECT} \n00004123 <- 000000 {DONE} \n",
        "libccid's log with thread "
        "ids": f"00000007 [140213] -> 000000 {SELECT} \n00000012 [140213] <- 000000 {DONE} \n",
        "a log without times": f"-> 000000 {SELECT}\n<- 000000 {DONE}\n",
        "a log that a mail quotes": f"> 00000007 -> 000000 {SELECT}\n> 00000007 <- 000000 {DONE}\n",
        "an indented log": f"    00000007 -> 000000 {SELECT}\n\t00000007 <- 000000 {DONE}\n",
        "a wrapped log": f"00000007 -> 000000 {wrapped}\n00000001 <- 000000 {DONE}\n",
        "a log of the journal": f"Nov 26 12:00:01 host pcscd[77]: 00000007 -> 000000 {SELECT}\n"
                                f"Nov 26 12:00:01 host pcscd[77]: 00000007 <- 000000 {DONE}\n",
        "a log copied from a web page": f"00000007 -&gt; 000000 {SELECT}\n00000007 &lt;- 000000 {DONE}\n",
        "a coloured log": f"\033[34m00000007 -> 000000 {SELECT} \033[0m\n\033[34m00000007 <- 000000 {DONE} \033[0m\n",
        "lines ended by CR and LF": f"00000007 -> 000000 {SELECT}\r\n00000007 <- 000000 {DONE}\r\n",
        "lower case": f"00000007 -> 000000 {SELECT.lower()}\n00000007 <- 000000 {DONE.lower()}\n",
        "no newline at the end": f"00000007 -> 000000 {SELECT}\n00000007 <- 000000 {DONE}",
        "other lines between": f"00000001 ifdhandler.c:77:X() device: {NAME}\n00000007 -> 000000 {SELECT}\n"
                               f"00000001 winscard.c:1:Y() Active Contexts: 1\n00000007 <- 000000 {DONE}\n",
    }
    for name, text in texts.items():
        code, out, err = run(text.encode())
        tap.case(f"{name} becomes a capture", [] if code == 0 and messages(out) == PAIR else [err,
            str(messages(out))])


def times(tap):
    text = f"00000007 -> 000000 {SELECT}\n00000100 remark\n00004123 <- 000000 {DONE}\n"
    heads = [head for head, _, _ in packets(run(text.encode())[1]) if head[9] == 3]
    stamps = [struct.unpack_from("<qi", head, 16) for head in heads]
    tap.case("times are the sum of all lines' times", stamps == [(0, 7), (0, 4230)])


def long_messages(tap):
    body = bytes(range(256)) * 2
    whole = bytes([0x6F]) + struct.pack("<I", len(body)) + bytes([0, 9, 0, 0, 0]) + body
    text = ""
    for at in range(0, len(whole), 256):
        piece = whole[at:at + 256].hex(" ").upper()
        text += ours("->", f"+{at} {piece}" if at else piece)
    tap.case("a message of several lines is one message", messages(run(text.encode())[1]) ==
             [(0x02, whole.hex().upper(), len(whole))])
    text = ours("->", "6F 0D 00 00 00 00 06 00 00 00") + ours("->", "13 more bytes, not shown")
    tap.case("what the log did not show is known to be missing",
             messages(run(text.encode())[1]) == [(0x02, "6F0D0000000006000000", 23)])
    code, _, err = run(ours("->", SELECT[:-6]).encode())
    tap.case("a message that ends too early is reported", code == 0 and "1 messages are not whole" in err)


def secrets(tap):
    pin = "31 32 33 34"
    t1 = "6F 11 00 00 00 00 06 00 00 00 00 00 0D 00 20 00 01 08 31 32 33 34 FF FF FF FF 20"
    block = bytes.fromhex(t1)[10:]
    edc = 0
    for byte in block[:-1]:
        edc ^= byte
    t1 = t1[:-2] + f"{edc:02X}"
    for name, message in (("VERIFY", VERIFY), ("VERIFY in a T=1 block", t1)):
        text = f"00000007 -> 000000 {message}\n00000007 <- 000000 {DONE}\n".encode()
        capture = run(text)[1]
        shown = [run(text, "-l")[1], run(text, "-a")[1], run(text, "-s")[1], run(capture)[1], run(capture, "-a")[1]]
        tap.case(f"{name}: the PIN is in no output", bytes.fromhex(pin) not in capture and
                 not [s for s in shown if pin.encode() in s or b"31323334" in s])
    for name, header in (("PUT KEY", "80 D8 01 81"), ("PUT KEY with a MAC", "84 D8 01 81"), ("key import", "00 DB 3F FF")):
        key = f"6F 09 00 00 00 00 06 00 00 00 {header} 04 {pin}"
        capture = run(f"00000007 -> 000000 {key}\n00000007 <- 000000 {DONE}\n".encode())[1]
        tap.case(f"{name}: the key is in no output", bytes.fromhex(pin) not in capture and b"1234" not in capture)
    os.environ["IFDCCID_LOG_SECRETS"] = "1"
    tap.case("unless it is asked for", pin.encode() in run(f"-> 000000 {VERIFY}\n".encode(), "-l")[1])
    del os.environ["IFDCCID_LOG_SECRETS"]


def captures(tap):
    text = (ours("->", SELECT) + ours("<-", DONE)).encode()
    capture = run(text)[1]
    first = run(capture)[1]
    tap.case("a capture becomes the log again", first.decode().count(" -> 6F 07 ") == 1 and b"<- 80 02" in first)
    tap.case("log, capture, log: the same", run(run(first, "-w")[1])[1] == first)
    wrong = []
    for cut in range(1, len(capture) - 1, 7):
        code, _, err = run(capture[:cut])
        if code not in (0, 1, 2) or (code == 2 and ", byte " not in err and "holds no" not in err):
            wrong.append(f"{cut}: {code} {err}")
    tap.case("a capture that is cut anywhere is reported with the place", wrong)
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 220)
    for head, data, _ in packets(capture):
        pcap += struct.pack("<IIII", 0, 0, 64 + len(data), 64 + len(data)) + head + data
    tap.case("a pcap file is read as well", run(pcap)[1] == first)
    bare = pcap[:24] + b"".join(struct.pack("<IIII", 0, 0, 64 + len(d), 64 + len(d)) + h + d
                                for h, d, _ in packets(capture) if h[9] == 3)
    tap.case("without descriptors, CCID messages are known by their look", b"-> 6F 07" in run(bare)[1])
    code, _, err = run(struct.pack("<III", 0x0A0D0D0A, 28, 0x1A2B3C4D) + b"\0" * 12 + struct.pack("<III", 28, 1,
        0xFFFFFFF0))
    tap.case("an impossible block length is refused", code == 2 and "impossible length" in err)


def dialogue(tap):
    text = (f"00000007 -> 000000 {SELECT}\n00012000 <- 000000 {DONE}\n"
            "00000007 -> 000000 6F 05 00 00 00 00 07 00 00 00 00 CA 5F 52 00\n"
            "00000007 <- 000000 80 00 00 00 00 00 07 80 02 00\n"
            "00000007 <- 000000 80 00 00 00 00 00 07 40 FE 00\n").encode()
    out = run(text, "--apdu")[1].decode()
    tap.case("--apdu names commands and status words", "SELECT" in out and "90 00  done (12.000 ms)" in out)
    tap.case("--apdu names errors and time extensions", "bError FE (card mute)" in out and "1 time extensions" in out)
    blocks = ("00000007 -> 000000 6F 09 00 00 00 00 05 00 00 00 00 60 05 00 A4 02 0C 02 CD\n"
              "00000007 <- 000000 80 04 00 00 00 00 05 00 00 00 00 90 00 90\n"
              "00000007 -> 000000 6F 06 00 00 00 00 06 00 00 00 00 00 02 2F 00 2D\n"
              "00000007 <- 000000 80 06 00 00 00 00 06 00 00 00 00 00 02 90 00 92\n").encode()
    out = run(blocks, "--apdu")[1].decode()
    tap.case("--apdu puts T=1 blocks together", "> 00 A4 02 0C 02 2F 00  SELECT" in out and "< 90 00" in out)
    out = run(text, "--summary")[1].decode()
    tap.case("--summary counts", "slot 0: 2 commands" in out and "bError FE (card mute): 1" in out and
             "1 time extensions" in out and "12.000 ms at 0.000007 s: PC_to_RDR_XfrBlock" in out)


def big_endian(capture):
    """The same pcapng in the other byte order: block heads and usb headers turned, data as it is."""
    def turn(fmt, data):
        return struct.pack(">" + fmt, *struct.unpack("<" + fmt, data))
    out, at = b"", 0
    while at < len(capture):
        kind, length = struct.unpack_from("<II", capture, at)
        body = capture[at + 8:at + length - 4]
        if kind == 0x0A0D0D0A:
            body = turn("IHHq", body)
        elif kind == 1:
            body = turn("HHI", body[:8]) + turn("HH", body[8:12]) + body[12:]
        else:
            head = turn("IIIII", body[:20])
            usb = body[20:84]
            usb = turn("Q", usb[:8]) + usb[8:12] + turn("H", usb[12:14]) + usb[14:16] + turn("qiiII", usb[16:40]) + \
                usb[40:48] + turn("iiII", usb[48:64])
            body = head + usb + body[84:]
        out += struct.pack(">II", kind, length) + body + struct.pack(">I", length)
        at += length
    return out


def foreign_captures(tap):
    text = (ours("->", SELECT) + ours("<-", DONE) + ours("<-", "50 03")).encode()
    capture = run(text)[1]
    log = run(capture)[1]
    tap.case("the interrupt pipe is kept", b"<- 50 03" in log)
    tap.case("a capture of a big-endian machine", run(big_endian(capture))[1] == log)
    old = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 189)
    for head, data, _ in packets(capture):
        old += struct.pack("<IIII", 0, 0, 48 + len(data), 48 + len(data)) + head[:48] + data
    tap.case("headers of 48 bytes", run(old)[1] == log)
    tap.case("pcap of a big-endian machine", run(struct.pack(">IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 9, 220))[0] == 1)
    other = struct.pack("<III", 5, 16, 0) + struct.pack("<I", 16)
    tap.case("blocks of other kinds are passed over", run(capture + other)[1] == log)
    simple = capture[:28] + struct.pack("<IIHHI", 1, 20, 220, 0, 0) + struct.pack("<I", 20)
    for head, data, _ in packets(capture):
        pad = b"\0" * (-len(data) % 4)
        length = 16 + 64 + len(data) + len(pad)
        simple += struct.pack("<III", 3, length, 64 + len(data)) + head + data + pad + struct.pack("<I", length)
    tap.case("simple packet blocks", b"-> 6F 07" in run(simple)[1])
    for name, block in (("names no interface", struct.pack("<IIIIIIII", 6, 32, 9, 0, 0, 0, 0, 32)),
                        ("is too short", struct.pack("<IIII", 6, 16, 0, 16)),
                        ("interface that is too short", struct.pack("<IIII", 1, 16, 0, 16)[:8] + b"\0\0\0\0" +
                            struct.pack("<I", 16))):
        tap.case("a block that " + name, run(capture + block)[0] in (0, 2))
    tap.case("65 interfaces are refused", run(capture[:28] + (struct.pack("<IIHHI", 1, 20, 220, 0, 0) +
                                                               struct.pack("<I", 20)) * 65)[0] == 2)
    ether = capture[:28] + struct.pack("<IIHHI", 1, 20, 1, 0, 0) + struct.pack("<I", 20) + capture[28:]
    tap.case("a link that is not USB is passed over", run(ether)[0] in (0, 1))


def usb_packet(kind, xfer, endpoint, data=b"", setup=None, device=7, urb=1, bus=1):
    head = struct.pack("<QBBBBHBB", urb, ord(kind), xfer, endpoint, device, bus, 0 if setup else 0x2D, 0) + \
        struct.pack("<qiiII", 0, 5, 0, len(data), len(data)) + (setup or b"\0" * 8) + b"\0" * 16
    return struct.pack("<IIII", 0, 0, 64 + len(data), 64 + len(data)) + head + data


def devices_of_a_capture(tap):
    start = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 220)
    device = bytes.fromhex("120100020000004008e637340102010203 01".replace(" ", ""))
    hid = bytes.fromhex("0904000001030000 00".replace(" ", "")) + bytes.fromhex("07058403080010")
    ccid = bytes.fromhex("0904010003 0b000000".replace(" ", "")) + bytes([54, 0x21]) + b"\1" * 52 + \
        bytes.fromhex("07050102400000") + bytes.fromhex("07058202400000") + bytes.fromhex("07058303080010")
    config = bytes.fromhex("0902000002010080 32".replace(" ", "")) + hid + ccid
    ask = [bytes.fromhex("8006000100001200"), bytes.fromhex("800600020000ff00"), bytes.fromhex("2101000000000000")]
    select = bytes.fromhex(SELECT.replace(" ", ""))
    long = bytes.fromhex("6FF4010000000500 0000".replace(" ", "")) + b"\x11" * 500
    pcap = start
    for setup, answer in ((ask[0], device), (ask[1], config[:9]), (ask[1], config), (ask[2], b"")):
        pcap += usb_packet("S", 2, 0x80, b"", setup) + usb_packet("C", 2, 0x80, answer)
    pcap += usb_packet("S", 3, 0x01, select) + usb_packet("S", 3, 0x05, select) + usb_packet("C", 1, 0x83,
        b"\x50\x03")
    pcap += usb_packet("C", 1, 0x84, b"\0\0\4") + usb_packet("S", 3, 0x01, long[:64]) + usb_packet("S", 3, 0x01,
        long[64:])
    pcap += usb_packet("S", 1, 0x01) + usb_packet("E", 3, 0x01, select)
    out = run(pcap)[1].decode()
    tap.case("interfaces of class 0B count, other endpoints do not", out.count("-> 6F") == 2 and
        out.count("<- 50 03") == 1)
    tap.case("the device's ids and interface name the reader", "usb:e608/3437:libusb-1.0:1:7:1 " in out or
        "libusb-1.0:1:7:1 " in out)
    tap.case("a message in two transfers is one", "-> +256 11" in out)
    many = start + b"".join(usb_packet("S", 3, 1, select, device=i % 128) for i in range(300))
    tap.case("many devices", run(many)[0] == 0)
    tap.case("with --apdu and --summary too", run(pcap, "-a")[0] == 0 and run(pcap, "-s")[0] == 0)
    bent = start + usb_packet("C", 2, 0x80, config) + usb_packet("S", 3, 1, b"\x6F\1") + usb_packet("S", 3, 1,
        b"\0" * 20)
    tap.case("a transfer that is not a message is passed over", run(bent)[0] == 1)


PCAP = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 220)
SECTION = struct.pack("<IIIIqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, -1, 28)
INTERFACE = struct.pack("<IIHHII", 1, 20, 220, 0, 0, 20)


def unusual_captures(tap):
    """Captures that are damaged, of other kinds, and of devices that describe themselves badly."""
    select = bytes.fromhex(SELECT.replace(" ", ""))
    sent = usb_packet("S", 3, 1, select)
    for magic in (0xA1B23C4D, 0xA1B2C3D4):
        for order in "<>":
            start = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, 220)
            good = order == "<"
            tap.case(f"pcap {magic:08X} of a {'little' if good else 'big'}-endian machine",
                     run(start)[0] == 1 and (not good or b"-> 6F 07" in run(start + sent)[1]))
    for name, data, why in (("a magic number alone", PCAP[:4], "too short"), ("half a header", PCAP[:20], "inside of its header"),
                            ("half a packet", PCAP + sent[:-3], "inside of a packet"),
                            ("a packet of 4 GB", PCAP + struct.pack("<IIII", 0, 0, 0xFFFFFFFF, 0xFFFFFFFF), "impossible length"),
                            ("a block of 8 bytes", SECTION + struct.pack("<III", 5, 8, 8), "impossible length"),
                            ("a block of 17 bytes", SECTION + struct.pack("<III", 5, 17, 8) + b"\0" * 8, "impossible length"),
                            ("a packet that is longer than its block", SECTION + INTERFACE + struct.pack(
                                "<IIIIIIII", 6, 32, 0, 0, 0, 1, 1, 32), "a length that is not there")):
        code, _, err = run(data)
        tap.case(f"{name}: exit code 2, and why", code == 2 and why in err)
    simple = struct.pack("<IIII", 3, 16, 0, 16)
    tap.case("simple packets without an interface, and of no length",
             run(SECTION + simple)[0] == 1 and run(SECTION + INTERFACE + struct.pack("<III", 3, 12, 12) + simple)[0] == 1)
    tap.case("a packet that is shorter than its header", run(PCAP + struct.pack("<IIII", 0, 0, 40, 40) + b"\0" * 40 + sent)[0] == 0)
    lying = bytearray(sent)
    lying[16 + 36:16 + 40] = struct.pack("<I", 9999)
    tap.case("a packet that tells more than it has", b"-> 6F 07" in run(PCAP + bytes(lying))[1])
    for kind in (0x60, 0x64, 0x66, 0x67, 0x68, 0x70, 0x74):
        tap.case(f"{kind:02X} is not a command", run(PCAP + usb_packet("S", 3, 1, bytes([kind]) + b"\0" * 9))[0] == 1)
    tap.case("7F and 85 are not answers", run(PCAP + usb_packet("C", 3, 0x82, b"\x7F" + b"\0" * 9)
                                             + usb_packet("C", 3, 0x82, b"\x85" + b"\0" * 9))[0] == 1)
    tap.case("without descriptors, interrupts are passed over", run(PCAP + usb_packet("C", 1, 0x83, b"\x50\3"))[0] == 1)
    tap.case("isochronous transfers are passed over", run(PCAP + usb_packet("S", 0, 1, select))[0] == 1)
    two = run(PCAP + sent + usb_packet("S", 3, 1, select, bus=2))[1]
    tap.case("the same address on two buses", b"libusb-1.0:1:7:0 " in two and b"libusb-1.0:2:7:0 " in two)
    crowd = PCAP + b"".join(usb_packet("S", 3, 1, select, device=n % 128, bus=1 + n // 128) for n in range(200))
    crowd += usb_packet("S", 1, 1, b"\x50\3", device=100, bus=2) + usb_packet("S", 3, 1, b"USBC" * 8, device=100, bus=2)
    code, out, err = run(crowd)
    tap.case("more devices than are known at once", out.count(b"-> 6F 07") == 128
             and "72 messages of further readers are left out" in err)

    def describe(config, first=b"\x80\6\0\2\0\0\xff\0"):
        return usb_packet("S", 2, 0x80, b"", first) + usb_packet("C", 2, 0x80, config)

    head = bytes.fromhex("090200000201008032")
    face = bytes.fromhex("0904010003 0b000000".replace(" ", ""))
    ends = bytes.fromhex("07050102400000 07058202400000 07058303080010".replace(" ", ""))
    others = (bytes([9, 0x21]) + b"\1" * 7 + bytes([5, 5, 1, 2, 0]) + bytes([7, 5, 4, 1, 0, 1, 1]) + bytes([3, 0x30, 0]))
    for name, config, count in (
            ("short and foreign descriptors between", head + bytes([5, 4, 0, 0, 0]) + ends + face + others + ends, 1),
            ("a second interface of class 0B", head + face + ends + face.replace(b"\4\1", b"\4\2") + ends, 1),
            ("a descriptor of no length at the end", head + face + ends + b"\0\0", 1),
            ("a descriptor that ends too late", head + face + ends + b"\x20\x24", 1),
            ("one byte too many", head + face + ends + b"\7", 1),
            ("the head alone: not known", head, 1),
            ("no interface of class 0B: no reader", head + face.replace(b"\x0b", b"\x08") + ends, 0)):
        out = run(PCAP + describe(config) + sent)[1]
        tap.case(f"a configuration with {name}", out.count(b"-> 6F 07") == count)
    whole = head + face + ends
    asked = (b"\x80\6\0\1\0\0\x12\0", b"\x80\0\0\1\0\0\2\0", b"\xA1\6\0\2\0\0\2\0")
    out = run(PCAP + describe(whole) + describe(b"\x12\1\0\2", asked[0]) + describe(b"\0\0", asked[1])
              + describe(b"\0\0", asked[2]) + usb_packet("E", 2, 0x80) + describe(head) + sent)[1]
    tap.case("other requests, and answers that are too short", out.count(b"-> 6F 07") == 1 and b"usb:0000/0000" in out)
    pieces = usb_packet("S", 3, 1, select[:5]) + sent
    tap.case("a transfer of 5 bytes is not a message", "1 messages are not whole" in run(PCAP + describe(whole) + pieces)[2])
    cut = bytearray(usb_packet("S", 3, 1, select[:10] + b"\0" * 7))
    cut[16 + 36:16 + 40] = struct.pack("<I", 10)
    more = bytearray(usb_packet("C", 1, 0x83, b"\x50\3\0"))
    more[16 + 36:16 + 40] = struct.pack("<I", 2)
    long = bytes.fromhex("6FF401000000050000 00".replace(" ", "")) + b"\x11" * 500
    rest = bytearray(usb_packet("S", 3, 1, long[64:]))
    rest[16 + 36:16 + 40] = struct.pack("<I", 100)
    out = run(PCAP + describe(whole) + bytes(cut) + bytes(more) + usb_packet("S", 3, 1, long[:64]) + bytes(rest))[1]
    tap.case("packets that were cut when they were captured", b"7 more bytes, not shown" in out and b"<- 50 03" in out
             and b"346 more bytes, not shown" in out)


def of_many(tap):
    """What ccid-parse said of several readers, and logs of several."""
    import tempfile
    text = "".join(f"{ids} Reader, bus 001 device 002 interface {face}\n  bEndpointAddress: 0x0{end}\n  bmAttributes: 0x02\n"
                   "  bEndpointAddress: 0x86\n  bmAttributes: 0x02\n"
                   for ids, face, end in (("1234:3437", 0, 7), ("08e6:0001", 0, 7), ("08e6:3437", 3, 7), ("08e6:3437", 0, 5)))
    text = ("nothing yet\n  raw: 36\nno ids, bus 001 device 002 interface 0\n12, bus 1\n" + text
            + "  bmAttributes: 0x01\n  bcdDevice: x\n  raw: 36 1FF\n08e6:3437 ends, bus one\n 08e6:3437 last, bus 001 device 2\n")
    many = text + "4321:0001 Reader, bus 001 device 002 interface 0\n" * 300
    for name, known in (("four readers", text), ("300 readers", many)):
        with tempfile.NamedTemporaryFile() as file:
            file.write(known.encode())
            file.flush()
            for device, end in (("usb:08e6/3437:libusb-1.0:1:2:0", 5), ("usb:08e6/3437", 7), ("usb:1234/3437", 7),
                                ("usb:ffff/0001", 2), ("/dev/ttyS0:GemPCTwin", 2)):
                line = f"00000001 ifdhandler.c:77:X() Lun: 0, device: {device}\n00000007 -> 000000 {SELECT}\n"
                sent = {head[10] for head, _, _ in packets(run(line.encode(), "-d", file.name)[1]) if head[9] == 3}
                tap.case(f"{name}, {device}: its own endpoint", [] if sent == {end} else [str(sent)])
    names = ("usb:08e6/3437", NAME, "usb:08e6/3437:libusb-1.0:3:9:1", "usb:08e6/3437")
    text = "".join(f"00000007 [1] {name} (lun 0): -> {SELECT}\n" for name in names)
    out = run(text.encode(), "-l")[1].decode()
    tap.case("names that begin alike are three readers", [out.count(f"{name} (lun 0)") for name in names] == [2, 1, 1, 2])
    text = ours("->", SELECT[:-6]) + ours("->", SELECT[:-9]) + ours("<-", DONE)
    tap.case("two messages that end too early", "2 messages are not whole" in run(text.encode())[2])
    text = "".join(f"{n:08d} [1] usb:{n:04x}/0001 (lun 0): -> {SELECT}\n" for n in range(300))
    tap.case("300 readers", [run(text.encode(), form)[0] for form in ("-w", "-l", "-a", "-s")] == [0] * 4)


def descriptors(tap):
    raw = " ".join(["36", "21"] + ["%02X" % (i + 2) for i in range(52)])
    text = ("08e6:3437 GemPC Twin, bus 001 device 002 interface 0\n device\n  bcdDevice: 1.08\n interface\n  "
            "bInterfaceProtocol: 0x00\n"
            " endpoint\n  bEndpointAddress: 0x01 (OUT, to the reader)\n  bmAttributes: 0x02 (bulk)\n"
            " endpoint\n  bEndpointAddress: 0x84 (IN)\n  bmAttributes: 0x02 (bulk)\n"
            " endpoint\n  bEndpointAddress: 0x83 (IN)\n  bmAttributes: 0x03 (interrupt)\n"
            f" class descriptor\n  raw: {raw}\n1234:5678 Other, bus 001 device 003 interface 0\n  raw: 36 "
            f"zz\n").encode()
    import gzip
    import tempfile
    log = (ours("->", SELECT) + ours("<-", DONE) + ours("<-", "50 03")).encode()
    for packed in (False, True):
        with tempfile.NamedTemporaryFile() as file:
            file.write(gzip.compress(text) if packed else text)
            file.flush()
            capture = run(log, "-d", file.name)[1]
            heads = [(head[9], head[10]) for head, _, _ in packets(capture) if head[9] != 2]
            tap.case(f"endpoints come from ccid-parse{', compressed' if packed else ''}", heads == [(3, 1), (3,
                0x84), (1, 0x83)])
            tap.case("and so does the class descriptor", bytes.fromhex(raw.replace(" ", "")) in capture)
    named = f"00000007 -> 000000 {SELECT}\n".encode()
    for name in ("usb:08e6/3437:libusb-1.0:3:9:1", "usb:08e6/3437", "/dev/ttyS0:GemPCTwin"):
        line = f"00000001 ifdhandler.c:77:X() Lun: 0, device: {name}\n".encode()
        tap.case(f"device name {name}", name.encode() in run(line + named)[1])


def unusual_logs(tap):
    extended = "".join(f"00000007 -> 000000 6F 02 00 00 00 00 {seq:02X} 00 {level:02X} 00 {data}\n00000001 <- "
                       f"000000 80 00 00 00 00 00 {seq:02X} 00 00 10\n"
                       for seq, level, data in ((1, 1, "00 D6"), (2, 3, "00 00"), (3, 2, "01 AA")))
    extended += ("00000007 <- 000000 80 02 00 00 00 00 03 00 00 01 11 22\n00000007 -> 000000 6F 00 00 00 00 00 "
                 "04 00 10 00\n"
                 "00000007 <- 000000 80 02 00 00 00 00 04 00 00 02 90 00\n")
    out = run(extended.encode(), "-a")[1].decode()
    tap.case("--apdu puts chained parts together", "> 00 D6 00 00 01 AA" in out)
    words = ["9000", "6110", "6282", "6283", "6200", "63C2", "6300", "6401", "6400", "6500", "6700", "6800", "6982",
             "6983", "6985", "6900", "6A80", "6A81", "6A82", "6A83", "6A84", "6A86", "6A88", "6A00", "6B00", "6C05", "6D00", "6E00",
             "6F00"]
    text = "00000001 -> 000000 62 00 00 00 00 00 00 01 00 00\n00000001 <- 000000 80 02 00 00 00 00 00 00 00 00 3B 00\n"
    text += ("00000001 -> 000000 6F 04 00 00 00 00 01 00 00 00 FF 11 96 78\n00000001 <- 000000 80 04 00 00 00 00 "
             "01 00 00 00 FF 11 96 78\n")
    text += ("00000001 -> 000000 69 02 00 00 00 00 01 00 00 00 00 1E\n00000001 <- 000000 80 02 00 00 00 00 01 00 "
             "00 00 90 00\n")
    for sw in words:
        text += (f"00000001 -> 000000 6F 05 00 00 00 00 02 00 00 00 00 B0 00 00 00\n00000009 <- 000000 80 02 00 "
                 f"00 00 00 02 00 00 00 {sw[:2]} {sw[2:]}\n")
    text += ("00000001 <- 000000 81 00 00 00 00 00 09 42 FE 00\n00000001 -> 000000 6F 64 00 00 00 00 02 00 00 "
             "00 " + "00 " * 100 + "\n")
    text += ("00000001 -> 000000 65 00 00 00 00 00 02 00 00 00\n00000001 NotifySlotChange: 50 03\n00000001 -> "
             "000001 65 00 00 00 00 00 02 00 00 00\n")
    out = run(text.encode(), "-a")[1].decode()
    tap.case("--apdu: ATR, PPS, PIN entry and every status word", "ATR" in out and "PPS" in out and
             "PIN entry" in out and out.count("READ BINARY") == len(words) and "CLA is not supported" in out)
    out = run(text.encode(), "-s")[1].decode()
    tap.case("--summary: no answer, no command, notifications", "without an answer" in out and
        "1 answers to no command" in out and
             "interrupt pipe: 1 messages" in out and out.count(" ms at ") == 10)
    readers = "".join(ours("->", SELECT).replace("001/002", f"001/{i:03d}") for i in range(300))
    tap.case("300 readers: those that there is room for", run(readers.encode(), "-l")[1].count(b"-> 6F") == 256)
    tap.case("a line of 3 MB", run(b"x" * 3000000 + b"\n" + f"-> 000000 {SELECT}".encode())[0] == 0)
    tap.case("escape without an end, journal without a time",
        run(f"\033[1 \npcscd[1]: x\n-> 000000 {SELECT}\n".encode())[0] == 0)
    tap.case("a name that is too long is cut", run(f"{'n' * 500} (lun 0): -> {SELECT}\n".encode())[0] == 0)
    tap.case("a continuation of nothing", run(ours("->", "+256 00 11").encode())[0] == 1)
    tap.case("more than a message can have", run((ours("->", "6F FF FF 0F 00 00 05 00 00 00") +
                                                  ours("->", "+10 " + "11 " * 900) * 80).encode(), "-l")[0] == 0)
    tap.case("arrows that are not", run(b"a->b <-c - > <- -> \n-> 000000 zz\n-> 6F\n<- 99 00\n-&gt;\n "
                                        b"&lt;-\n")[0] in (0, 1))
    gone = subprocess.run([TRACE, "-o", "/dev/full"], input=text.encode(), capture_output=True, check=False)
    tap.case("an output that cannot be written is reported", gone.returncode == 2 and b"cannot be written" in gone.stderr)


def contents(path):
    with open(path, "rb") as file:
        return file.read()


def put(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.write(data)
    return path


def at(path, *options, data=None, **more):
    """Exit code and messages of a run on a file, without it on data as the standard input."""
    done = subprocess.run([TRACE, *options] + [path] * (data is None), input=data, capture_output=True, check=False, **more)
    return done.returncode, done.stderr.decode()


def outputs(tap):
    """A file is replaced when there is something to replace it by."""
    import tempfile
    text = (ours("->", SELECT) + ours("<-", DONE)).encode()
    with tempfile.TemporaryDirectory() as folder:
        log, empty = put(folder, "same.log", text), put(folder, "empty", b"")
        code, err = at(log, "-l", "-o", log)
        tap.case("the input as output is refused", code == 2 and "is the file that is read" in err and contents(log) == text)
        os.symlink(log, os.path.join(folder, "link"))
        code, err = at(os.path.join(folder, "link"), "-l", "-o", log)
        tap.case("and so it is by another name", code == 2 and contents(log) == text)
        with open(log, "rb") as file, open(log, "ab") as end:
            code = subprocess.run([TRACE, "-l"], stdin=file, stdout=end, stderr=subprocess.PIPE, check=False).returncode
        tap.case("and so it is by redirection", code == 2 and contents(log) == text)
        out = put(folder, "out.txt", b"before")
        for name, case in ((empty, "an empty log"), (TRACE, "a log without messages"), ("/nonexistent", "no log")):
            at(name, "-l", "-o", out)
            tap.case(f"{case}: the output file is left as it is", contents(out) == b"before")
        at(empty, "-l", "-o", os.path.join(folder, "new"))
        tap.case("an empty log: no output file is made", not os.path.exists(os.path.join(folder, "new")))
        os.chmod(out, 0o640)
        code, _ = at(log, "-l", "-o", out)
        tap.case("an output file is replaced, with its mode", code == 0 and b"-> 6F" in contents(out)
                 and os.stat(out).st_mode & 0o777 == 0o640)
        put(folder, "out.txt", b"before")
        os.symlink("out.txt", os.path.join(folder, "to"))
        code, _ = at(log, "-l", "-o", os.path.join(folder, "to"))
        tap.case("an output file that a link names is replaced, and the link is left", code == 0 and b"-> 6F" in contents(out)
                 and os.path.islink(os.path.join(folder, "to")))
        os.symlink("target", os.path.join(folder, "dangling"))
        code, _ = at(log, "-l", "-o", os.path.join(folder, "dangling"))
        tap.case("a link to a file that is still to be made is left", code == 0 and os.path.islink(os.path.join(folder, "dangling"))
                 and b"-> 6F" in contents(os.path.join(folder, "target")))
        os.chmod(out, 0o440)
        tap.case("a file without the right to write is left as it is", os.geteuid() == 0
                 or at(log, "-s", "-o", out)[0] == 2 and b"-> 6F" in contents(out))
        os.chmod(out, 0o640)
        code, _ = at(None, "-l", "-o", "new", data=text, cwd=folder)
        tap.case("a new file in this folder", code == 0 and b"-> 6F" in contents(os.path.join(folder, "new")))
        code, _ = at(put(folder, "cut", CAPTURE_HEAD + text), "-l", "-o", out)
        tap.case("a damaged capture without a message: the output file is left as it is", code == 2 and b"-> 6F" in contents(out))
        os.mkdir(os.path.join(folder, "folder"))
        tap.case("a folder as output: exit code 2", at(log, "-o", os.path.join(folder, "folder"))[0] == 2)
        pipes(tap, folder, log)
        tap.case("nothing else is left in the folder", sorted(os.listdir(folder)) == sorted(
            ["same.log", "empty", "link", "out.txt", "to", "new", "cut", "folder", "pipe", "dangling", "target"]))


CAPTURE_HEAD = b"\n\r\r\n\x1c\0\0\0M<+\x1a\1\0\0\0" + b"\xff" * 8 + b"\x1c\0\0\0"


def pipes(tap, folder, log):
    """What is not a file is written as it is."""
    import fcntl
    import signal
    import termios
    for name in ("/dev/stdout", "/dev/fd/1"):
        done = subprocess.run([TRACE, "-l", "-o", name, log], capture_output=True, check=False)
        tap.case(f"-o {name} to a pipe", done.returncode == 0 and b"-> 6F" in done.stdout)
        out = os.path.join(folder, "out.txt")
        with open(out, "wb") as file:
            done = subprocess.run([TRACE, "-l", "-o", name, log], stdout=file, check=False)
        tap.case(f"-o {name} to a file", done.returncode == 0 and b"-> 6F" in contents(out))
    pipe = os.path.join(folder, "pipe")
    os.mkfifo(pipe)
    with subprocess.Popen([TRACE, "-l", "-o", pipe, log]) as writer:
        got = contents(pipe)
    tap.case("-o with a named pipe", writer.returncode == 0 and b"-> 6F" in got)
    for text, what, wanted in ((b"", "nothing was read: the output file is left as it is", contents(out)),
                               (contents(log)[:200], "what was read is in the output file", None)):
        with subprocess.Popen([TRACE, "-l", "-o", out], stdin=subprocess.PIPE) as waiting:
            waiting.stdin.write(text)
            waiting.stdin.flush()
            for _ in range(600):
                if any(name.endswith(".part") for name in os.listdir(folder)):
                    break
                time.sleep(0.05)
            # the program has the text when the pipe is empty
            for _ in range(600):
                if not struct.unpack("i", fcntl.ioctl(waiting.stdin, termios.FIONREAD, b"\0" * 4))[0]:
                    break
                time.sleep(0.05)
            os.kill(waiting.pid, signal.SIGTERM)
            code = waiting.wait()
        tap.case(f"a signal ends the program; {what}", code == -signal.SIGTERM and b"-> 6F" in contents(out) and
                 wanted in (None, contents(out)) and not any(name.endswith(".part") for name in os.listdir(folder)))
        with open(out, "wb") as file:
            file.write(b"old")
    done = subprocess.run([TRACE, "-l", folder], capture_output=True, text=True, check=False)
    tap.case("a folder is named as such", done.returncode == 2 and done.stderr == f"ccid-trace: {folder}: Is a directory\n")


def hostile(tap):
    """Names that a terminal would obey, descriptors that are none, and more readers than there is room for."""
    import tempfile
    evil = b"00000007 [1] x\033[2Jevil\007\xc2\x9b\x7f (lun 0): -> " + SELECT.encode() + b"\n"
    evil += evil.replace(b"x\033", b"x?")
    evil += b"00000001 ifdhandler.c:77:X() device: usb:\033[2J\n00000007 -> 000000 " + SELECT.encode() + b"\n"
    for form in ("-l", "-s", "-a", "-w"):
        _, out, err = run(evil, form)
        tap.case(f"{form}: no control character of a name goes through", form == "-w" and b"\033" not in out or form != "-w"
                 and not any(c < 0x20 and c != 10 or c == 0x7F for c in out + err.encode()))
    tap.case("a name stays recognizable", b"x?[2Jevil???? (lun 0)" in run(evil, "-l")[1])
    log = ours("->", SELECT).encode()
    with tempfile.TemporaryDirectory() as folder:
        noise = put(folder, "noise", bytes((i * 37 + (i >> 8)) & 0xFF for i in range(100000)))
        for file in (noise, put(folder, "none", b""), put(folder, "text", b"some text\n"), folder):
            code, out, err = run(log, "-d", file)
            tap.case("descriptors that are none: exit code 2 and the file", code == 2 and out == b""
                     and f"no descriptors in {file}" in err)
    try:
        done = subprocess.run([TRACE, "-d", "/dev/zero"], input=log, capture_output=True, check=False, timeout=60)
        tap.case("descriptors that do not end: exit code 2", done.returncode == 2 and b"/dev/zero: " in done.stderr)
    except subprocess.TimeoutExpired:
        tap.case("descriptors that do not end: exit code 2", ["still running"])
    long = "6F 02 01 00 00 00 05 00 00 00 " + "11 " * 246
    text = "".join(f"00000001 [1] reader{n} (lun 0): -> {SELECT}\n" for n in range(260))
    text += f"00000001 [1] late (lun 0): -> {long}\n00000001 [1] late (lun 0): -> +256 11 22\n"
    text += f"00000001 [1] late (lun 0): <- {DONE[:24]}\n    {DONE[24:]}\n00000001 [1] late (lun 0): <- 50 03\n"
    text += f"00000001 [1] late (lun 0): <- zz\n-> 000000 {SELECT}\n"
    _, out, err = run(text.encode(), "-l")
    tap.case("messages of more readers than 256 are counted", out.count(b"->") == 256 and b"<-" not in out
             and "8 messages of further readers are left out" in err)
    text = f"-> {SELECT}\n" + "".join(f"00000001 [1] reader{n} (lun 0): -> {SELECT}\n" for n in range(256))
    tap.case("and are not taken for those of another", run(text.encode(), "-l")[1].count(b" reader (lun 0)") == 1)
    tap.case("256 readers are not too many", run(text.encode())[2].count("left out") == 1
             and "left out" not in run(text.replace("reader255", "reader254").encode())[2])


def options(tap):
    for wrong in (["-a", "-s"], ["--nonsense"], ["a", "b"], ["/nonexistent"], ["-d", "/nonexistent"], ["-o",
        "/nonexistent/x"]):
        code, _, err = run(b"", *wrong)
        tap.case(f"{' '.join(wrong)}: exit code 2 and a message", code == 2 and err != "")
    here = os.path.abspath(__file__)
    tap.case("an output that cannot be written: exit code 2", run(b"", here, "-o", "/nonexistent/x")[0] == 2)
    log = ours("->", VERIFY).encode()
    tap.case("- is the standard input", b"-> 6F 0D" in run(log, "-l", "-")[1])
    tap.case("the same form twice", run(log, "-l", "-l") == run(log, "-l"))
    tap.case("an empty file: exit code 1", run(b"")[0] == 1)
    tap.case("a file that begins like pcap, but is none", run(b"M\n" * 20)[0] in (0, 1, 2) and run(b"\n\r\r")[0] == 1)
    os.environ["IFDCCID_LOG_SECRETS"] = "0"
    tap.case("IFDCCID_LOG_SECRETS=0: no secrets", b"31 32 33 34" not in run(log, "-l")[1])
    del os.environ["IFDCCID_LOG_SECRETS"]
    tap.case("--help and --version", run(b"", "--help")[0] == 0 and run(b"", "--version")[0] == 0)
    code, _, err = run(b"nothing of interest\n\n")
    tap.case("a file without a message: exit code 1, and what to do", code == 1 and "has no CCID message" in err
             and "LIBCCID_ifdLogLevel" in err)
    noise = bytes((i * 37 + (i >> 8)) & 0xFF for i in range(200000))
    tap.case("rubbish is no reason to fail", run(noise)[0] in (0, 1))


def main():
    tap = Tap()
    if not os.path.exists(TRACE):
        tap.skip("ccid-trace", "it is not built")
        tap.finish()
    for part in (shapes, times, long_messages, secrets, captures, dialogue, foreign_captures, devices_of_a_capture,
                 unusual_captures, of_many, descriptors, unusual_logs, outputs, hostile,
                 options):
        part(tap)
    tap.finish()


if __name__ == "__main__":
    main()
