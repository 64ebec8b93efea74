# SPDX-License-Identifier: LGPL-2.1-or-later
"""Serial readers: every kind, several at once, cards that come and go, keys, faulty lines. Names of parts may be
given as arguments."""

import shutil
import signal
import struct
import threading
import traceback

from e2e import *

OK = b"\x90\x00"
ATR = {
    "t0": "3b17966966642d73696d",
    "t1": "3b97968131fe456966642d73696d3b",
}
TMP = os.environ["e2e_tmp"]
CONF = TMP + "/reader.conf.d/serial"
# A copy, so that the file that pcscd maps cannot change.
TWIN = TMP + "/libccidtwin.so"
VERIFY_PIN_DIRECT, TLV_PROPERTIES = 6, 18
# a command, with its repeats, ends within the waiting time of the card
BOUND = 40


class Port:
    """A simulated reader behind a pseudo terminal."""

    number = 0
    all = []

    def __init__(self, kind, *cards):
        Port.number += 1
        Port.all.append(self)
        self.kind = kind
        self.path = "%s/tty%d" % (TMP, Port.number)
        self.process = subprocess.Popen([os.environ["SIM_PTY"], kind, *cards, self.path], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError("no sim-pty " + kind)

    def tell(self, *words):
        """A command; returns the lines in front of its "ok"."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline().rstrip("\n")
            if line == "ok":
                return lines
            if not line or line.startswith("error"):
                raise RuntimeError("sim-pty: %s: %s" % (words, line))
            lines.append(line)

    def end(self, name=None):
        """Unplugs the line. With a name: a case, which passes when the simulated reader has no complaint."""
        complaints = []
        if self.process.poll() is None:
            complaints = self.tell("complaints")
            self.tell("quit")
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()
        Port.all.remove(self)
        if name:
            same(complaints, [], name + ": the simulated reader has no complaints")


class Pcscd:
    """pcscd with these lines of reader.conf: (friendly name, device name)."""

    all = []

    def __init__(self, *lines, library=TWIN):
        with open(CONF, "w") as f:
            for name, device in lines:
                f.write('FRIENDLYNAME "%s"\nDEVICENAME %s\nLIBPATH %s\n\n' % (name, device, library))
        self.begin = os.path.getsize(os.environ["e2e_log"])
        self.started = time.monotonic()
        with open(os.environ["e2e_log"], "a") as log_file:
            self.process = subprocess.Popen(
                ["pcscd", *os.environ["E2E_PCSCD_OPTIONS"].split(), "--foreground", "--debug", "--apdu",
                 "--config", os.path.dirname(CONF)],
                stdout=log_file, stderr=log_file, env=environment())
        Pcscd.all.append(self)
        os.environ["pcscd_pid"] = str(self.process.pid)
        wait_for(lambda: scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)[0] == 0, 20)
        self.start_time = time.monotonic() - self.started

    def log(self):
        with open(os.environ["e2e_log"], errors="replace") as f:
            f.seek(self.begin)
            return f.read()

    def alive(self):
        return self.process.poll() is None and pcscd_alive()

    def stop(self, how=signal.SIGTERM):
        """Ends pcscd; returns the seconds and the exit status, or None when pcscd was dead."""
        if self.process.poll() is not None:
            return None
        before = time.monotonic()
        self.process.send_signal(how)
        self.process.wait()
        took = time.monotonic() - before
        for port in Port.all:
            port.tell("closed")
        return took, self.process.returncode

    def stop_well(self, name):
        took = self.stop()
        ok(took and took[1] == 0 and took[0] < 15, name + ": pcscd exits cleanly", took)


def environment():
    """The environment for a driver with the address sanitizer, whose library must be loaded first."""
    env = dict(os.environ)
    needs = subprocess.run(["ldd", TWIN], capture_output=True, text=True).stdout
    asan = re.search(r"=> (\S*libasan\S*)", needs)
    if asan:
        env["LD_PRELOAD"] = asan.group(1) + ":" + env.get("LD_PRELOAD", "")
        # pcscd itself is not instrumented, and leaks memory
        env["ASAN_OPTIONS"] = "detect_leaks=0:abort_on_error=1:verify_asan_link_order=0"
    return env


def timed(what, *args):
    before = time.monotonic()
    return what(*args), time.monotonic() - before


def wait_state(context, reader, present):
    """Waits by SCardGetStatusChange in a thread, starting from the current state; returns a function that says
    whether the wanted state came, and after how long."""
    state = context.state(reader)[0]
    answer = []

    def wait():
        own = Context()
        known, end = state, time.monotonic() + 10
        wanted = scard.SCARD_STATE_PRESENT if present else scard.SCARD_STATE_EMPTY
        while not known & wanted and time.monotonic() < end:
            rv, states = scard.SCardGetStatusChange(own.handle, 5000, [(reader, known)])
            known = states[0][1]
        answer.append(bool(known & wanted))

    before = time.monotonic()
    thread = threading.Thread(target=wait)
    thread.start()

    def result():
        thread.join()
        return answer[0], time.monotonic() - before
    return result


def exchanges(card, where, top=255):
    """Echoes bytes and compares all of them."""
    same(card.apdu(short(0x10)), OK, where + " case 1")
    for n in (1, 2, 127, 128, 246, 247, 255, 256):
        same(card.apdu(short(0x14, le=n)), pattern(n) + OK, "%s case 2, %d bytes" % (where, n))
    for n in (1, 2, 127, 200, 253, 254, 255):
        same(card.apdu(short(0x12, 1, data=pattern(n))), OK, "%s case 3, %d bytes" % (where, n))
    for n in (1, 31, 32, 33, 200, 246, 247, 255):
        ok(card.echo(bytes((13 * i + n) & 0xff for i in range(n))), "%s case 4, %d bytes" % (where, n))
    if card.protocol == T1:
        data = bytes((7 * i) & 0xff for i in range(1500))
        same(card.apdu(extended(0x16, data=data, le=65536)), data + OK, where + " case 4E, 1500 bytes")
        same(card.apdu(extended(0x14, le=2000)), pattern(2000) + OK, where + " case 2E, 2000 bytes")


def own_client(part, *arguments):
    """Runs the part in a process of its own: a client of pcsc-lite 2.5 that has seen more readers in an earlier pcscd
    lists none any more (doc/pcsclite-client.md). This process is never a client."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            part(*arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
            status = 1
            for pcscd in Pcscd.all:	# the next part begins without a pcscd
                pcscd.process.kill()
                pcscd.process.wait()
        sys.stdout.flush()
        os._exit(status)
    if os.waitpid(child, 0)[1] != 0:
        ok(False, part.__name__ + " has finished")


def kinds():
    """Each kind of reader, with a card of either protocol in each of its slots."""
    for kind, slots in (("GemPCTwin", 1), ("GemPCPinPad", 1), ("GemCorePOSPro", 5), ("GemCoreSIMPro", 2),
                        ("GemCoreSIMPro2", 2), ("SEC1210", 2), ("SEC1210UR2", 2), ("SEC1210URT", 1)):
        for first in ("t0", "t1"):
            specs = [first] if slots == 1 else (["t0", "t1"] if first == "t0" else ["t1", "t0"]) * 3
            specs = specs[:slots]
            own_client(one_kind, kind, specs)


def one_kind(kind, specs):
    slots = len(specs)
    port = Port(kind, *specs)
    pcscd = Pcscd((kind, port.path + ":" + kind))
    context = Context()
    names = context.wait_readers(slots)
    same(names, ["%s 00 %02X" % (kind, i) for i in range(slots)], kind + ": its slots")
    for name, spec in zip(names, specs):
        where = "%s, slot %s, %s:" % (kind, name[-1], spec)
        context.wait_card(name)
        wait_for(lambda: context.state(name)[1])
        same(context.state(name)[1].hex(), ATR[spec], where + " the ATR")
        rv, card = context.connect(name)
        if not ok(rv == 0, where + " connect", rv_name(rv)):
            continue
        same(card.protocol, T0 if spec == "t0" else T1, where + " the protocol")
        if name == names[0]:
            exchanges(card, where)
        else:
            same(card.apdu(short(0x14, le=200)), pattern(200) + OK, where + " 200 bytes")
            ok(card.echo(b"slot %d" % int(name[-1])), where + " echo")
        same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, where + " disconnect")
    ok(TWIN in open("/proc/%d/maps" % pcscd.process.pid).read() and TWIN in pcscd.log(),
       kind + ": the tested library answered")
    pcscd.stop_well(kind)
    port.end(kind)


def default_kind():
    """Device names: without a kind, in upper case, with a colon in the path."""
    port = Port("GemPCTwin", "t1")
    colon = port.path + ":with:colons"
    os.symlink(os.readlink(port.path), colon)
    for device in (port.path, port.path + ":GEMPCTWIN", colon + ":gempctwin"):
        pcscd = Pcscd(("Twin", device))
        context = Context()
        names = context.wait_readers(1)
        ok(names and context.wait_card(names[0]), device + ": a reader with a card", pcscd.log()[-2000:])
        rv, card = context.connect("Twin 00 00")
        ok(card and card.echo(b"hello"), device + ": an APDU", rv_name(rv))
        pcscd.stop_well(device)
    os.unlink(colon)
    port.end("default kind")


def five_slots():
    """All slots of one line at once; cards come and go in some of them meanwhile."""
    port = Port("GemCorePOSPro", "t1 hist=30", "t0 hist=31", "t1 hist=32", "t0 hist=33", "")
    pcscd = Pcscd(("POS", port.path + ":GemCorePOSPro"))
    context = Context()
    names = context.wait_readers(5)
    for i, name in enumerate(names[:4]):
        wait_for(lambda: context.state(name)[1])
        ok(bytes([0x30 + i]) in context.state(name)[1][2:], "the ATR of slot %d belongs to that slot" % i)
    ok(not context.has_card(names[4]), "slot 4 is empty")
    results = {}

    def work(i):
        own = Context()
        rv, card = own.connect(names[i])
        results[i] = rv == 0 and all(card.echo(bytes([i, n]) * 30) for n in range(10))
        if card:
            card.disconnect()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    result = wait_state(context, names[4], True)
    port.tell("insert", 4, "t1")
    came, took = result()
    ok(came and took < 8, "a card comes into slot 4 while the others work", took)
    for t in threads:
        t.join()
    for i in range(4):
        ok(results.get(i), "slot %d: ten APDUs while the others work" % i)
    rv, card = context.connect(names[4])
    ok(card and card.echo(b"new"), "slot 4 works", rv_name(rv))
    same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, "disconnect")
    port.tell("remove", 2)
    ok(context.wait_card(names[2], False), "the card of slot 2 is removed")
    same([context.has_card(n) for n in names], [True, True, False, True, True], "all other cards are still there")
    pcscd.stop_well("five slots")
    port.end("five slots")


def movements():
    for kind in ("GemPCTwin", "GemCorePOSPro", "SEC1210URT"):
        own_client(moves, kind)


def moves(kind):
    port = Port(kind, "")
    pcscd = Pcscd((kind, port.path + ":" + kind))
    context = Context()
    name = context.wait_readers(1 if kind != "GemCorePOSPro" else 5)[0]
    ok(context.wait_card(name, False), kind + ": no card at first")
    for spec in ("t1", "t0"):
        result = wait_state(context, name, True)
        port.tell("insert", 0, spec)
        came, took = result()
        ok(came and took < 8, "%s: SCardGetStatusChange reports the insertion" % kind, took)
        wait_for(lambda: context.state(name)[1])
        same(context.state(name)[1].hex(), ATR[spec], "%s: ATR of %s" % (kind, spec))
        rv, card = context.connect(name)
        ok(card and card.echo(b"here"), "%s: it works" % kind, rv_name(rv))
        result = wait_state(context, name, False)
        port.tell("remove", 0)
        came, took = result()
        ok(came and took < 8, "%s: SCardGetStatusChange reports the removal" % kind, took)
        rv, _ = card.raw(short(0x10))
        ok(rv in (scard.SCARD_W_REMOVED_CARD, scard.SCARD_E_NO_SMARTCARD), kind + ": an APDU without a card fails", rv_name(rv))
        card.disconnect()
    # removed and inserted between two polls: still another card
    port.tell("insert", 0, "t1")
    context.wait_card(name)
    rv, card = context.connect(name)
    port.tell("remove", 0)
    port.tell("insert", 0, "t0")
    rv, _ = card.raw(short(0x10))
    ok(rv != 0, kind + ": a card that was exchanged is not taken for the first one", rv_name(rv))
    card.disconnect()
    ok(wait_for(lambda: context.state(name)[1].hex() == ATR["t0"]), kind + ": the ATR of the new card is shown")
    pcscd.stop_well(kind)
    port.end(kind + " movements")


def two_at_once():
    ports = [Port("GemPCTwin", "t1"), Port("GemCoreSIMPro", "t0", "t1")]
    pcscd = Pcscd(("One", ports[0].path + ":GemPCTwin"), ("Two", ports[1].path + ":GemCoreSIMPro"))
    context = Context()
    names = context.wait_readers(3)
    same(names, ["One 00 00", "Two 01 00", "Two 01 01"], "two lines, three slots")
    for name in names:
        context.wait_card(name)
    other = Context()  # commands of one context wait for each other
    rv, slow = other.connect(names[0])
    rv, card = context.connect(names[1])
    answer = []
    thread = threading.Thread(target=lambda: answer.append(slow.apdu(short(0x18, 0x1F, 0x40, b"slow", 256))))
    before = time.monotonic()
    thread.start()
    time.sleep(0.1)
    ok(all(card.echo(b"fast %d" % i) for i in range(5)), "the second line works")
    ok(time.monotonic() - before < 6, "it works while the first line is busy", time.monotonic() - before)
    thread.join()
    same(answer[0], b"slow" + OK, "the first line completes its command")
    ports[0].end()
    ok(card.echo(b"alone"), "the first line is cut: the second one goes on working")
    pcscd.stop_well("two lines")
    ports[1].end("two lines")


def pin_structure(pin_apdu, minimum=4, maximum=8):
    return struct.pack("<BBBBBHBBHB3sI", 30, 0, 0x82, 0x08, 0x00, minimum << 8 | maximum, 0x02, 0x01, 0x0409, 0,
                       b"\0\0\0", len(pin_apdu)) + pin_apdu


def features(card):
    rv, answer = scard.SCardControl(card.handle, scard.SCARD_CTL_CODE(3400), [])
    answer = bytes(answer)
    return {answer[i]: int.from_bytes(answer[i + 2:i + 6], "big") for i in range(0, len(answer), 6)}


def keypad():
    for spec in ("proto=1 pin=1234 tries=3", "proto=0 pin=1234 tries=3"):
        port = Port("GemPCPinPad", spec)
        pcscd = Pcscd(("Pad", port.path + ":GemPCPinPad"))
        context = Context()
        name = context.wait_readers(1)[0]
        context.wait_card(name)
        rv, card = context.connect(name)
        where = "T=%d:" % (card.protocol == T1)
        known = features(card)
        ok(VERIFY_PIN_DIRECT in known and TLV_PROPERTIES in known, where + " the features of a keypad", known)
        verify = pin_structure(bytes.fromhex("0020000008ffffffffffffffff"))

        def enter(keys):
            timer = threading.Timer(0.5, lambda: port.tell("keys", keys))
            timer.start()
            rv, answer = scard.SCardControl(card.handle, known[VERIFY_PIN_DIRECT], list(verify))
            timer.join()
            return bytes(answer) if rv == 0 else rv_name(rv)

        same(enter("1234\\n"), OK, where + " the right PIN")
        same(enter("4321\\n"), b"\x63\xc2", where + " a wrong PIN")
        same(enter("12\\e"), b"\x64\x01", where + " cancelled")
        ok(card.echo(b"after"), where + " an APDU after it")
        same(enter("1234\\n"), OK, where + " the right PIN again")
        ok("31323334" not in pcscd.log().replace(" ", ""), where + " the PIN is not in the log")
        pcscd.stop_well("keypad " + where)
        port.end("keypad " + where)


def again():
    """pcscd ends, normally or killed, and starts again; the reader keeps its power."""
    port = Port("GemCorePOSPro", "t1", "t0")
    for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
        pcscd = Pcscd(("POS", port.path + ":GemCorePOSPro"))
        context = Context()
        names = context.wait_readers(5)
        same(len(names), 5, "five slots")
        for name in names[:2]:
            context.wait_card(name)
            rv, card = context.connect(name)
            ok(card and card.echo(b"again"), name + " works", rv_name(rv))
        if how == signal.SIGKILL:	# in the middle of a command
            thread = threading.Thread(target=lambda: card.raw(short(0x18, 0x0B, 0xB8, b"slow")))
            thread.start()
            time.sleep(0.3)
        took = pcscd.stop(how)
        ok(took and took[1] in (0, -9) and took[0] < 15, "signal %d ends pcscd" % how, took)
        if how == signal.SIGKILL:
            thread.join()
    port.end()


def strangers():
    """A device that is not a reader is reported clearly and soon."""
    port = Port("GemPCTwin", "t1")
    good = ("Good", port.path + ":GemPCTwin")
    master, slave = os.openpty()
    plain = TMP + "/plain"
    open(plain, "w").close()
    for what, device, wanted in (
            ("no such port", TMP + "/none:GemPCTwin", "No such file or directory"),
            ("a file", plain + ":GemPCTwin", "is not a serial line"),
            ("/dev/null", "/dev/null:GemPCTwin", "is not a serial line"),
            ("a silent line", os.ttyname(slave) + ":GemPCTwin", "no GemPCTwin answers"),
            ("a silent line", os.ttyname(slave) + ":GemCoreSIMPro2", "no GemCoreSIMPro2 answers"),
            ("a USB name", "usb:08e6/3437:libusb-1.0:1:2:0", "")):
        pcscd = Pcscd(("Stranger", device), good)
        ok(wanted in pcscd.log(), what + ": the log says why", pcscd.log()[-1500:])
        ok(pcscd.start_time < 12, what + ": pcscd starts within 12 s (3 s if nothing else runs)", pcscd.start_time)
        context = Context()
        same(len(context.wait_readers(1)), 1, what + ": only the other reader is listed")
        rv, card = context.connect(context.readers()[0])
        ok(card and card.echo(b"good"), what + ": the other reader works", rv_name(rv))
        pcscd.stop_well(what)
    chatter(master, slave, good)
    pcscd = Pcscd(("Unknown", port.path + ":GemPCQuad"))
    context = Context()
    name = context.wait_readers(1)[0]
    context.wait_card(name)
    rv, card = context.connect(name)
    ok(card and card.echo(b"good"), "unknown kind: taken for a GemPCTwin", rv_name(rv))
    ok("GemPCTwin, GemPCPinPad, GemCorePOSPro, GemCoreSIMPro, GemCoreSIMPro2, SEC1210, SEC1210UR2, SEC1210URT"
       in pcscd.log(), "unknown kind: the log lists the known kinds", pcscd.log()[-1500:])
    pcscd.stop_well("unknown kind")
    port.end("strangers")


def chatter(master, slave, good):
    """Lines without a reader: a modem that echoes everything, and constant noise."""
    for what in ("echo", "noise"):
        stop = threading.Event()

        def talk():
            os.set_blocking(master, False)
            n = 0
            while not stop.wait(0.002):
                try:
                    heard = os.read(master, 256)
                    os.write(master, heard if what == "echo" else b"")
                except BlockingIOError:
                    pass
                if what == "noise":
                    n += 1
                    try:
                        os.write(master, bytes((n * 7 + i * i) & 0xff for i in range(16)))
                    except BlockingIOError:
                        pass

        thread = threading.Thread(target=talk)
        thread.start()
        pcscd = Pcscd(("Stranger", os.ttyname(slave) + ":GemPCTwin"), good)
        ok("no GemPCTwin answers" in pcscd.log(), what + ": the log says why", pcscd.log()[-1500:])
        ok(pcscd.start_time < 12, what + ": pcscd starts within 12 s (3 s if nothing else runs)", pcscd.start_time)
        ok(len(Context().wait_readers(1)) == 1, what + ": it is not a reader")
        pcscd.stop_well(what)
        stop.set()
        thread.join()


def faults():
    """A damaged frame is never used: an exchange returns the right bytes, or an error."""
    for spec in ("t0", "t1"):
        port = Port("GemPCTwin", spec)
        pcscd = Pcscd(("Twin", port.path + ":GemPCTwin"))
        context = Context()
        name = context.wait_readers(1)[0]
        context.wait_card(name)
        ok(wait_for(lambda: context.state(name)[1]), spec + ": the card is there")
        for fault, repaired in (("bad-lrc count=1", True), ("bad-lrc count=2", True), ("nak count=1", True),
                                ("nak count=3", True), ("garbage count=1", True), ("garbage", True),
                                ("too-long count=1", True), ("half count=1", True),
                                ("bad-lrc", False), ("nak", False), ("too-long", False), ("half", False),
                                ("silence", False)):
            # a silent T=0 card has 232 s for a byte: only the tests on a virtual clock wait so long
            if spec == "t0" and fault == "silence":
                continue
            where = "%s, %s:" % (spec, fault)
            rv, card = context.connect(name)
            if not ok(rv == 0, where + " connect", rv_name(rv)):
                continue
            right = bytes((i * 3 + len(fault)) & 0xff for i in range(200))
            ok(card.echo(right), where + " before")
            port.tell("fault", fault)
            if repaired:
                ok(card.echo(right), where + " the right bytes nevertheless")
            else:
                (rv, answer), took = timed(card.raw, short(0x10) if fault == "silence" else short(0x14, le=200))
                ok(rv != 0 and answer == b"", where + " an error, and no byte", (rv_name(rv), answer))
                ok(took < BOUND, where + " within a bounded time", took)
                print("# %s %.1f s" % (where, took))
            port.tell("fault", "clear")
            card.disconnect(scard.SCARD_UNPOWER_CARD)
            ok(wait_for(lambda: works(context, name, right), BOUND), where + " works again after the fault")
        ok(pcscd.alive(), spec + ": pcscd is still running")
        pcscd.stop_well(spec + ", faults")
        port.end()


def works(context, name, data):
    rv, card = context.connect(name)
    good = rv == 0 and card.echo(data)
    if card:
        card.disconnect(scard.SCARD_UNPOWER_CARD)
    return good


def hang_up():
    for when in ("idle", "in a command", "silent, then pulled"):
        port = Port("GemCorePOSPro", "t1", "t0")
        pcscd = Pcscd(("POS", port.path + ":GemCorePOSPro"))
        context = Context()
        names = context.wait_readers(5)
        context.wait_card(names[0])
        rv, card = context.connect(names[0])
        ok(card and card.echo(b"line"), when + ": works", rv_name(rv))
        answer = []
        thread = threading.Thread(target=lambda: answer.append(timed(card.raw, short(0x18, 0x27, 0x10, b"x", 256))))
        if when != "idle":
            thread.start()
            time.sleep(0.3)
        if when == "silent, then pulled":
            port.tell("fault", "silence")
            time.sleep(0.3)
        # pcscd sleeps for 1 s when a reader is gone
        pulled = time.monotonic()
        port.end()
        if when != "idle":
            thread.join()
            (rv, _), _ = answer[0]
            ok(rv != 0 and time.monotonic() - pulled < 6, when + ": the command ends at once",
               (rv_name(rv), time.monotonic() - pulled))
        (rv, _), took = timed(card.raw, short(0x10))
        ok(rv != 0 and took < 6, when + ": the next command fails, too", (rv_name(rv), took))
        ok(wait_for(lambda: not context.has_card(names[1])), when + ": no card is shown any more")
        before = time.process_time(), cpu(pcscd)
        time.sleep(1)
        ok(cpu(pcscd) - before[1] < 0.2, when + ": pcscd does not spin", cpu(pcscd) - before[1])
        ok(pcscd.alive(), when + ": pcscd is still running")
        pcscd.stop_well(when)


def cpu(pcscd):
    """Seconds of processor time."""
    fields = open("/proc/%d/stat" % pcscd.process.pid).read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


PARTS = (kinds, default_kind, five_slots, movements, two_at_once, keypad, again, strangers, faults, hang_up)
shutil.copy(os.environ["CCID_TWIN"], TWIN)
for part in PARTS:
    if len(sys.argv) < 2 or part.__name__ in sys.argv[1:]:
        own_client(part)
