# SPDX-License-Identifier: LGPL-2.1-or-later
"""A person types PINs: right, wrong, cancelled, too late. Messages are compared byte for byte, and the card's tries."""

import struct
import threading

from e2e import *

OK, CANCELLED, TOO_LATE, DIFFERENT = b"\x90\x00", b"\x64\x01", b"\x64\x00", b"\x64\x02"
GET_FEATURES = scard.SCARD_CTL_CODE(3400)
VERIFY, MODIFY = 6, 7
# ASCII digits, left justified in a block of 8 bytes; 4 to 8 digits; the OK key ends the entry
FORMAT, BLOCK, LENGTH_FORMAT, DIGITS, CONDITION, LANGUAGE = 0x82, 0x08, 0x00, 0x0408, 0x02, 0x0409
VERIFY_APDU = bytes.fromhex("0020000108") + b"\xff" * 8
MODIFY_APDU = bytes.fromhex("0024000110") + b"\xff" * 16
TRACE = os.path.join(os.environ["e2e_tmp"], "trace")


def verify_structure(timeout=30, apdu=VERIFY_APDU):
    return struct.pack("<BBBBBHBBHB3sI", timeout, 0, FORMAT, BLOCK, LENGTH_FORMAT, DIGITS, CONDITION, 1,
                       LANGUAGE, 0, b"\0\0\0", len(apdu)) + apdu


def verify_message(prologue, timeout=30):
    return struct.pack("<BBBBBHBBHB3s", 0, timeout, FORMAT, BLOCK, LENGTH_FORMAT, DIGITS, CONDITION, 1,
                       LANGUAGE, 0, prologue) + VERIFY_APDU


def modify_structure(messages=3, confirm=3, timeout=30):
    return struct.pack("<BBBBBBBHBBBHBBB3sI", timeout, 0, FORMAT, BLOCK, LENGTH_FORMAT, 0, 8, DIGITS, confirm,
                       CONDITION, messages, LANGUAGE, 0, 1, 2, b"\0\0\0", len(MODIFY_APDU)) + MODIFY_APDU


def modify_message(prologue, messages=3, confirm=3, timeout=30):
    indexes = {0: b"\0", 1: b"\0\1", 2: b"\0\1", 3: b"\0\1\2"}[messages]
    return struct.pack("<BBBBBBBHBBBH", 1, timeout, FORMAT, BLOCK, LENGTH_FORMAT, 0, 8, DIGITS, confirm,
                       CONDITION, messages, LANGUAGE) + indexes + prologue + MODIFY_APDU


def secures():
    """The PC_to_RDR_Secure messages so far: length of abData and its first 40 bytes."""
    with open(TRACE) as f:
        lines = re.findall(r" out .* Secure (\d+): ([0-9A-F]*)", f.read())
    return [(int(n), bytes.fromhex(data)) for n, data in lines]


class Pinpad:
    def __init__(self, number, name, card):
        self.number, self.name, self.card = number, name, card
        rv, answer = scard.SCardControl(card.handle, GET_FEATURES, [])
        self.codes = {answer[i]: int.from_bytes(bytes(answer[i + 2:i + 6]), "big") for i in range(0, len(answer), 6)}
        self.tpdu_t1 = name.startswith("TPDU T=1")

    def run(self, feature, structure, keys):
        """Sends the command, and presses the keys once the reader has it. Returns the answer and the message."""
        before = len(secures())

        def press():
            if wait_for(lambda: len(secures()) > before) and keys:
                sim("keys", self.number, keys)

        finger = threading.Thread(target=press)
        finger.start()
        rv, answer = scard.SCardControl(self.card.handle, self.codes[feature], list(structure))
        finger.join()
        return bytes(answer) if rv == 0 else rv_name(rv), secures()[before:]

    def echo(self, n):
        le = None if self.name == "TPDU T=0" else 256
        return self.card.apdu(short(0x16, data=pattern(n), le=le)) == pattern(n) + OK

    def tries(self):
        """VERIFY without data: 63Cx; after a right PIN 9000."""
        return self.card.apdu(short(0x20, 0, 1, cla=0))

    def judge(self, what, got, want, message):
        answer, sent = got
        same(answer, want, "%s: %s" % (self.name, what))
        prologues = [b"\0\0\0"]
        if self.tpdu_t1:
            apdu = VERIFY_APDU if message is verify_message or sent and sent[0][1][0] == 0 else MODIFY_APDU
            prologues = [bytes([0, pcb, len(apdu)]) for pcb in (0x00, 0x40)]
        wants = [message(p) for p in prologues]
        wants = [(len(w), w[:40]) for w in wants]
        ok(len(sent) == 1 and sent[0] in wants, "%s: %s: PC_to_RDR_Secure byte for byte" % (self.name, what),
           "got %s\nwant %s" % (sent, wants))


def verify(pad):
    run, judge = pad.run, pad.judge
    judge("right PIN", run(VERIFY, verify_structure(), r"1234\n"), OK, verify_message)
    same(pad.tries(), OK, pad.name + ": the PIN is verified")
    judge("wrong PIN", run(VERIFY, verify_structure(), r"9999\n"), b"\x63\xce", verify_message)
    same(pad.tries(), b"\x63\xce", pad.name + ": 14 tries are left")
    judge("cancelled", run(VERIFY, verify_structure(), r"12\033"), CANCELLED, verify_message)
    same(pad.tries(), b"\x63\xce", pad.name + ": still 14 tries")
    before = time.monotonic()
    judge("no PIN within bTimeOut", run(VERIFY, verify_structure(timeout=1), "12"), TOO_LATE, lambda p: verify_message(p, 1))
    ok(0.9 < time.monotonic() - before < 12, pad.name + ": the entry ends after bTimeOut")
    same(pad.tries(), b"\x63\xce", pad.name + ": still 14 tries")
    ok(pad.echo(200), pad.name + ": an APDU between PINs")
    judge("a digit deleted", run(VERIFY, verify_structure(), r"5\b1235\n"), b"\x63\xcd",
          verify_message)
    judge("right PIN again", run(VERIFY, verify_structure(), r"124\b34\n"), OK, verify_message)


def modify(pad):
    run, judge = pad.run, pad.judge
    judge("new PIN", run(MODIFY, modify_structure(), r"1234\n5678\n5678\n"), OK, modify_message)
    same(pad.card.apdu(short(0x20, 0, 1, b"5678\xff\xff\xff\xff", cla=0)), OK, pad.name + ": the PIN is 5678 now")
    if pad.tpdu_t1:
        judge("new PINs differ, asked again", run(MODIFY, modify_structure(), r"5678\n1111\n2222\n5678\n5678\n"), OK,
              modify_message)
    else:
        judge("new PINs differ", run(MODIFY, modify_structure(), r"5678\n1111\n2222\n"), DIFFERENT, modify_message)
    judge("wrong old PIN", run(MODIFY, modify_structure(), r"1234\n1111\n1111\n"), b"\x63\xce", modify_message)
    judge("change cancelled", run(MODIFY, modify_structure(), r"5678\n11\033"), CANCELLED, modify_message)
    judge("no new PIN within bTimeOut", run(MODIFY, modify_structure(timeout=1), r"5678\n"), TOO_LATE,
          lambda p: modify_message(p, timeout=1))
    for n in (2, 1, 0):
        judge("bNumberMessage %d" % n, run(MODIFY, modify_structure(messages=n), r"5678\n5678\n5678\n"), OK,
              lambda p: modify_message(p, messages=n))
    judge("without confirmation", run(MODIFY, modify_structure(messages=2, confirm=2), r"5678\n1234\n"), OK,
          lambda p: modify_message(p, messages=2, confirm=2))
    ok(pad.echo(100), pad.name + ": an APDU afterwards")
    judge("verify the new PIN", run(VERIFY, verify_structure(), r"1234\n"), OK, verify_message)


def refusals(pad):
    before = len(secures())
    good = verify_structure()
    for name, bad in (("empty", b""), ("18 bytes", good[:18]), ("22 bytes", good[:22]), ("one byte short", good[:-1]),
                      ("one byte more", good + b"\0"),
                      ("ulDataLength of 4 GiB", good[:15] + b"\xff" * 4 + good[19:])):
        rv, _ = scard.SCardControl(pad.card.handle, pad.codes[VERIFY], list(bad))
        ok(rv != 0, "%s: structure refused, %s" % (pad.name, name), rv_name(rv))
    same(len(secures()), before, pad.name + ": refused structures are not sent")
    sim("remove", pad.number, 0)
    context.wait_card(pad.reader, False)
    rv, _ = scard.SCardControl(pad.card.handle, pad.codes[VERIFY], list(good))
    ok(rv != 0, pad.name + ": without a card PIN entry fails", rv_name(rv))


sim("trace", TRACE)
context = Context()
names = context.wait_readers(5)
for number, name in enumerate(["TPDU T=0", "TPDU T=1 LRC", "TPDU T=1 CRC", "short APDU", "extended APDU"]):
    reader = names[number]
    context.wait_card(reader)
    rv, card = context.connect(reader)
    if not ok(rv == 0, "connect to %s" % reader, rv_name(rv)):
        continue
    pad = Pinpad(number, name, card)
    pad.reader = reader
    ok(VERIFY in pad.codes and MODIFY in pad.codes, name + ": it has a PIN pad", pad.codes)
    verify(pad)
    modify(pad)
    refusals(pad)
    card.disconnect()
ok(pcscd_alive(), "pcscd is still running")
