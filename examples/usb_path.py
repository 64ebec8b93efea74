#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which reader is plugged in where: prints each reader's USB path and its name.

The path is the name of the interface's folder in /sys/bus/usb/devices. It stays the same when a reader is
plugged into the same socket again, so that readers of the same kind can be told apart by it.
"""

from smartcard.Exceptions import SmartcardException
from smartcard.System import readers
from smartcard.scard import SCARD_CTL_CODE, SCARD_SHARE_DIRECT

USB_PATH = SCARD_CTL_CODE(3601)


def usb_path(reader):
    """Zero-terminated text; "" when the reader is on a serial line. No card is needed."""
    connection = reader.createConnection()
    connection.connect(mode=SCARD_SHARE_DIRECT)
    try:
        answer = connection.control(USB_PATH)
    except SmartcardException:
        return ""
    finally:
        connection.disconnect()
    return bytes(answer).rstrip(b"\0").decode("ascii")


def main():
    for reader in readers():
        path = usb_path(reader)
        print("%-16s %s" % (path or "not on USB", reader))


if __name__ == "__main__":
    main()
