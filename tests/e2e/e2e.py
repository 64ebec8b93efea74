# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions for all Python tests: TAP, the simulator's commands, and PC/SC with result codes instead of exceptions."""

import os
import re
import subprocess
import sys
import time

from smartcard import scard

T0 = scard.SCARD_PROTOCOL_T0
T1 = scard.SCARD_PROTOCOL_T1
ANY = T0 | T1
failed = 0
count = 0


def ok(good, name, why=""):
    """One test case. lib.sh makes the numbers right and prints the plan."""
    global count, failed
    count += 1
    failed += not good
    print("%s %d - %s" % ("ok" if good else "not ok", count, name))
    if not good and why != "":
        print("# " + str(why).replace("\n", "\n# "))
    sys.stdout.flush()
    return good


# E2E_CLASSIC=1: the tested driver is libccid, which does not pass every case.
CLASSIC = bool(os.environ.get("E2E_CLASSIC"))


def better(good, name, why=""):
    """A case that is skipped with the classic driver, which is known to fail it."""
    if CLASSIC:
        return ok(True, name + " # SKIP not with the classic driver")
    return ok(good, name, why)


def same(got, want, name):
    return ok(got == want, name, "got  %s\nwant %s" % (show(got), show(want)))


def show(value):
    text = value.hex() if isinstance(value, (bytes, bytearray)) else repr(value)
    return text if len(text) < 600 else "%s... (%d)" % (text[:600], len(text))


def sim(*words):
    """A control command of the simulator; returns its answer."""
    r = subprocess.run([os.environ["CCID_SIM"], *map(str, words)], capture_output=True, text=True)
    if r.returncode:
        raise RuntimeError("ccid-sim %s: %s" % (" ".join(map(str, words)), r.stderr))
    return r.stdout.strip()


def wait_for(what, seconds=10):
    """Polls until what() is true; returns its last value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value or time.monotonic() > end:
            return value
        time.sleep(0.01)


def log():
    """pcscd's log so far."""
    with open(os.environ["e2e_log"], errors="replace") as f:
        return f.read()


def address(reader):
    """The address of a plugged reader on the bus ("002"), None when it is not plugged."""
    found = re.search(r'^%s .*|.*"%s".*' % (reader, reader), sim("list"), re.M)
    found = found and re.search(r"bus 001 device (\d+)", found.group(0))
    return found and found.group(1)


def pcscd_alive():
    try:
        os.kill(int(os.environ["pcscd_pid"]), 0)
    except ProcessLookupError:
        return False
    return scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)[0] == 0


def rv_name(rv):
    return scard.SCardGetErrorMessage(rv)


# pcsc-lite 2.5: its client asks for the size of the reader table, then for its contents, and waits for ever when a reader
# came in between (doc/pcsclite-client.md). While readers come, other processes ask; a process that hangs is ended.
TWO_QUESTIONS = bool(re.search(r" 2\.([5-9]|\d\d)\.", subprocess.run(["pcscd", "--version"], capture_output=True,
                                                                  text=True).stdout.split("\n")[0]))
# pcscd lists a reader for a moment before the name has its numbers of reader and slot.
WHOLE_NAME = " [0-9A-F]{2} [0-9A-F]{2}$"
LIST = f"""import re
from smartcard import scard
rv, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
print(len([name for name in scard.SCardListReaders(context, [])[1] if re.search("{WHOLE_NAME}", name)]))"""


def listed_by_another():
    """The number of readers that a new client sees; None when the client hangs or fails."""
    try:
        said = subprocess.run([sys.executable, "-c", LIST], capture_output=True, text=True, timeout=3).stdout
        return int(said) if said.strip() else None
    except subprocess.TimeoutExpired:
        return None


class Context:
    """A PC/SC context; every method returns the result code first."""

    def __init__(self):
        rv, self.handle = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
        if rv:
            raise RuntimeError(rv_name(rv))

    def readers(self):
        # pyscard asks twice, for the length and for the names, and fails when a reader is removed in between
        while True:
            try:
                rv, names = scard.SCardListReaders(self.handle, [])
                return sorted(name for name in names if re.search(WHOLE_NAME, name)) if rv == 0 else []
            except SystemError:
                pass

    def wait_readers(self, n):
        """Waits until there are n readers; returns the names of the present readers."""
        wait_for(lambda: (listed_by_another() if TWO_QUESTIONS else len(self.readers())) == n)
        return self.readers()

    def state(self, reader):
        """Event state (without the counter) and ATR."""
        rv, states = scard.SCardGetStatusChange(self.handle, 0, [(reader, scard.SCARD_STATE_UNAWARE)])
        return (states[0][1] & 0xffff, bytes(states[0][2])) if rv == 0 else (0, b"")

    def has_card(self, reader):
        return bool(self.state(reader)[0] & scard.SCARD_STATE_PRESENT)

    def wait_card(self, reader, present=True):
        return wait_for(lambda: self.has_card(reader) == present)

    def connect(self, reader, protocol=ANY, mode=scard.SCARD_SHARE_SHARED):
        rv, handle, active = scard.SCardConnect(self.handle, reader, mode, protocol)
        return rv, Card(handle, active) if rv == 0 else None


class Card:
    def __init__(self, handle, protocol):
        self.handle = handle
        self.protocol = protocol

    def raw(self, apdu):
        """One APDU; returns the result code and the answer."""
        pci = scard.SCARD_PCI_T1 if self.protocol == T1 else scard.SCARD_PCI_T0
        rv, data = scard.SCardTransmit(self.handle, pci, list(apdu))
        return rv, bytes(data) if rv == 0 else b""

    def apdu(self, apdu):
        """Transmits as applications do: at T=0, 61xx and 6Cxx are followed. Returns data and status bytes."""
        apdu = bytes(apdu)
        rv, answer = self.raw(apdu)
        if self.protocol == T0 and len(answer) == 2 and answer[0] == 0x6C:
            rv, answer = self.raw(apdu[:4] + answer[1:])
        data = answer[:-2]
        while self.protocol == T0 and rv == 0 and answer[-2] == 0x61:
            rv, answer = self.raw(bytes([0, 0xC0, 0, 0, answer[-1]]))
            data += answer[:-2]
        return data + answer[-2:] if rv == 0 else rv_name(rv)

    def echo(self, data):
        """True when the card returns the data. At T=0 Le is left out and the answer fetched (ISO 7816-4 §12.2.5)."""
        return self.apdu(short(0x16, data=data, le=256 if self.protocol == T1 else None)) == data + b"\x90\x00"

    def reconnect(self, what, protocol=ANY, mode=scard.SCARD_SHARE_SHARED):
        rv, active = scard.SCardReconnect(self.handle, mode, protocol, what)
        if rv == 0:
            self.protocol = active
        return rv

    def atr(self):
        rv, _, _, _, atr = scard.SCardStatus(self.handle)
        return bytes(atr) if rv == 0 else rv_name(rv)

    def disconnect(self, what=scard.SCARD_LEAVE_CARD):
        return scard.SCardDisconnect(self.handle, what)


def pattern(n):
    return bytes(i & 0xff for i in range(n))


def short(ins, p1=0, p2=0, data=None, le=None, cla=0x80):
    """A short APDU; le 256 is coded 00."""
    a = bytes([cla, ins, p1, p2])
    if data is not None:
        a += bytes([len(data)]) + data
    return a + bytes([le & 0xff]) if le is not None else a


def extended(ins, p1=0, p2=0, data=None, le=None, cla=0x80):
    """An extended APDU; le 65536 is coded 0000."""
    a = bytes([cla, ins, p1, p2, 0])
    if data is not None:
        a += len(data).to_bytes(2, "big") + data
    return a + (le & 0xffff).to_bytes(2, "big") if le is not None else a
