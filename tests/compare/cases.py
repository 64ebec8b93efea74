# SPDX-License-Identifier: LGPL-2.1-or-later
"""The conversations: each case is a reader, a card and the steps of tests/compare/play.c."""

import csv
import pathlib

TOP = pathlib.Path(__file__).resolve().parents[2]
ESCAPE = 0x42000001
VERIFY, MODIFY = 0x42330006, 0x42330007
FEATURES, IFD_PROPERTIES, TLV, MCT = 0x42000D48, 0x4233000A, 0x42330012, 0x42330008

BRIEF, WHOLE = 0, 1


class Case:
    def __init__(self, group, name, sim, steps, options=0):
        self.name = f"{group}/{name}"
        self.sim, self.steps, self.options = sim, steps, options

    def text(self, drop):
        return "".join([f"case {self.name}\n", f"drop {drop}\n", *(f"sim {x}\n" for x in self.sim),
                        *(f"do {x}\n" for x in self.steps)])


def table():
    """Rows of the reader table, with "from": the device's name in the simulator."""
    seen, rows, before, place = {}, [], None, ""
    with open(TOP / "readers/reader_descriptors.tsv", newline="", encoding="utf-8") as f:
        for r in csv.DictReader(f, delimiter="\t"):
            key, number = (r["dump"], r["idVendor"], r["idProduct"]), int(r["bInterfaceNumber"])
            if not before or before[0] != key or number <= before[1]:
                ident = f"{r['idVendor']}:{r['idProduct']}"
                place = f"{ident}#{seen.setdefault(ident, 0)}"
                seen[ident] += 1
            before = key, number
            rows.append({**r, "from": place})
    return rows


def features(row):
    return int(row["dwFeatures"], 16)


def kind(row):
    """The reader's level, as rows of the table of differences name it."""
    level = {0: "char", 1: "tpdu", 2: "short", 4: "extended"}.get(features(row) >> 16 & 7, "level")
    return f"iccd-{level}" if row["bInterfaceProtocol"] in "12" and row["bNumEndpoints"] in "01" else level


def sim_of(row, card):
    lines = ["reader r", f"from = {row['from']}", f"interface = {row['bInterfaceNumber']}"]
    return lines + [f"card 0 = {card}"] if card else lines


def opened(row, *then):
    return [f"open {row['bInterfaceNumber']}", *then]


def label(row):
    return f"{kind(row)}/{row['from']}.{row['bInterfaceNumber']}"


SELECT, READ, ECHO = "00A40000023F00", "00B0000010", "8016000004DEADBEEF04"
EXCHANGE = ["apdu 00A40004", f"apdu {SELECT}", f"apdu {READ}", f"apdu {ECHO}", "apdu 80160000FA@250"]
ATTRIBUTES = ["0303", "0fb2", "0fae", "0faf", "0fad", "0fac", "0fb0", "0fb1", "10100", "10102", "10103", "10104",
              "90300", "90301", "fabc", "7a007", "7fff0"]


def readers(level):
    """Every interface of the table, with a card that speaks both protocols."""
    for row in table():
        for t in (0, 1):
            base = [f"open {row['bInterfaceNumber']}", "presence", "power up", f"proto {t}", *EXCHANGE, "power reset",
                    f"proto {t}", f"apdu {SELECT}", "power down", "presence", "close"]
            yield Case("readers", f"{label(row)}/t{t}", sim_of(row, f"t{t}"), base)
        if level == WHOLE or int(row["idProduct"], 16) % 8 == 0:
            yield Case("empty", label(row), sim_of(row, ""), opened(row, "presence", "power up", "close"))


def chosen():
    """Few readers: one of each level, with and without automatic parameters, as wide as the table has them."""
    rows, seen = [], set()
    for row in table():
        f = features(row)
        key = kind(row), bool(f & 0x40), bool(f & 0x80), bool(f & 2), row["bMaxSlotIndex"] != "0x00" and kind(row)
        if key not in seen:
            seen.add(key)
            rows.append(row)
    return rows


def one_of_each():
    got = {}
    for row in table():
        if row["bMaxSlotIndex"] == "0x00" and row["bInterfaceClass"] == "0x0B" and row["bNumEndpoints"] == "3" \
           and int(row["dwProtocols"], 16) & 3 == 3:
            got.setdefault(kind(row), row)
    return list(got.values())


def atrs():
    """Answers to reset: from the list of pcsc-tools if it is installed, and from the project's own list."""
    out = []
    for line in (TOP / "tests/vectors/atr.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            out.append(line.split("|")[0].replace(" ", ""))
    listed = pathlib.Path("/usr/share/pcsc/smartcard_list.txt")
    classes = {}
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            digits = line.replace(" ", "").strip()
            if line[:2] in ("3B", "3F") and all(c in "0123456789ABCDEF" for c in digits) and len(digits) % 2 == 0:
                classes.setdefault(shape(bytes.fromhex(digits)), digits)
    return out, list(classes.values())


def shape(atr):
    """The class of an ATR: convention, TA1, protocols, TC1 and whether there is a TA2."""
    try:
        at, y, level, protocols, ta1, tc1, ta2 = 2, atr[1] >> 4, 1, (), None, None, None
        while True:
            for bit, name in ((1, "a"), (2, "b"), (4, "c")):
                if y & bit:
                    if level == 1 and name == "a":
                        ta1 = atr[at]
                    if level == 1 and name == "c":
                        tc1 = atr[at] in (0, 255) and atr[at]
                    if level == 2 and name == "a":
                        ta2 = atr[at]
                    at += 1
            if not y & 8:
                return atr[0], ta1, tc1, ta2, protocols
            y, protocols = atr[at] >> 4, protocols + (atr[at] & 15,)
            at, level = at + 1, level + 1
    except IndexError:
        return ("short", len(atr))


def cards(level):
    """Few readers, all classes of cards."""
    own, listed = atrs()
    few = own[:60] + listed[::1 if level == WHOLE else 12]
    for row in chosen() if level == WHOLE else one_of_each():
        for atr in dict.fromkeys(few):
            for t in (0, 1):
                yield Case("cards", f"{label(row)}/{atr[:66]}/t{t}", sim_of(row, f"atr={atr}"),
                           opened(row, "power up", f"proto {t}", f"apdu {SELECT}", f"apdu {READ}", "close"))


APDUS = {
    "case1": "00A40004", "case2s": "00B0000010", "case2s-256": "00B0000000", "case3s": "80160000 04 01020304",
    "case3s-255": "80160000 FF @255", "case4s": "80160000 04 01020304 04", "case4s-255": "80160000 FF @255 00",
    "case2e": "00B00000 000010", "case2e-max": "00B00000 000000", "case3e": "80160000 000004 01020304",
    "case3e-256": "80160000 000100 @256", "case4e": "80160000 000004 01020304 0004",
    "case4e-300": "80160000 00012C @300 0000", "case4e-max": "80160000 00FFFF @65535 0000",
    "case3e-max": "80160000 00FFFF @65535", "case4e-2000": "80160000 0007D0 @2000 07D0", "empty": "", "one": "00",
    "two": "00A4", "three": "00A400", "lc-lies": "80160000 08 01", "lc-more": "80160000 01 010203040506",
    "lc0": "8016000000", "lc0e": "80160000000000", "le-one-byte": "80160000 000004 01020304 04", "pps-like": "FF10FF",
    "cla-ff": "FFCA000000",
    "@261": "00 A4 00 00 FF @255 00", "longer": "80160000 00FFFF @65535 000000",
}


def apdus(level):
    for row in chosen() if level == WHOLE else one_of_each():
        for t in (0, 1):
            for name, apdu in APDUS.items():
                yield Case("apdus", f"{label(row)}/t{t}/{name}", sim_of(row, f"t{t} applet=echo"),
                           opened(row, "power up", f"proto {t}", f"apdu {apdu}", f"apdu {SELECT}", "close"))


def protocols(level):
    del level
    for row in chosen():
        for card in ("t0", "t1", "t0t1", "t0specific", "t1specific", "t0basic", "mute", "lowvolt"):
            yield Case("protocols", f"{label(row)}/{card}", sim_of(row, card),
                       opened(row, "power up", "proto 1", f"apdu {SELECT}", "power up", "proto 0", f"apdu {SELECT}",
                              "power reset", "proto 2", "proto 1 1 95", "proto 0", f"apdu {SELECT}", "close"))
        for options in (0x00, 0x10, 0x20, 0x30):
            for classes in ("A", "B", "C", "ABC"):
                yield Case("voltage", f"{label(row)}/{options:02x}/{classes}", sim_of(row, f"t1 classes={classes}"),
                           [f"open {row['bInterfaceNumber']}", "power up", "power down", "power up", "close"], options)


def controls(level):
    for row in table() if level == WHOLE else chosen():
        steps = [f"open {row['bInterfaceNumber']}", "power up", "proto 1"]
        codes = (FEATURES, IFD_PROPERTIES, TLV, MCT, 0x313520, 0x42330013, 0x42000E10, 0x42000E11, VERIFY,
                 MODIFY, 0x42000002)
        steps += [f"control {code:x} {data}" for code in codes for data in ("", "00")]
        steps += [f"control {ESCAPE:x} {data}" for data in ("", "02", "0102030405", "6A")]
        steps += [f"attr {tag}" for tag in ATTRIBUTES]
        yield Case("controls", label(row), sim_of(row, "t1"), steps + ["close"])
        yield Case("escape", label(row), sim_of(row, "t1"),
                   opened(row, f"control {ESCAPE:x} 02", f"control {ESCAPE:x} 1F02", "close"), 1)


def pin_structures():
    """(name, code, structure): PC/SC part 10, 2.5.2 and 2.5.3, byte order as the host has it."""
    def u16(v):
        return v.to_bytes(2, "little").hex()

    def verify(fmt=0x82, block=0x04, length=0x00, extra=0x0804, validation=2, messages=0, lang=0x0409,
               apdu="0020000100", t=30, t2=30):
        body = bytes.fromhex(apdu)
        return (f"{t:02x}{t2:02x}{fmt:02x}{block:02x}{length:02x}{u16(extra)}{validation:02x}{messages:02x}{u16(lang)}"
                f"00000000{len(body).to_bytes(4, 'little').hex()}{body.hex()}")

    def modify(confirm=3, messages=3, fmt=0x82, old=0, new=0, extra=0x0804, apdu="0024000000"):
        body = bytes.fromhex(apdu)
        return (f"1e1e{fmt:02x}0400{old:02x}{new:02x}{u16(extra)}{confirm:02x}02{messages:02x}{u16(0x0409)}000102000000"
                f"{len(body).to_bytes(4, 'little').hex()}{body.hex()}")

    yield from ((f"verify-{n}", VERIFY, s) for n, s in {
        "plain": verify(), "bcd": verify(fmt=0x81, block=0x08), "binary": verify(fmt=0x80),
        "block8": verify(fmt=0x82, block=0x48, apdu="0020000108FFFFFFFFFFFFFFFF"),
        "length": verify(length=0x04, apdu="002000010100"), "min0": verify(extra=0x0008),
        "messages": verify(messages=1),
        "messagesff": verify(messages=0xFF), "timeout0": verify(t=0, t2=0), "lang": verify(lang=0x0407),
        "max": verify(extra=0x0404, validation=1), "noapdu": verify(apdu=""), "gsm": verify(apdu="A020000100"),
        "short": verify()[:30], "lying": verify() + "00"}.items())
    yield from ((f"modify-{n}", MODIFY, s) for n, s in {
        "plain": modify(), "confirm0": modify(confirm=0), "confirm1": modify(confirm=1),
        "messages0": modify(messages=0), "messages1": modify(messages=1), "messages2": modify(messages=2),
        "messages4": modify(messages=4), "messagesff": modify(messages=0xFF),
        "offsets": modify(old=0, new=8, apdu="0024000010FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"), "bcd": modify(fmt=0x81),
        "short": modify()[:30]}.items())


def pins(level):
    rows = [r for r in table() if int(r["bPINSupport"], 16) & 3]
    seen = {}
    for row in rows:
        seen.setdefault((kind(row), row["bPINSupport"], row["wLcdLayout"]) if level == BRIEF else row["from"], row)
    for row in seen.values():
        for t in (0, 1):
            for name, code, structure in pin_structures():
                yield Case("pins", f"{label(row)}/t{t}/{name}", sim_of(row, f"t{t} pin=1234"),
                           opened(row, "power up", f"proto {t}", "keys 1234O", f"control {code:x} {structure}",
                                  f"apdu {SELECT}", "close"))


BEFORE = {"status": "presence", "power": "power up", "params": "proto 1", "xfr": f"apdu {SELECT}",
          "escape": f"control {ESCAPE:x} 02"}


def answers(level):
    """One answer is changed: its type, bStatus, bError, its length."""
    changes = [f"type={t:02x}" for t in (0x80, 0x81, 0x82, 0x83, 0x84, 0x50, 0x00, 0xFF)]
    errors = [0, 1, 5, 7, 8, 0x40, 0xE0, 0xEF, 0xF0, *range(0xF3, 0x100)] if level == BRIEF else \
        [0, *range(1, 0x80), 0xE0, 0xEF, 0xF0, *range(0xF3, 0x100)]
    changes += [f"status={0x40 | icc:02x} error={e:02x} body=0" for e in errors for icc in (0, 1, 2)]
    changes += [f"status={s:02x}" for s in (0x01, 0x02, 0x03, 0x80, 0xC0)]
    changes += ["delta=1", "delta=-1", "body=0", "body=1", "body=2", "slot=01"]
    for row in one_of_each():
        for where, step in BEFORE.items():
            steps = [f"open {row['bInterfaceNumber']}", "presence"]
            for name in ("power", "params"):
                if where in ("status", name):
                    break
                steps.append(BEFORE[name])
            for change in changes:
                yield Case("answers", f"{label(row)}/{where}/{change.replace(' ', ',')}", sim_of(row, "t1"),
                           [*steps, f"twist {change}", step, "presence", "close"], 1)


FAULTS = ["silent", "late-answer ms=500", "late-answer ms=5000", "slow-answer ms=500", "slow-answer ms=1500",
          "slow-answer ms=6000", "padded", "padded value=2", "length-more", "length-less", "stale", "duplicate",
          "zero-length", "short-answer", "wrong-seq", "exact", "no-zlp", "in-stall", "in-error", "overflow",
          "out-stall", "unplug", "time-extension value=0 count=3", "time-extension value=1 count=3",
          "time-extension value=20 count=3", "time-extension value=255 count=3", "endless-extension"]
NOTES = ["intr-short", "intr-long", "intr-unknown", "intr-overflow", "intr-stall", "hardware-error"]


def waits(level):
    del level
    for row in one_of_each():
        start = [f"open {row['bInterfaceNumber']}", "power up", "proto 1", f"apdu {SELECT}"]
        for fault in FAULTS:
            yield Case("faults", f"{label(row)}/{fault.replace(' ', ',')}", sim_of(row, "t1"),
                       start + [f"fault {fault} msg=6F", f"apdu {SELECT}", "presence", f"apdu {SELECT}", "close"])
        for note in NOTES:
            yield Case("notes", f"{label(row)}/{note}", sim_of(row, "t1"),
                       start + [f"fault {note}", "presence", f"apdu {SELECT}", "close"])
        for ms in (500, 2500, 30000, 600000):
            yield Case("slow", f"{label(row)}/{ms}", sim_of(row, f"t1 time_us={ms * 1000}"),
                       opened(row, "power up", "proto 1", f"apdu {SELECT}", "presence", "close"))
        for size in (42, 44, 46, 50, 52, 54, 108, 110, 118, 246):
            yield Case("packets", f"{label(row)}/{size}", sim_of(row, "t1 applet=echo") + ["zlp = off"],
                       start + [f"apdu 80160000{size:02X}@{size} {size:02X}", f"apdu {SELECT}", "close"])
        yield Case("cardout", label(row), sim_of(row, "t1"),
                   [*start, "remove", "presence", f"apdu {SELECT}", "insert t1", "presence", "power up", "proto 1",
                    f"apdu {SELECT}", "remove", "insert t1", f"apdu {SELECT}", "presence", "close"])
    for row in table():
        if row["bMaxSlotIndex"] != "0x00" and row["bInterfaceNumber"] == "0":
            yield Case("slots", label(row), sim_of(row, "t1") + ["card 1 = t1"],
                       ["open 0 0", "open 0 1", "presence", "power up", "slot 0", "presence", "power up", "proto 1",
                        f"apdu {SELECT}", "slot 1", "proto 1", f"apdu {SELECT}", "slot 0", "close", "slot 1",
                        f"apdu {SELECT}", "close"])


GROUPS = [readers, cards, apdus, protocols, controls, pins, answers, waits]


def every(level):
    for group in GROUPS:
        yield from group(level)
