#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""ccid-trace: logs of every shape become captures, captures become logs, and no secret goes through."""

import os
import struct
import subprocess
import sys

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
        "libccid's log with thread ids": f"00000007 [140213] -> 000000 {SELECT} \n00000012 [140213] <- 000000 {DONE} \n",
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
        tap.case(f"{name} becomes a capture", [] if code == 0 and messages(out) == PAIR else [err, str(messages(out))])


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
    tap.case("a message that ends too early is told", code == 0 and "1 messages are not whole" in err)


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
    tap.case("a capture that is cut anywhere is told with its place", wrong)
    pcap = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 220)
    for head, data, _ in packets(capture):
        pcap += struct.pack("<IIII", 0, 0, 64 + len(data), 64 + len(data)) + head + data
    tap.case("a pcap file is read as well", run(pcap)[1] == first)
    bare = pcap[:24] + b"".join(struct.pack("<IIII", 0, 0, 64 + len(d), 64 + len(d)) + h + d
                                for h, d, _ in packets(capture) if h[9] == 3)
    tap.case("without descriptors, CCID messages are known by their look", b"-> 6F 07" in run(bare)[1])
    code, _, err = run(struct.pack("<III", 0x0A0D0D0A, 28, 0x1A2B3C4D) + b"\0" * 12 + struct.pack("<III", 28, 1, 0xFFFFFFF0))
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


def options(tap):
    for wrong in (["-a", "-s"], ["--nonsense"], ["a", "b"], ["/nonexistent"], ["-d", "/nonexistent"], ["-o", "/nonexistent/x"]):
        code, _, err = run(b"", *wrong)
        tap.case(f"{' '.join(wrong)}: exit code 2 and a message", code == 2 and err != "")
    tap.case("--help and --version", run(b"", "--help")[0] == 0 and run(b"", "--version")[0] == 0)
    code, _, err = run(b"nothing of interest\n\n")
    tap.case("a file without a message: exit code 1, and what to do", code == 1 and "LIBCCID_ifdLogLevel" in err)
    noise = bytes((i * 37 + (i >> 8)) & 0xFF for i in range(200000))
    tap.case("rubbish is no reason to fail", run(noise)[0] in (0, 1))


def main():
    tap = Tap()
    if not os.path.exists(TRACE):
        tap.skip("ccid-trace", "it is not built")
        tap.finish()
    for part in (shapes, times, long_messages, secrets, captures, dialogue, options):
        part(tap)
    tap.finish()


if __name__ == "__main__":
    main()
