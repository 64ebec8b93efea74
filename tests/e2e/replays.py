# SPDX-License-Identifier: LGPL-2.1-or-later
"""Record, replay, record, for the readers of every scenario.

    replays.py readers FOLDER           all readers of the scenarios, alike ones once: FOLDER/first.PART.sim
    replays.py talk FOLDER WHICH PART   inside of ccid-sim: a talk with each reader, recorded in FOLDER/WHICH/
    replays.py replayed FOLDER          the recordings as readers: FOLDER/again.PART.sim
    replays.py compare FOLDER SAID      TAP: the second recording is the first

What may differ, because it depends on the speed of the machine and on pcscd's own clock: times, polls, when a card that no
program uses is switched off and on, and how the messages of several slots, or interfaces, are mixed."""

import difflib
import glob
import os
import re
import subprocess
import sys
import time

# Readers that the driver does not know, readers without cards, faults of the system.
NOT_HERE = ("add", "class", "parse", "usbfs_faults", "usbfs_siege")
# Most of the time is waiting: so many talks at once.
PARTS = 4
HERE = os.path.dirname(os.path.abspath(__file__))


# --- readers ---

def sections(path):
    """The readers of a file: name, lines."""
    found = []
    with open(path, encoding="utf-8") as text:
        for line in text:
            line = re.sub(r"(^| )#.*", "", line.strip())
            if line.startswith("reader "):
                found.append((line[7:], []))
            elif line:
                found[-1][1].append(line)
    return found


def tame(line):
    """A program's card is one of ours here; each reader is there once, and comes when it is its turn."""
    line = re.sub(r"vpcd:\d+( wait=\d+)?( t0)?", lambda m: (m.group(2) or "t1").strip(), line)
    return "" if re.match(r"unplugged|copies|serial", line) else re.sub(r" (hist|time_us)=\S+", "", line)


def write_readers(folder):
    seen, turn = set(), 0
    files = [open(f"{folder}/first.{part}.sim", "w", encoding="utf-8") for part in range(PARTS)]
    for path in sorted(glob.glob(HERE + "/readers/*.sim")):
        scenario = os.path.basename(path)[:-4]
        for name, lines in sections(path) if scenario not in NOT_HERE else ():
            body = "\n\t".join(filter(None, map(tame, lines)))
            if "card " in body and "fault" not in body and body not in seen:
                files[turn % PARTS].write(f"reader {scenario}-{name}\n\t{body}\n\tunplugged\n")
                turn += 1
                seen.add(body)
    for out in files:
        out.close()


def names(folder):
    return sorted(name for path in glob.glob(folder + "/first.*.sim") for name, _ in sections(path))


def write_replayed(folder):
    for part in range(PARTS):
        with open(f"{folder}/again.{part}.sim", "w", encoding="utf-8") as out:
            for name, _ in sections(f"{folder}/first.{part}.sim"):
                recording = f"{folder}/first/{name}.ccidlog"
                if os.path.exists(recording) and os.path.getsize(recording):
                    out.write(f"reader {name}\n\treplay = {recording}\n\tunplugged\n")


# --- the talk ---

def is_moved(name):
    """Readers of scenarios where cards and readers come and go."""
    return name.split("-")[0] in ("single", "slots", "composite")


class Talk:
    """With the reader that is plugged; what was heard is written down."""

    def __init__(self, name, live, said):
        import e2e
        self.e2e, self.name, self.live, self.said = e2e, name, live, said
        self.context = e2e.Context()

    def note(self, what, result):
        text = result.hex() if isinstance(result, bytes) else str(result)
        self.said.write(f"{what}: {text}\n")

    def with_card(self, reader, card):
        e = self.e2e
        commands = [e.short(0x10), e.short(0x14, le=200), e.short(0x12, 1, data=e.pattern(100)),
                    e.short(0x16, data=e.pattern(60), le=None if card.protocol == e.T0 else 256),
                    e.short(0x1A, 0x6A, 0x82), e.short(0xA4, 2, 0x0C, b"\x2f\x00", cla=0),
                    e.short(0xB0, le=16, cla=0), e.short(0x20, 0, 1, b"1234\xff\xff\xff\xff", cla=0)]
        if card.protocol != e.T0:
            commands += [e.extended(0x14, le=600), e.extended(0x16, data=e.pattern(400), le=65536)]
        for command in commands:
            self.note(f"{reader} {command[:6].hex()}", card.apdu(command))

    def control(self, reader, card):
        e = self.e2e
        code = e.scard.SCARD_CTL_CODE
        for number, data in ((3400, b""), (1, b"\x02"), (0x330000 + 18, b""), (0x330000 + 10, b"")):
            rv, answer = e.scard.SCardControl(card.handle, code(number), list(data))
            self.note(f"{reader} control {number}", bytes(answer) if rv == 0 else e.rv_name(rv))
            if number == 3400 and rv == 0 and 6 in answer[::6]:
                self.pin(reader, card)

    def pin(self, reader, card):
        """A person types, where it is not the recording that does."""
        e = self.e2e
        structure = bytes.fromhex("1e00820800 0804 02 01 0904 00 000000 0d000000 0020000108 ffffffffffffffff")
        finger = subprocess.Popen([sys.executable, __file__, "press", self.name]) if self.live else None
        rv, answer = e.scard.SCardControl(card.handle, e.scard.SCARD_CTL_CODE(0x330000 + 6), list(structure))
        self.note(f"{reader} PIN", bytes(answer) if rv == 0 else e.rv_name(rv))
        if finger:
            finger.wait()

    def work(self, reader):
        e = self.e2e
        self.context.wait_card(reader)
        rv, card = self.context.connect(reader)
        self.note(f"{reader} connect", e.rv_name(rv))
        if not card:
            return
        self.note(f"{reader} ATR", card.atr())
        self.with_card(reader, card)
        self.control(reader, card)
        self.note(f"{reader} reset", card.reconnect(e.scard.SCARD_RESET_CARD))
        self.note(f"{reader} afterwards", card.apdu(e.short(0x10)))
        card.disconnect(e.scard.SCARD_UNPOWER_CARD)

    def movements(self, reader):
        """A card goes and another one comes; when, the recording says the second time."""
        e = self.e2e
        if self.live:
            time.sleep(0.2)
            e.sim("remove", self.name, 0)
            self.context.wait_card(reader, False)
            time.sleep(0.2)
            e.sim("insert", self.name, 0, "t0 hist=4e")
        e.wait_for(lambda: self.context.state(reader)[1][-1:] == b"\x4e")
        rv, card = self.context.connect(reader)
        self.note("the new card", card.apdu(e.short(0x14, le=9)) if card else e.rv_name(rv))

    def whole(self, count):
        readers = sorted(self.context.wait_readers(count), key=lambda name: name.split()[-2:])
        self.note("readers", readers)
        for reader in readers:
            self.work(reader)
        if is_moved(self.name):
            self.movements(readers[0])


def press(name):
    import e2e
    asked = os.environ["e2e_tmp"] + "/trace"
    e2e.wait_for(lambda: " Secure " in open(asked, encoding="utf-8").read())
    e2e.sim("keys", name, r"1234\n")


def visit(number, name, folder, which):
    """One reader, by a pcscd of its own; its conversation is recorded."""
    import e2e
    at = f"{folder}/{which}/{name}"
    e2e.sim("plug", number)
    shown = re.search(rf"^{number} ([0-9a-f:]+) .* slots ([0-9+]+)$", e2e.sim("list"), re.M)
    e2e.sim("trace", os.environ["e2e_tmp"] + "/trace")
    with open(at + ".log", "w", encoding="utf-8") as log:
        with subprocess.Popen([os.environ["CCID_SIM"], "record", "-k", "-o", at + ".ccidlog", shown.group(1), "--", "pcscd",
                               *os.environ["E2E_PCSCD_OPTIONS"].split(), "--foreground", "--debug"],
                              stdout=log, stderr=log) as pcscd:
            e2e.wait_for(lambda: os.path.exists("/run/pcscd/pcscd.comm"))
            # A program of its own: one that outlives pcscd is of no use to the next.
            subprocess.run([sys.executable, __file__, "one", name, which, at + ".said",
                            str(sum(map(int, shown.group(2).split("+"))))], timeout=60, check=False)
            pcscd.terminate()
    e2e.sim("trace", "off")
    e2e.sim("unplug", number)


def talk(folder, which, part):
    os.makedirs(f"{folder}/{which}", exist_ok=True)
    for number, (name, _) in enumerate(sections(f"{folder}/{which}.{part}.sim")):
        began = time.monotonic()
        visit(number, name, folder, which)
        print(f"# {name}: {time.monotonic() - began:.2f} s", flush=True)


def one(name, which, said, count):
    with open(said, "w", encoding="utf-8") as out:
        Talk(name, which == "first", out).whole(int(count))


# --- are they the same? ---

def first_interface(configuration):
    """bInterfaceNumber of the first smart-card interface, as the file writes it."""
    d, at = bytes.fromhex(configuration), 0
    while d[at + 1] != 4 or d[at + 5] not in (0x0B, 0xFF):
        at += d[at]
    return str(d[at + 2])


def conversation(path):
    """What was said in each slot of each interface, one after the other, and the class requests."""
    slots, interface, slot = {}, "", ""
    with open(path, encoding="ascii") as text:
        for line in text:
            line = re.sub(r" \([0-9.]+\)$", "", line.rstrip("\n"))
            word, _, rest = line.partition(" ")
            if word == "interface":
                interface = rest
            elif word in ("->", "<-", "out"):
                slot = rest[15:17] if len(rest) >= 29 else slot
                slots.setdefault((interface, slot), []).append(line)
            elif word == "ctl":
                slots.setdefault((interface, word), []).append(line)
            elif word in ("reader", "device", "configuration", "string", "plugged", "unplugged"):
                slots.setdefault("", []).append(line)
            if word == "configuration":
                interface = first_interface(rest)
    return {key: clocked(lines) for key, lines in slots.items()}


# GetSlotStatus, IccPowerOff; a token's GET_ICC_STATUS and ICC_POWER_OFF
PCSCD_DECIDES = re.compile(r"-> 6[35] |ctl A1 A0 |ctl 21 63 ")
POWER_ON = re.compile(r"-> 62 |ctl 21 62 ")


def clocked(lines):
    """Without what pcscd does by its clock: polls, switching an unused card off, and on again."""
    groups = []
    for line in lines:
        if line[:2] in ("->", "ct") or not groups:
            groups.append([])
        groups[-1].append(line)
    groups = [g for g in groups if not PCSCD_DECIDES.match(g[0])]
    return [line for i, g in enumerate(groups) for line in g
            if not (POWER_ON.match(g[0]) and i + 1 < len(groups) and g == groups[i + 1])]


def differences(folder, name):
    """What a person wants to see of it, as a list."""
    found, of = [], {}
    for which in ("first", "again"):
        path = f"{folder}/{which}/{name}"
        try:
            of[which] = conversation(path + ".ccidlog")
            with open(path + ".said", encoding="utf-8") as text:
                of[which]["said"] = text.read().split("\n")
        except OSError as why:
            return [str(why)]
    for key in sorted({*of["first"], *of["again"]}, key=str):
        a, b = of["first"].get(key, []), of["again"].get(key, [])
        if a != b:
            found.append(f"{key}:")
            found += list(difflib.unified_diff(a, b, "recorded", "replayed", lineterm="", n=1))[:24]
    return found


def compare(folder, said):
    """TAP. said: what ccid-sim had to say of drivers that did not follow."""
    with open(said, encoding="utf-8") as text:
        told = text.read().split("\n")
    for name in names(folder):
        found = differences(folder, name) + [line for line in told if f"{name}: " in line and line[0] != "#"]
        print(f"{'not ' * bool(found)}ok - {name}")
        for line in found:
            print("# " + line[:200])


if __name__ == "__main__":
    {"readers": write_readers, "talk": talk, "replayed": write_replayed, "compare": compare, "one": one,
     "press": press}[sys.argv[1]](*sys.argv[2:])
