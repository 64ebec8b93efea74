# SPDX-License-Identifier: LGPL-2.1-or-later
"""ccid-parse on simulated readers: text, JSON and the compressed dump have the same values as the reader table.
Prints TAP lines without a plan."""

import csv
import gzip
import json
import os
import pty
import re
import subprocess
import sys

PARSE, TABLE, SIM_FILE, TMP = sys.argv[1:5]
count = 0

NUMBERS = {     # column of the table: section and field of ccid-parse
    "bMaxSlotIndex": "bMaxSlotIndex", "bVoltageSupport": "bVoltageSupport", "dwProtocols": "dwProtocols",
    "dwDefaultClock_kHz": "dwDefaultClock", "dwMaximumClock_kHz": "dwMaximumClock",
    "bNumClockSupported": "bNumClockSupported", "dwDataRate_bps": "dwDataRate",
    "dwMaxDataRate_bps": "dwMaxDataRate", "bNumDataRatesSupported": "bNumDataRatesSupported",
    "dwMaxIFSD": "dwMaxIFSD", "dwSynchProtocols": "dwSynchProtocols", "dwMechanical": "dwMechanical",
    "dwFeatures": "dwFeatures", "dwMaxCCIDMessageLength": "dwMaxCCIDMessageLength",
    "bClassGetResponse": "bClassGetResponse", "bClassEnvelope": "bClassEnvelope", "wLcdLayout": "wLcdLayout",
    "bPINSupport": "bPINSupport", "bMaxCCIDBusySlots": "bMaxCCIDBusySlots",
}
INTERFACE = ("bInterfaceNumber", "bInterfaceClass", "bInterfaceProtocol", "bNumEndpoints")


def ok(good, name, why=""):
    global count
    count += 1
    print("%s %d - %s" % ("ok" if good else "not ok", count, name))
    if not good and why != "":
        print("# " + str(why)[:1500].replace("\n", "\n# "))
    sys.stdout.flush()
    return good


def run(*arguments):
    return subprocess.run([PARSE, *arguments], capture_output=True, text=True, check=False)


def list_of(text):
    return [int(each) for each in text.split(",") if each]


def rates(row, column, announced):
    """The rates that the device returns when it announces a number of rates."""
    if row["bInterfaceProtocol"] != "0" and row["bInterfaceClass"] == "0x0B":
        return []       # ICCD
    n = int(row[announced])
    return list_of(row[column])[:n or None]


def expected(row):
    """A row of the table as ccid-parse shows it."""
    want = {field: int(row[column] or "0", 0) for column, field in NUMBERS.items()}
    want.update({field: int(row[field], 0) for field in INTERFACE})
    want.update(idVendor="0x%04X" % int(row["idVendor"], 16), idProduct="0x%04X" % int(row["idProduct"], 16),
                bcdDevice=bcd(row["bcdDevice"]), bcdCCID=bcd(row["bcdCCID"]),
                iManufacturer=row["iManufacturer"] or None, iProduct=row["iProduct"] or None,
                GET_CLOCK_FREQUENCIES=rates(row, "clocks_kHz", "bNumClockSupported"),
                GET_DATA_RATES=rates(row, "data_rates_bps", "bNumDataRatesSupported"))
    return want


def bcd(text):
    """1.1 is written as 1.01: the digits are BCD."""
    major, minor = text.split(".")
    return "%X.%02X" % (int(major, 16), int(minor, 16))


def key(fields):
    return (fields["idVendor"], fields["idProduct"], fields["iProduct"] or "", fields["bInterfaceNumber"])


def from_json(text):
    """Interfaces by key, each with the fields of all its sections."""
    found = []
    for each in json.loads(text):
        found.append({**each["device"], **each["interface"], **each["class_descriptor"]})
    return found


def from_text(text):
    """The same from the text output: values by the first word, or the list of numbers."""
    found = []
    for block in text.strip().split("\n\n"):
        fields = {}
        for name, value in re.findall(r"^  (\w+): (.*)$", block, re.M):
            if name.startswith("GET_"):
                value = [int(each) for each in re.findall(r"\d+", value.split(" (")[0])]
            elif name.startswith("i"):
                value = value if name.startswith("id") else None if value == "none" else value
            elif not name.startswith("bcd") and name != "raw":
                value = int(value.split()[0], 0)
            fields.setdefault(name, value)
        found.append(fields)
    return found


def compare(found, row, how):
    want = expected(row)
    same = [fields for fields in found if key(fields) == key(want)]
    wrong = [{name: (fields.get(name), value) for name, value in want.items() if fields.get(name) != value}
             for fields in same]
    ok(bool(same) and any(not each for each in wrong),
       "%s: %s interface %s" % (how, row["dump"], row["bInterfaceNumber"]),
       "(got, want): %s" % (wrong or "not shown"))


def names(value, table):
    return [text for bit, text in table if value & bit == bit]


def check_words(found):
    """Some meanings of bits, written independently from the standard."""
    levels = {0: "character", 0x10000: "TPDU", 0x20000: "short APDU", 0x40000: "short and extended APDU"}
    faults = []
    for each in found:
        words = each["meaning"]
        level = "exchange level: " + levels[each["dwFeatures"] & 0x70000]
        if level not in words["dwFeatures"]:
            faults.append((each["iProduct"], words["dwFeatures"]))
        volts = names(each["bVoltageSupport"], [(1, "5.0 V"), (2, "3.0 V"), (4, "1.8 V")])
        if volts and words["bVoltageSupport"] != volts:
            faults.append((each["iProduct"], words["bVoltageSupport"]))
        protocols = names(each["dwProtocols"], [(1, "T=0"), (2, "T=1")])
        if words["dwProtocols"][:len(protocols)] != protocols:
            faults.append((each["iProduct"], words["dwProtocols"]))
    ok(not faults, "words of levels, voltages and protocols", faults)


def on_terminal():
    """The output on a terminal; None where the system gives no pseudo terminal."""
    try:
        leader, follower = pty.openpty()
    except OSError:
        return None
    subprocess.run([PARSE, "08e6:3437"], stdout=follower, env={**os.environ, "TERM": "xterm"}, check=False)
    os.close(follower)
    text = b""
    while True:
        try:
            more = os.read(leader, 65536)
        except OSError:
            break
        if not more:
            break
        text += more
    os.close(leader)
    return text.decode()


def comparable(row):
    """A row without the reader's name, a string whose text the table lacks, and values that are not read."""
    row = {**row, "dump": "", "clocks_kHz": rates(row, "clocks_kHz", "bNumClockSupported"),
           "data_rates_bps": rates(row, "data_rates_bps", "bNumDataRatesSupported")}
    if re.fullmatch(r"\d*|\?", row["iInterface"]):
        row["iInterface"] = ""
    return sorted(row.items())


def check_rows(rows):
    made = run("--row")
    with open(TABLE, encoding="utf-8") as file:
        head = file.readline()
    found = [comparable(row) for row in csv.DictReader((head + made.stdout).splitlines(), delimiter="\t",
                                                       quoting=csv.QUOTE_NONE)]
    ok(made.returncode == 0 and len(found) == len(rows), "--row: one row for each interface", made.stderr)
    for row in rows:
        ok(comparable(row) in found, "--row: %s interface %s is the table's" % (row["dump"], row["bInterfaceNumber"]),
           comparable(row))
    sent = run("--row", TMP + "/dump.gz")
    ok(sent.stdout == made.stdout and sent.returncode == 0, "--row: the same rows from a report that was sent in", sent)


def main():
    with open(SIM_FILE, encoding="utf-8") as file:
        dumps = set(re.findall(r"from = (.*)", file.read()))
    with open(TABLE, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if row["dump"] in dumps]
    vendor = [row for row in rows if row["bInterfaceClass"] == "0xFF"]
    ok(len(rows) >= 25 and len(dumps) >= 25 and vendor, "%d rows of %d readers" % (len(rows), len(dumps)))

    text = run("-p")
    ok(text.returncode == 0 and not text.stderr, "text: exit code 0", text.stderr)
    by_json = run("--vendor", "--json")
    ok(by_json.returncode == 0 and not by_json.stderr, "JSON: exit code 0", by_json.stderr)
    packed = run("-p", "--gz", TMP + "/dump.gz")
    ok(packed.returncode == 0 and not packed.stdout, "gzip: exit code 0", packed.stderr)
    ok("%d interfaces written" % len(rows) in packed.stderr, "gzip: the number of interfaces is printed", packed.stderr)
    with gzip.open(TMP + "/dump.gz", "rt", encoding="utf-8") as file:
        unpacked = file.read()
    for how, found in (("text", from_text(text.stdout)), ("JSON", from_json(by_json.stdout)),
                       ("gzip", from_text(unpacked))):
        ok(len(found) == len(rows), how + ": every interface", len(found))
        for row in rows:
            compare(found, row, how)
    check_words(from_json(by_json.stdout))
    ok("iSerialNumber: S-0042\n" in text.stdout, "text: the serial number is shown")
    ok("S-0042" not in unpacked and "iSerialNumber: (left out)" in unpacked, "gzip: it is left out")

    check_rows(rows)
    plain = run("--json")
    ok(len(json.loads(plain.stdout)) == len(rows) - len(vendor), "without -p: class 0B only")
    one = run("08E6:3437")
    ok(one.returncode == 0 and one.stdout.count("class descriptor\n") == 1 and "idProduct: 0x3437" in one.stdout,
       "an id selects its reader", one.stdout + one.stderr)
    node = re.search(r"08e6:3437.* bus (\d+) device (\d+)", one.stdout).groups()
    for name in ("/dev/bus/usb/%s/%s" % node, "%s/%s" % node):
        same = run(name)
        ok(same.stdout == one.stdout, "a node selects its reader: " + name, same.stdout + same.stderr)
    ok("\033" not in one.stdout, "no colour in a pipe")
    ok('  listed by ifd-ccid.bundle as "Gemalto PC Twin Reader"\n  special treatment: ' in one.stdout,
       "the driver that lists it is shown", one.stdout)
    listed = json.loads(run("-j", "08E6:3437").stdout)[0]
    ok(listed["listed_by"] == [{"bundle": "ifd-ccid.bundle", "name": "Gemalto PC Twin Reader"}] and "max-length-270" in listed["quirks"],
       "the driver that lists it, as JSON", listed)
    tried = subprocess.run([PARSE, "08e6:3437"], capture_output=True, text=True, check=False,
                           env={**os.environ, "IFDCCID_QUIRKS": "08e6:3437:extended-level", "PCSCLITE_HP_DROPDIR": "/nowhere"}).stdout
    ok("  not listed by any driver here" in tried and "  special treatment: extended-level, " in tried,
       "a reader that is not listed, with a quirk from the environment", tried)
    shown = on_terminal()
    ok(shown is None or "\033[" in shown, "colour on a terminal" + (" # SKIP no terminals here" if shown is None else ""))

    for code, message, arguments in (
            (1, "no such device is on the bus", ["dead:beef"]),
            (1, "no such device is on the bus", ["001/120"]),
            (1, "that device has no smart-card reader interface", ["1d6b:0002"]),
            (1, "of class FF or 00 looks like one: try -p", ["%s:%s" % (vendor[0]["idVendor"], vendor[0]["idProduct"])]),
            (2, "is neither VID:PID", ["08e6"]), (2, "is neither VID:PID", ["08e6:343"]),
            (2, "is neither VID:PID", ["08e6:3437x"]), (2, "is neither VID:PID", ["/dev/ttyS0"]),
            (2, "Usage:", ["-x"]), (2, "-j and -g exclude", ["-j", "-g", TMP + "/no.gz"]), (2, 'one reader at a time: "b"', ["a", "b"]),
            (1, "/no/such/folder/x.gz: No such file or directory", ["-g", "/no/such/folder/x.gz"])):
        got = run(*arguments)
        ok(got.returncode == code and message in got.stderr and not got.stdout,
           "%s: exit code %d, %s" % (" ".join(arguments).replace(TMP, ""), code, message), got)
    nothing = run("--json", "dead:beef")
    ok(nothing.returncode == 1 and json.loads(nothing.stdout) == [], "JSON without a reader is []", nothing)
    run("-g", TMP + "/nothing.gz", "dead:beef")
    ok(not os.path.exists(TMP + "/nothing.gz"), "without a reader no file is written")
    with open("/dev/full", "w", encoding="utf-8") as full:
        got = subprocess.run([PARSE], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    ok(got.returncode == 1 and "No space left" in got.stderr, "a full disk is noticed", got)

    # Only programs that run inside the simulator can use the node.
    elsewhere = {**os.environ, "CCID_SIM_SOCKET": "/nowhere"}
    got = subprocess.run([PARSE, "08e6:3437"], capture_output=True, text=True, env=elsewhere, check=False)
    ok(got.returncode == 1 and "/dev/bus/usb/%s/%s: cannot open it" % node in got.stderr
       and "dwFeatures: 0x00010230" in got.stdout and "iProduct: string 2, not read" in got.stdout
       and "GET_DATA_RATES: none (not read)" in got.stdout,
       "a node that cannot be opened: the rest is shown, exit code 1", got.stderr)


main()
