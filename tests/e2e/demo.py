# SPDX-License-Identifier: LGPL-2.1-or-later
"""The demo's steps: a table of all slots, slots at once, a late answer, a PIN, an unplugging. Each is measured and
checked; the failures are written to the file demo.failed for demo.sh."""

import struct
import sys
import threading
import time

from e2e import *

OK = b"\x90\x00"
faults = []
context = Context()


def say(text):
    print("\n" + text, flush=True)


def check(good, text):
    print(f"  {'ok    ' if good else 'FAILED'} {text}", flush=True)
    if not good:
        faults.append(text)


def timed(call):
    began = time.monotonic()
    result = call()
    return time.monotonic() - began, result


def table(names):
    """Echo 100 bytes on every slot."""
    print(f"  {'slot':<28} {'card':<14} {'protocol':<9} {'level':<14} round trip")
    cards = {}
    log_text = log()
    for name in names:
        wait_for(lambda: context.state(name)[1])
        rv, card = context.connect(name)
        if rv:
            check(False, f"{name}: {rv_name(rv)}")
            continue
        took, good = timed(lambda: card.echo(pattern(100)))
        level = level_of(number_of(name), log_text)
        print(f"  {name:<28} {card.atr().hex()[:12]:<14} {'T=1' if card.protocol == T1 else 'T=0':<9} "
              f"{level:<14} {took * 1000:5.1f} ms", flush=True)
        if not good:
            check(False, f"{name}: the card did not give 100 bytes back")
        cards[name] = card
    check(len(cards) == len(names) and not faults, f"{len(cards)} cards of {len(names)} gave 100 bytes back")
    return cards


def number_of(name):
    """The reader's number, pcscd's and the simulator's: "... 02 00" is slot 0 of reader 2."""
    return int(name.split()[-2], 16)


def level_of(number, text):
    """The text of the driver's log line about that reader; the Lun begins with the reader's number."""
    found = re.search(r"\(lun %x\): ifd-ccid .*: level ([\w ]+)," % (number << 16), text)
    return found[1] if found else "?"


def many(card):
    return all(card.apdu(short(0x10)) == OK for _ in range(5))


def together(names):
    """Each slot has a thread and a PC/SC context of its own. Returns the time for all, and whether all succeeded."""
    start, results = threading.Barrier(len(names) + 1), []

    def work(name):
        rv, card = Context().connect(name)
        start.wait()
        results.append(rv == 0 and many(card))

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for t in threads:
        t.start()
    start.wait()
    took = timed(lambda: [t.join() for t in threads])[0]
    return took, results == [True] * len(names)


def at_once(cards):
    """The cards take 20 ms for a command."""
    one, good = timed(lambda: all([many(card) for card in cards.values()]))
    check(good, "8 slots, 5 commands each, one slot after another: %.2f s" % one)
    every, good = together(list(cards))
    check(good, "the same 40 commands, all slots at once: %.2f s" % every)
    check(every * 2 < one, "at once is %.1f times as fast" % (one / every))


def late(name):
    """Late and doubled answers (faults of the simulator); the card returns the data it received."""
    number = number_of(name)
    rv, card = context.connect(name)
    if rv:
        check(False, f"{name}: {rv_name(rv)}")
        return
    dropped = "dropped an answer that no command waits for"
    before = log().count(dropped)
    sim("fault", number, "stale", "msg=6F")
    check(card.echo(bytes([0x11] * 20)), "an answer to an earlier command comes late, before the right one: "
          "the command gets the right one")
    sim("fault", number, "duplicate", "msg=6F")
    good = card.echo(bytes([0x22] * 20))
    check(good and card.echo(bytes([0x33] * 20)), "an answer comes twice: the next command gets its own")
    check(log().count(dropped) >= before + 2, "the driver dropped %d answers no command waited for" %
          (log().count(dropped) - before))
    card.disconnect()


def pin(name):
    """VERIFY by the pinpad; PC/SC part 10 structure."""
    number = number_of(name)
    card = context.connect(name)[1]
    answer = scard.SCardControl(card.handle, scard.SCARD_CTL_CODE(3400), [])[1]
    codes = {answer[i]: int.from_bytes(bytes(answer[i + 2:i + 6]), "big") for i in range(0, len(answer), 6)}
    digits = b"7391"
    apdu = bytes.fromhex("0020000108") + b"\xff" * 8
    structure = struct.pack("<BBBBBHBBHB3sI", 30, 0, 0x82, 8, 0, 0x0408, 2, 1, 0x409, 0, b"\0\0\0", len(apdu)) + apdu
    finger = threading.Timer(0.5, lambda: sim("keys", number, digits.decode() + r"\n"))
    finger.start()
    rv, answer = scard.SCardControl(card.handle, codes[6], list(structure))
    finger.join()
    check(rv == 0 and bytes(answer) == OK, "a user types 7391 at the PIN pad: the card says 9000")
    got = card.apdu(short(0x20, 0, 1, digits + b"\xff" * 4, cla=0))
    check(got == OK, "a program sends the same PIN in a VERIFY command: the card says 9000")
    # pcscd --apdu logs the APDUs of programs in lines of its own, which are not the driver's
    lines = [line for line in log().upper().split("\n") if "WINSCARD" not in line and "APDU: " not in line]
    # a line begins with the microseconds since the previous line, which may be 7391
    hidden = not [line for line in lines if re.search("37 ?33 ?39 ?31|7391", re.sub(r"^\d{8} ", "", line))]
    check(hidden, "none of the %d lines of the driver in pcscd's log has the PIN in it" % len(lines))
    card.disconnect()


def unplug(names, everything):
    """The reader is unplugged in the middle of commands on eight slots."""
    ended = []

    def work(name):
        card = Context().connect(name)[1]
        while card.raw(short(0x10))[0] == 0:
            pass
        ended.append(time.monotonic())

    threads = [threading.Thread(target=work, args=(name,), daemon=True) for name in names]
    for t in threads:
        t.start()
    time.sleep(0.3)
    check(not ended, "eight programs send commands all the time")
    began = time.monotonic()
    sim("unplug", number_of(names[0]))
    left = context.wait_readers(len(everything) - 8)
    gone = time.monotonic() - began
    for t in threads:
        t.join(20)
    check(len(ended) == len(names), "unplugged: all %d calls came back, the last after %.2f s" %
          (len(ended), max(ended + [began]) - began))
    check(len(left) == len(everything) - 8, "the reader's 8 slots are gone from pcscd's list after %.2f s" % gone)
    sim("plug", number_of(names[0]))
    check(len(context.wait_readers(len(everything))) == len(everything), "plugged in again: all readers are back")


def main():
    names = context.readers()
    bank = [name for name in names if number_of(name) == 0]
    say("Every slot with its card, and how long 100 bytes to the card and back take:")
    cards = table(names)
    say("The reader of eight slots does eight commands at once, and the driver lets it:")
    at_once({name: cards[name] for name in bank})
    say("An answer that comes late or twice is not taken for the answer to another command:")
    late(next(name for name in names if number_of(name) == 1))
    say("A PIN is not written into the log, whatever the log level:")
    pin(next(name for name in names if number_of(name) == 3))
    say("A user pulls the reader of eight slots out while all eight work:")
    unplug(bank, names)
    with open(os.path.join(os.environ["e2e_tmp"], "demo.failed"), "w", encoding="utf-8") as file:
        if faults:
            file.write("failed " + "; ".join(faults) + "\n")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
