#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Several profiles enabled on one card (an eUICC), each behind a T=1 node address of its own: sends a command
to each of them.

usage: nad.py READER NAD...

READER is a part of the reader's name, NAD a node address in hexadecimal (00 to 77). The reader must be one at TPDU
level, and the card must speak T=1.
"""

import sys

from smartcard.CardConnection import CardConnection
from smartcard.System import readers
from smartcard.scard import SCARD_CTL_CODE

T1_NAD = SCARD_CTL_CODE(3600)
SET, GET = [0x3E, 0x00, 0x01], [0x3F, 0x00, 0x00]
SELECT_MF = [0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00]


def set_nad(connection, nad):
    """Commands go to this address from now on. The answer is 3E 00 01 and 00 (done) or 01 (refused)."""
    answer = connection.control(T1_NAD, SET + [nad])
    return answer == SET + [0x00]


def get_nad(connection):
    """3F 00 02 00 and the address."""
    return connection.control(T1_NAD, GET)[4]


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    found = [r for r in readers() if sys.argv[1] in str(r)]
    if not found:
        sys.exit("no such reader: " + sys.argv[1])
    connection = found[0].createConnection()
    connection.connect(CardConnection.T1_protocol)
    failures = 0
    for nad in (int(word, 16) for word in sys.argv[2:]):
        if not set_nad(connection, nad):
            print("NAD %02X: refused, %02X stays" % (nad, get_nad(connection)))
            failures += 1
            continue
        _, sw1, sw2 = connection.transmit(SELECT_MF)
        print("NAD %02X: SELECT MF answers %02X%02X" % (get_nad(connection), sw1, sw2))
    connection.disconnect()
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
