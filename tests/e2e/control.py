# SPDX-License-Identifier: LGPL-2.1-or-later
"""Attributes and control codes as applications get them. Argument: whether Escape commands are "allowed" or "refused"."""

from e2e import *

allowed = sys.argv[1] == "allowed"
FEATURES = scard.SCARD_CTL_CODE(3400)
ESCAPE, NAD, PATH = (scard.SCARD_CTL_CODE(n) for n in (1, 3600, 3601))
VERIFY, MODIFY, PIN_PROPERTIES, MCT, TLV, ESCAPE_FEATURE = (scard.SCARD_CTL_CODE(0x330000 + n)
                                                           for n in (6, 7, 10, 8, 18, 19))
GEMALTO_FIRMWARE = b"GemTwRC2-V2.00-GT0"


def control(card, code, data=b""):
    rv, answer = scard.SCardControl(card.handle, code, list(data))
    return bytes(answer) if rv == 0 else None


def attribute(card, name):
    rv, value = scard.SCardGetAttrib(card.handle, getattr(scard, "SCARD_ATTR_" + name))
    return bytes(value) if rv == 0 else None


def number(value):
    return int.from_bytes(value, sys.byteorder) if value is not None else None


def tlv(data):
    found = {}
    while len(data) >= 2:
        found[data[0]] = bytes(data[2:2 + data[1]])
        data = data[2 + data[1]:]
    return found


context = Context()
names = context.wait_readers(3)
plain, pinpad, mct = names
# how the readers differ: features, vendor name, firmware, TLV properties (tag: value)
wanted = {
    plain: ([], b"Gemplus\0", 0x01000000, {1: b"\0\0", 3: b"\0", 8: GEMALTO_FIRMWARE, 11: b"\xe6\x08", 12: b"\x37\x34",
                                           10: b"\0\0\1\0", 2: b"\2", 6: b"\4", 7: b"\x08"}),
    pinpad: ([6, 7, 10], b"Gemplus\0", 0x02110000, {1: b"\x10\2", 2: b"\2", 3: b"\0", 4: b"\x10\0", 5: b"\2\0",
                                                    8: GEMALTO_FIRMWARE, 11: b"\xe6\x08", 12: b"\x78\x34",
                                                    10: b"\0\0\1\0", 6: b"\4", 7: b"\x08"}),
    mct: ([6, 7, 10, 8], b"KOBIL Systems\0", 0x00400000, {1: b"\x10\2", 3: b"\0", 4: b"\x10\0", 5: b"\2\0",
                                                          11: b"\x46\x0d", 12: b"\x10\x30", 10: b"\0\0\0\0"}),
}
for i, name in enumerate(names):
    context.wait_card(name)
    rv, card = context.connect(name)
    if not ok(rv == 0, "connect to " + name, rv_name(rv)):
        continue
    features, vendor, version, properties = wanted[name]
    # attributes
    same(attribute(card, "VENDOR_NAME"), vendor, name + ": vendor")
    same(number(attribute(card, "VENDOR_IFD_VERSION")), version, name + ": version")
    same(attribute(card, "VENDOR_IFD_SERIAL_NO"), b"00A1B2C3\0" if name == plain else b"", name + ": serial number")
    same(number(attribute(card, "CHANNEL_ID")), 0x00200100 + int(address(i)), name + ": bus and address")
    same(attribute(card, "ATR_STRING"), card.atr(), name + ": ATR")
    same(attribute(card, "ICC_PRESENCE"), b"\2", name + ": a card is there")
    same(attribute(card, "ICC_INTERFACE_STATUS"), b"\1", name + ": its contacts are active")
    same(number(attribute(card, "MAXINPUT")), 526 if name == mct else 261, name + ": largest command")
    for unknown in ("MAX_CLK", "CURRENT_BWT", "VENDOR_IFD_TYPE"):
        same(attribute(card, unknown), None, "%s: no %s" % (name, unknown))
    # features
    listed = features + [18] + ([19] if allowed else [])
    want = b"".join(bytes([f, 4]) + scard.SCARD_CTL_CODE(0x330000 + f).to_bytes(4, "big") for f in listed)
    same(control(card, FEATURES), want, name + ": features")
    same(control(card, 0x313520), want, name + ": features, requested as on Windows")
    properties[9] = bytes([allowed])
    same(tlv(control(card, TLV) or b""), properties, name + ": TLV properties")
    same(control(card, PIN_PROPERTIES), properties[1] + (properties.get(2) or b"\7") + b"\0" if 10 in features else None,
         name + ": PIN properties")
    path = (control(card, PATH) or b"\0")[:-1].decode()
    ok(os.path.isdir("/sys/bus/usb/devices/" + path) and path == "1-%d:1.0" % (i + 1), name + ": USB path", path)
    # refusals
    for what, code in (("Escape", ESCAPE), ("Escape as a feature", ESCAPE_FEATURE)):
        rv, _ = scard.SCardControl(card.handle, code, [0x1F, 0x01])
        gemalto = name != mct
        same(rv == 0, allowed and gemalto, "%s: %s" % (name, what))
        firmware = control(card, code, b"\2")
        same(firmware, GEMALTO_FIRMWARE if gemalto else None, "%s: %s, the firmware's version" % (name, what))
    if name != mct:
        same(control(card, MCT, b"\x20\x70\0\0\0"), None, name + ": MCT is refused")
    if name == plain:
        same((control(card, VERIFY, bytes(32)), control(card, MODIFY, bytes(32))), (None, None), name + ": no PIN pad")
    for code in (0, 1, scard.SCARD_CTL_CODE(2), scard.SCARD_CTL_CODE(0x330001), 0xFFFFFFFF):
        same(control(card, code), None, "%s: unknown code %x" % (name, code))
    # node addresses, at TPDU level
    if name == mct:
        same(control(card, NAD, b"\x3f\0\0"), None, name + ": no node addresses")
    else:
        same(control(card, NAD, b"\x3f\0\0"), b"\x3f\0\2\0\0", name + ": get NAD")
        same(control(card, NAD, b"\x3e\0\1\x21"), b"\x3e\0\1\0", name + ": set NAD")
        ok(card.echo(pattern(50)), name + ": an APDU to this address")
        same(control(card, NAD, b"\x3e\0\1\x44"), b"\x3e\0\1\1", name + ": a wrong NAD is refused")
        same(control(card, NAD, b"\x3f\0\0"), b"\x3f\0\2\0\x21", name + ": and changes nothing")
        same(control(card, NAD, b"\x3e\0\1\0"), b"\x3e\0\1\0", name + ": NAD 0 again")
    card.disconnect(scard.SCARD_RESET_CARD)
ok(pcscd_alive(), "pcscd is still running")
