# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of the list of hostile behaviour (SECURITY.md) through a real pcscd. After each fault the command has ended in
time and with the expected result, the log has the line that names the field, a program on another slot is undisturbed,
and the slot works. Arguments: row_NN to run only these, or "busy"."""

import ctypes
import threading

from e2e import *

OK = b"\x90\x00"
TRACE = os.path.join(os.environ["e2e_tmp"], "trace")
FRIENDLY = {"apdu": "Aktiv Rutoken SCR 3001", "tpdu": "Gemalto PC Twin", "atr": "Avtor SC Reader 371",
            "char": "Winbond", "extended": "Alcor Micro AU9540", "icc-a": "BIFIT iBank2Key", "icc-b": "Aktiv Co., ProgramPark Rutoken Magistra",
            "pinpad": "OMNIKEY"}
# possible ends of a command
GOOD, BAD, ANY = "the true answer", "an error", "an answer or an error"
ALL = "all that came"
# length of an answer after the fault `longer`; the bytes after the true answer are 0xA5
LONGER = 65000
# room for the answer to an Escape command
SMALL, ROOM = "an insufficient buffer", 300
# a command of one second and its repeats; nothing here lasts longer
BOUND = 30


class Beside(threading.Thread):
    """A program on another slot."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.name, self.count, self.wrong, self.longest, self.end = name, 0, [], 0, False
        self.context = Context()
        rv, self.card = self.context.connect(name)
        if rv:
            raise RuntimeError("%s: %s" % (name, rv_name(rv)))
        self.start()

    def run(self):
        while not self.end:
            before = time.monotonic()
            answer = self.card.apdu(short(0x14, le=100))
            if answer != pattern(100) + OK:
                self.wrong.append(answer)
            self.longest = max(self.longest, time.monotonic() - before)
            self.count += 1
            time.sleep(0.02)

    def stop(self):
        self.end = True
        self.join()
        self.card.disconnect()


class Reader:
    """Slot 0 has the fault; another program uses slot 1, or another reader."""

    def __init__(self, reader, beside=None):
        self.reader = reader
        self.name = find(reader)[0]
        context.wait_card(self.name)
        self.card = None
        self.reconnect()
        self.beside = Beside(find(beside)[1] if beside else find(reader)[1])

    def reconnect(self):
        if self.card:
            self.card.disconnect(scard.SCARD_RESET_CARD)
        rv, self.card = context.connect(self.name)
        return rv == 0

    def works(self):
        return self.card is not None and self.card.apdu(short(0x14, le=200)) == pattern(200) + OK

    def works_again(self):
        return self.works() or (self.reconnect() and self.works())

    def transmit(self):
        rv, answer = self.card.raw(short(0x14, le=32))
        if rv:
            return BAD if answer == b"" else "an error with an answer"
        if answer == (pattern(32) + OK).ljust(LONGER, b"\xa5"):
            return ALL
        return GOOD if answer == pattern(32) + OK else "a wrong answer: " + show(answer)

    def transmit_nothing(self):
        rv, answer = self.card.raw(short(0x10))
        return BAD if rv else GOOD if answer == OK else "a wrong answer: " + show(answer)

    def reset(self):
        return BAD if self.card.reconnect(scard.SCARD_RESET_CARD) else GOOD

    def power_off(self):
        """Powers the card off and on again."""
        self.card.disconnect(scard.SCARD_UNPOWER_CARD)
        rv, self.card = context.connect(self.name)
        return BAD if rv else GOOD

    def escape(self):
        """Asks for the firmware's name; a longer answer ends with 0xA5. pyscard has room for 64 KiB, this program for
        ROOM bytes; pcscd has room for all that the driver gives it."""
        untouched, n = b"\x33" * ROOM, ctypes.c_ulong()
        out = ctypes.create_string_buffer(untouched, ROOM)
        rv = ctypes.CDLL("libpcsclite.so.1").SCardControl(
            ctypes.c_long(self.card.handle), ctypes.c_ulong(scard.SCARD_CTL_CODE(1)), b"\x02", ctypes.c_ulong(1),
            out, ctypes.c_ulong(ROOM), ctypes.byref(n)) & 0xFFFFFFFF
        name, answer = b"GemTwRC2-V2.00-GT0", out.raw[:n.value]
        if rv and out.raw != untouched:
            return "an error with an answer"
        if rv:
            return SMALL if rv == scard.SCARD_E_INSUFFICIENT_BUFFER & 0xFFFFFFFF else BAD
        if answer == name:
            return GOOD
        return ALL if answer == name.ljust(len(answer), b"\xa5") else "a wrong answer: " + show(answer)

    def case(self, row, fault, want, says, act=None):
        """One fault and all its expected consequences."""
        wrong = []
        mark = os.path.getsize(os.environ["e2e_log"])
        count, self.beside.longest = self.beside.count, 0
        where = "" if self.reader.startswith("icc") else " slot=0"
        sim("fault", self.reader, *(fault + where).split())
        before = time.monotonic()
        came = (act or self.transmit)()
        took = time.monotonic() - before
        if came != want and not (want == ANY and came in (GOOD, BAD)):
            wrong.append("%s came, not %s" % (came, want))
        if took > BOUND:
            wrong.append("it took %.1f s" % took)
        if not wait_for(lambda: self.beside.count > count + 1):
            wrong.append("nothing goes on beside")
        sim("fault", self.reader, "clear")
        # The next command is no good here: a damaged ATR allows no exchange, and a USB ICC still has half an answer.
        if act == self.reset or self.reader.startswith("icc"):
            self.reconnect()
        if not wait_for(self.works_again, 5):
            wrong.append("the slot does not work")
        if self.beside.wrong or self.beside.longest > 5:
            wrong.append("disturbed beside, %.1f s: %s" % (self.beside.longest, self.beside.wrong[:3]))
            self.beside.wrong = []
        if not pcscd_alive():
            wrong.append("pcscd is dead")
        wrong += self.told(mark, fault, says)
        ok(not wrong, "row %s: %s at %s: %s" % (row, fault, self.reader, want), "\n".join(wrong))

    def told(self, mark, fault, says):
        if not says:
            return []
        wait_for(lambda: says in log_since(mark), 2)
        lines = log_since(mark).count(says)
        once = "count=" not in fault
        return [] if lines == 1 or (lines and not once) else ['%d lines say "%s"' % (lines, says)]

    def end(self):
        self.beside.stop()
        self.card.disconnect(scard.SCARD_RESET_CARD)


def log_since(mark):
    with open(os.environ["e2e_log"], errors="replace") as f:
        f.seek(mark)
        return f.read()


def find(reader):
    return [n for n in context.readers() if n.startswith(FRIENDLY[reader])]


def rows_of_silence(r):
    """No answer to the command comes. The card has a short waiting time: WI 1 at 20 MHz, 5.8 s."""
    for row, fault, says in ((1, "wrong-slot value=255", "bSlot 255"), (1, "wrong-slot value=1", "bSlot 1"),
                             (2, "wrong-seq", "no command waits for: 44 bytes, bSlot 0"),
                             (7, "silent", "ended without its answer"),
                             (7, "late-answer ms=7000", "ended without its answer")):
        r.case(row, fault + " msg=6F", BAD, says)


def rows_1_to_8(r):
    xfr = " msg=6F"
    for row, fault, want, says in (
            (2, "stale value=300 count=1", GOOD, "bSeq"),
            (2, "duplicate", GOOD, None),
            (3, "wrong-type", BAD, "answered by bMessageType 0x8F"),
            (4, "zero-length count=0", GOOD, None),
            (4, "short-answer value=1", BAD, "an answer of 1 bytes has no header"),
            (4, "short-answer value=9", BAD, "an answer of 9 bytes has no header"),
            (5, "length-more", BAD, "dwLength is 35 but 34 bytes came"),
            (5, "length-less", BAD, "dwLength is 33 but 34 bytes came"),
            (5, "padded", BAD, "dwLength is 34 but 35 bytes came"),
            (6, "overflow", BAD, "bulk IN transfer failed (overflow)"), (6, "longer", ALL, None)):
        r.case(row, fault + xfr, want, says)
    for n in (1, 2, 4):
        # only for status messages: with this fault the answer to an APDU would be a different one
        r.case(6, "exact value=%d msg=65 count=0" % n, GOOD, None)
    r.case(8, "time-extension msg=6F", GOOD, None)
    r.case(8, "endless-extension msg=63", GOOD, "PC_to_RDR_IccPowerOff: no answer after", r.power_off)


def row_10(r):
    for fault, want, says in (
            ("escape-claims", BAD, "dwLength is"),
            ("escape-long value=60000", SMALL, None),
            ("escape-long value=301", SMALL, None),
            ("escape-long value=300", ALL, None)):
        r.case(10, fault, want, says, r.escape)


def row_9(r):
    for fault, want, says in (
            ("atr-claims", BAD, "dwLength is 33 but 2 bytes came"), ("atr-empty", BAD, "ATR of 0 bytes"),
            ("atr-cut value=40", BAD, "ATR of 1 bytes"), ("atr-long", ANY, "there is room for 33"),
            ("atr-ts", ANY, "ATR: TS is 0x00"),
            ("atr-truncated", ANY, "ATR of 3 bytes: T0 0xFF announces more"),
            ("atr-tds", ANY, "there is room for 33")):
        r.case(9, fault, want, says, r.reset)


def row_16(r):
    for fault, says in (
            ("t0-null", "T=0: number of NULL bytes is 5001"),
            ("t0-ins-ff", "T=0: procedure byte is 235 (0xEB)"),
            ("t0-bad-procedure", "T=0: procedure byte is 5 (0x05)"),
            ("t0-more-data value=200", "T=0: procedure byte is 238 (0xEE)"), ("t0-cut", "bError 0xFE")):
        r.case(16, fault, BAD, says)


def row_17(r):
    for fault, want, says in (
            ("t1-bad-nad", GOOD, "T=1: NAD is 33 (0x21), repaired"),
            ("t1-len-255", GOOD, "T=1: LEN is 255 (0xFF), repaired"),
            ("t1-len-beyond", GOOD, "T=1: LEN is 44"), ("t1-bad-edc", GOOD, "T=1: EDC is"),
            ("t1-bad-edc count=4", GOOD, "T=1: EDC is"), ("t1-bad-edc count=0", BAD, "T=1: EDC is"),
            ("t1-bad-ns", GOOD, "T=1: PCB is"), ("t1-r-block count=0", BAD, "T=1: PCB is 1"),
            ("t1-ifs-0", GOOD, "T=1: IFS is 0"), ("t1-ifs-255", GOOD, "T=1: IFS is 255"),
            ("t1-wtx-0", GOOD, None),
            ("t1-wtx-255", GOOD, None), ("t1-resynch", GOOD, "PCB is 192 (0xC0)"),
            ("t1-abort", BAD, "PCB is 194 (0xC2)"),
            ("t1-unknown-s", GOOD, "PCB is 223 (0xDF)"), ("t1-unknown-s count=0", BAD, "PCB is 223 (0xDF)")):
        r.case(17, fault, want, says)


def row_18(r):
    for fault, says in (("pps-empty", ""), ("pps-short", " FF 11"), ("pps-bad-pck", " FF 11 "),
                        ("pps-other-protocol", " FF 10 "), ("pps-changed", " FF 11 ")):
        r.case(18, fault, BAD, "PPS: the card's answer is not acceptable:" + says, r.reset)


def row_19(r):
    for fault, want, says in (
            ("chain-begins count=0", BAD, "bChainParameter is 1 (0x01)"),
            ("chain-middle", BAD, "bChainParameter is 3 (0x03)"),
            ("chain-tiny count=0", GOOD, None), ("chain-endless", BAD, "length of the answer is 65")):
        r.case(19, fault, want, says)


def row_20_a(r):
    for fault, want, says in (
            ("iccd-empty", BAD, "length of DataBlock is 0"),
            ("iccd-short nth=2", BAD, "length of SW1 SW2 is 1"),
            ("iccd-status value=0x40 count=20", GOOD, None), ("iccd-status value=0x80", BAD, "bError 0xFE"),
            ("iccd-status value=0x30", BAD, "GetIccStatus is 48 (0x30)"),
            ("control-stall", BAD, "XfrBlock: communication error")):
        r.case(20, fault, want, says)


def row_20_b(r):
    for fault, want, says in (
            ("iccd-empty", BAD, "length of DataBlock is 0"),
            ("iccd-short value=1", BAD, "length of DataBlock is 1"),
            ("iccd-type", BAD, "bResponseType is 85 (0x55)"), ("iccd-poll count=20", GOOD, None),
            ("control-stall", BAD, "XfrBlock: communication error")):
        r.case(20, fault, want, says)


def pin_entry(r, keys):
    """PIN_VERIFY_STRUCTURE: 30 s, ASCII, 4 to 8 digits. Returns the result, a status word in hexadecimal."""
    structure = bytes.fromhex("1e1e820800" "080402010904" "00000000" "0d000000" "0020000008") + b"\xff" * 8

    def secures():
        with open(TRACE) as f:
            return f.read().count(" Secure ")

    def press():
        if wait_for(lambda: secures() > before):
            sim("keys", r.reader, keys)

    before = secures()
    finger = threading.Thread(target=press)
    finger.start()
    rv, answer = scard.SCardControl(r.card.handle, scard.SCARD_CTL_CODE(0x330006), list(structure))
    finger.join()
    return BAD if rv else bytes(answer).hex()


def row_21(r):
    for fault, keys, want, says in (
            ("pin-short value=0", r"1234\n", BAD, "PIN entry: no answer block, length 0"),
            ("pin-short value=1", r"1234\n", BAD, "PIN entry: no answer block, length 1"),
            ("pin-short value=3", r"1234\n", BAD, "PIN entry: no answer block, length 3"),
            ("pin-cancelled", r"1234\n", "6401", "bError 0xEF"),
            ("pin-timeout", r"1234\n", "6400", "bError 0xF0"),
            ("pin-wtx value=3", r"1234\n", "9000", None),
            ("t1-bad-edc", r"1234\n", BAD, "no answer block, length 6")):
        r.case(21, fault, want, says, lambda: pin_entry(r, keys))
    same(pin_entry(r, r"12\033"), "6401", "row 21: the user cancels")
    ok(r.works(), "row 21: the very next command goes through")


def unplugged(r, step, fault, act):
    """The reader is unplugged at that step and plugged in again, while a program works on another reader."""
    name, before = r.name, r.beside.count
    sim("fault", r.reader, *fault.split())
    begin = time.monotonic()
    came = act()
    same(came, BAD, "row 22: unplugged in %s: an error" % step)
    ok(time.monotonic() - begin < 8, "row 22: the error comes at once", time.monotonic() - begin)
    ok(wait_for(lambda: name not in context.readers()), "row 22: no reader", context.readers())
    sim("fault", r.reader, "clear")
    sim("plug", r.reader)
    ok(wait_for(lambda: name in context.readers()), "row 22: plugged again", context.readers())
    context.wait_card(name)
    r.card = None
    ok(wait_for(r.works_again), "row 22: it works")
    ok(wait_for(lambda: r.beside.count > before + 1) and not r.beside.wrong, "row 22: the other reader is not disturbed",
       r.beside.wrong)
    ok(pcscd_alive(), "row 22: pcscd is still running")


def row_22(r):
    unplugged(r, "a transmit", "unplug msg=6F", r.transmit)
    unplugged(r, "power on", "unplug msg=62", r.reset)
    unplugged(r, "a PIN entry", "unplug msg=69", lambda: pin_entry(r, r"1234\n"))


def row_26(r):
    """A second program comes and goes in the middle of the first one's command, and resets the card if possible."""
    answers, mark = [], os.path.getsize(os.environ["e2e_log"])
    thread = threading.Thread(target=lambda: answers.append(r.card.apdu(short(0x18, 0x03, 0xE8, b"slow", 256))))
    thread.start()
    ok(wait_for(lambda: "APDU: 80 18 03 E8" in log_since(mark)), "row 26: the first command is under way")
    own = Context()
    rv, second = own.connect(r.name)
    if rv == 0:
        second.disconnect(scard.SCARD_UNPOWER_CARD)
    thread.join()
    same(answers, [b"slow" + OK], "row 26: the first program's command succeeds")
    ok(wait_for(r.works_again), "row 26: it works")
    ok(pcscd_alive(), "row 26: pcscd is still running")


def busy():
    """Begins a long command, during which test_hostile.sh ends pcscd."""
    rv, card = context.connect(find("apdu")[0])
    print("begins", rv_name(rv), flush=True)
    rv, answer = card.raw(short(0x18, 0x4E, 0x20, b"slow", 256))
    print("ended with an error" if rv else "ended with " + answer.hex())


ROWS = (("apdu", None, (rows_1_to_8, row_26)), ("atr", None, (rows_of_silence, row_9)), ("tpdu", None, (row_10, row_17)),
        ("char", None, (row_16,)),
        ("extended", None, (row_19,)), ("icc-a", "apdu", (row_20_a,)), ("icc-b", "apdu", (row_20_b,)),
        ("pinpad", None, (row_18, row_21)), ("pinpad", "apdu", (row_22,)))
context = Context()
if "busy" in sys.argv[1:]:
    busy()
else:
    for name, neighbour, parts in ROWS:
        chosen = [p for p in parts if len(sys.argv) < 2 or p.__name__ in sys.argv[1:]]
        if chosen:
            one = Reader(name, neighbour)
            for part in chosen:
                began = time.monotonic()
                part(one)
                print("# %s: %.1f s" % (part.__name__, time.monotonic() - began))
            one.end()
    ok(pcscd_alive(), "pcscd is still running")
