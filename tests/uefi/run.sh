#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds the UEFI driver and runs it under OVMF in QEMU (uefi.py). Prints TAP; a skip names what is missing.
#	tests/uefi/run.sh FOLDER
# CCID_SIM	ccid-sim, for readers of each exchange level over usb-redir; without it only QEMU's own reader is tested
top=$(cd "$(dirname "$0")/../.." && pwd)
work=${1:?usage: tests/uefi/run.sh FOLDER}

skip()
{
	echo "1..0 # SKIP the UEFI driver: $*"
	exit 0
}

# first FILE...: prints the first file that exists.
first()
{
	for file in "$@"; do
		[ ! -f "$file" ] || { echo "$file"; return; }
	done
}

[ -f "${GNUEFI_INCLUDE:-/usr/include/efi}/efi.h" ] || skip "needs the package gnu-efi"
[ -n "$(first "${GNUEFI_LIB:-/usr/lib/x86_64-linux-gnu}/crt0-efi-x86_64.o" "${GNUEFI_LIB:-/usr/lib}/crt0-efi-x86_64.o")" ] ||
	skip "gnu-efi is not there for x86-64"
case $(${CC:-cc} -dumpmachine) in
x86_64-*) ;;
*) skip "${CC:-cc} does not build for x86-64" ;;
esac
command -v qemu-system-x86_64 > /dev/null || skip "needs the package qemu-system-x86"
qemu-system-x86_64 -device help 2> /dev/null | grep -q '"ccid-card-passthru"' ||
	skip "QEMU has no ccid-card-passthru"
firmware=$(first "${OVMF_CODE:-}" /usr/share/OVMF/OVMF_CODE.fd /usr/share/OVMF/OVMF_CODE_4M.fd)
[ -n "$firmware" ] || skip "needs the package ovmf"
variables=$(first "${OVMF_VARS:-}" "$(echo "$firmware" | sed 's/CODE/VARS/')")

mkdir -p "$work" || exit 1
CFLAGS="${CFLAGS:--O2} -Werror" "$top/contrib/uefi/build.sh" "$work/efi" || { echo "not ok 1 - the UEFI driver is built"; exit 1; }
echo "# $(qemu-system-x86_64 --version | head -n 1), $firmware"
set -- .
[ ! -x "${CCID_SIM:-}" ] || ! qemu-system-x86_64 -device help 2> /dev/null | grep -q '"usb-redir"' ||
	set -- --sim "$CCID_SIM" .
# QEMU runs in the folder of its sockets: the path of a socket must be short.
cd "$work" && PYTHONDONTWRITEBYTECODE=1 exec python3 "$top/tests/uefi/uefi.py" "$@" efi/ccid.efi efi/scr_test.efi \
	"$firmware" ${variables:+"$variables"}
