# SPDX-License-Identifier: LGPL-2.1-or-later
"""The life of a card in a reader."""

import threading

from e2e import *

OK = b"\x90\x00"
ATR = {
    "t0t1": "3b97968031fe456966642d73696d3a",
    "t0": "3b17966966642d73696d",
    "t1": "3b97968131fe456966642d73696d3b",
}
context = Context()
reader = context.wait_readers(1)[0]
context.wait_card(reader)


def start_waiting(seconds=10):
    """Waits for a change of state in a thread, starting from the current state. Returns a function that gives
    the new state."""
    state, _ = context.state(reader)
    answer = []

    def wait():
        own = Context()
        rv, states = scard.SCardGetStatusChange(own.handle, 0, [(reader, 0)])
        known = states[0][1]
        ready.set()
        rv, states = scard.SCardGetStatusChange(own.handle, seconds * 1000, [(reader, known)])
        answer.append((rv, states[0][1] & 0xffff, bytes(states[0][2])))

    ready = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    ready.wait()

    def result():
        thread.join()
        return answer[0]
    return result


def resets():
    rv, card = context.connect(reader)
    same(rv, 0, "connect")
    atr = card.atr()
    same(card.apdu(short(0xA4, 0, 0x0C, b"\x50\x00", cla=0)), OK, "SELECT 5000")
    for what, name in ((scard.SCARD_LEAVE_CARD, "leave"), (scard.SCARD_RESET_CARD, "reset"),
                       (scard.SCARD_UNPOWER_CARD, "unpower")):
        same(card.reconnect(what), 0, "reconnect, %s" % name)
        same(card.atr(), atr, "the ATR afterwards")
        same(card.apdu(short(0x10)), OK, "an APDU afterwards")
    same(card.disconnect(scard.SCARD_RESET_CARD), 0, "disconnect with reset")
    for protocol in (T0, T1, T0, T1):
        rv, card = context.connect(reader, protocol)
        same(rv, 0, "connect with T=%d" % (protocol == T1))
        same(card.protocol, protocol, "the protocol is T=%d" % (protocol == T1))
        same(card.apdu(short(0x14, le=200)), pattern(200) + OK, "an APDU with this protocol")
        same(card.disconnect(scard.SCARD_UNPOWER_CARD), 0, "disconnect")
    rv, card = context.connect(reader, T0)
    same(card.reconnect(scard.SCARD_RESET_CARD, T1), 0, "reconnect from T=0 to T=1")
    same((card.protocol, card.apdu(short(0x10))), (T1, OK), "an APDU at T=1")
    card.disconnect()


def changes():
    for spec in ("t0", "t1", "t0t1"):
        result = start_waiting()
        sim("remove", 0, 0)
        rv, state, atr = result()
        ok(rv == 0 and state & scard.SCARD_STATE_EMPTY, "SCardGetStatusChange reports the removal", (rv, state))
        ok(context.wait_card(reader, False), "there is no card")
        result = start_waiting()
        sim("insert", 0, 0, spec)
        rv, state, atr = result()
        ok(rv == 0 and state & scard.SCARD_STATE_PRESENT, "SCardGetStatusChange reports the insertion", (rv, state))
        ok(wait_for(lambda: context.state(reader)[1] != b""), "it has an ATR")
        same(context.state(reader)[1].hex(), ATR[spec], "ATR of " + spec)
        rv, card = context.connect(reader)
        same(card.apdu(short(0x10)) if card else rv_name(rv), OK, "an APDU to the new card")
        if card:
            card.disconnect(scard.SCARD_UNPOWER_CARD)


def removals():
    """The card is removed while a program uses it."""
    rv, card = context.connect(reader)
    same(rv, 0, "connect")
    sim("remove", 0, 0)
    context.wait_card(reader, False)
    rv, _ = card.raw(short(0x10))
    ok(rv in (scard.SCARD_W_REMOVED_CARD, scard.SCARD_E_NO_SMARTCARD), "APDU to a removed card", rv_name(rv))
    card.disconnect()
    rv, _ = context.connect(reader)
    ok(rv in (scard.SCARD_E_NO_SMARTCARD, scard.SCARD_W_REMOVED_CARD), "connect without a card", rv_name(rv))
    sim("insert", 0, 0, "t1")
    context.wait_card(reader)
    rv, card = context.connect(reader)
    same(rv, 0, "connect to the new card")
    timer = threading.Timer(0.3, lambda: sim("remove", 0, 0))
    timer.start()
    before = time.monotonic()
    rv, _ = card.raw(short(0x18, 0x27, 0x10, b"\x01", 256))
    ok(rv != 0, "the card is removed during a slow command: error", rv_name(rv))
    ok(time.monotonic() - before < 8, "and at once, not after the waiting time")
    timer.join()
    card.disconnect()
    context.wait_card(reader, False)    # otherwise the old card may count as the new one
    sim("insert", 0, 0, "t0t1")
    context.wait_card(reader)
    rv, card = context.connect(reader)
    if rv == scard.SCARD_E_NO_SMARTCARD:
        # pcscd heard a second time that the old card is gone
        print("# the new card was not seen at once")
        context.wait_card(reader)
        wait_for(lambda: context.state(reader)[1])
        rv, card = context.connect(reader)
    ok(card and card.echo(b"back"), "a new card works", rv_name(rv))


def slow():
    for protocol in (T0, T1):
        rv, card = context.connect(reader, protocol)
        le = 256 if protocol == T1 else None
        if rv:
            ok(False, "connect", rv_name(rv))
            continue
        same(card.apdu(short(0x18, 0x0B, 0xB8, b"slow", le)), b"slow" + OK,
             "3 s of work, T=%d: the card asks for more time" % (protocol == T1))
        card.disconnect(scard.SCARD_UNPOWER_CARD)


def bad_cards():
    for spec in ("mute", "atr=3B", "atr=00"):
        sim("remove", 0, 0)
        context.wait_card(reader, False)
        sim("insert", 0, 0, spec)
        context.wait_card(reader)
        rv, _ = context.connect(reader)
        ok(rv != 0, "connecting to %s fails" % spec, rv_name(rv))
    sim("remove", 0, 0)
    context.wait_card(reader, False)
    sim("insert", 0, 0, "t0t1")
    context.wait_card(reader)
    rv, card = context.connect(reader)
    same(card.apdu(short(0x10)) if card else rv_name(rv), OK, "a good card afterwards")


resets()
changes()
slow()
removals()
bad_cards()
ok(pcscd_alive(), "pcscd is still running")
