#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tells of cards as they come and go, in all readers, also in those plugged in later.

usage: wait_for_cards.py [SECONDS]

Nothing is polled: pcscd wakes us up when the driver tells it of a change.
"""

import sys
import time

from smartcard.scard import (
    INFINITE, SCARD_E_NO_READERS_AVAILABLE, SCARD_E_TIMEOUT, SCARD_E_UNKNOWN_READER, SCARD_S_SUCCESS,
    SCARD_SCOPE_SYSTEM, SCARD_STATE_PRESENT, SCARD_STATE_UNAWARE, SCardEstablishContext, SCardGetErrorMessage,
    SCardGetStatusChange, SCardListReaders, SCardReleaseContext)

# A reader of this name tells of readers that come and go.
ANY_READER = "\\\\?PnP?\\Notification"


def check(rv, good=(SCARD_S_SUCCESS,)):
    if rv not in good:
        sys.exit(SCardGetErrorMessage(rv))


def tell(name, state, atr):
    if state & SCARD_STATE_PRESENT:
        print("card in %s: %s" % (name, bytes(atr).hex(" ") or "it does not answer"))
    else:
        print("no card in %s" % name)
    sys.stdout.flush()


def watch(context, end):
    known = {ANY_READER: SCARD_STATE_UNAWARE}
    while end is None or time.monotonic() < end:
        rv, names = SCardListReaders(context, [])
        check(rv, (SCARD_S_SUCCESS, SCARD_E_NO_READERS_AVAILABLE))
        names = names if rv == SCARD_S_SUCCESS else []
        known = {n: known.get(n, SCARD_STATE_UNAWARE) for n in [*names, ANY_READER]}
        left = INFINITE if end is None else max(0, int(1000 * (end - time.monotonic())))
        rv, states = SCardGetStatusChange(context, left, list(known.items()))
        check(rv, (SCARD_S_SUCCESS, SCARD_E_TIMEOUT, SCARD_E_UNKNOWN_READER))
        for name, state, atr in states if rv == SCARD_S_SUCCESS else []:
            seen = known[name] & SCARD_STATE_PRESENT if known[name] != SCARD_STATE_UNAWARE else None
            if name != ANY_READER and seen != state & SCARD_STATE_PRESENT:
                tell(name, state, atr)
            known[name] = state


def main():
    end = time.monotonic() + float(sys.argv[1]) if len(sys.argv) > 1 else None
    rv, context = SCardEstablishContext(SCARD_SCOPE_SYSTEM)
    check(rv)
    try:
        watch(context, end)
    except KeyboardInterrupt:
        pass
    finally:
        SCardReleaseContext(context)


if __name__ == "__main__":
    main()
