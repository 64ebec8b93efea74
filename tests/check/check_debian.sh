#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Debian packages' files and scripts. No file is in two packages that may be installed together. Readers that
# ccid-add-reader has added go with their own driver only, when one of the two driver packages is purged while the other one
# is installed. TAP.
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/check/tap.sh
. "$top_srcdir/tests/check/tap.sh"
root=$work/root
drop=$root/usr/lib/pcsc/drivers
rules=$root/etc/udev/rules.d

# installed VARIANT: the files of a driver that ccid-add-reader and pcscd look for, alone in a fresh root.
installed() {
	local contents=$drop/$1.bundle/Contents

	rm -rf "$root"
	mkdir -p "$contents/Linux" "$contents/local" "$rules"
	: >"$contents/Linux/libccid-local.so"
	printf '<dict>\n</dict>\n' >"$contents/Info.plist"
	sed "s/@bundle@/$1.bundle/; s/@bundle_arch@/Linux/; s/@pcscd_group@/pcscd/; s,@usbdropdir@,/nonexistent," \
		"$top_srcdir/src/tools/ccid-add-reader.in" >"$work/ccid-add-reader"
}

add() {
	env -u PCSCLITE_HP_DROPDIR CCID_ADD_READER_UDEVADM=true CCID_ADD_READER_SYSFS=/nonexistent \
		sh "$work/ccid-add-reader" --dir "$drop" --rules "$rules" "$1" "$2"
}

purge() { DPKG_ROOT=$root sh "$top_srcdir/contrib/debian/$1.postrm" purge; }

# What pcscd finds: the list behind its links, the library, and udev the rule.
works() {
	[ -s "$drop/ifd-ccid-local.bundle/Contents/Info.plist" ] &&
		[ -e "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so" ] &&
		grep -q f1f1 "$rules/92_pcscd_ccid_local.rules"
}

nothing_left() {
	[ ! -e "$drop/ifd-ccid-local.bundle" ] && [ ! -h "$drop/ifd-ccid-local.bundle" ] &&
		[ ! -e "$rules/92_pcscd_ccid_local.rules" ]
}

# in_both LIST OTHER: prints the paths of two .install files where one is, or is in, one of the other.
in_both() {
	awk '/^#/ { next }
		NR == FNR { first[$1]; next }
		{ for (f in first) if (index(f "/", $1 "/") == 1 || index($1 "/", f "/") == 1) print f, $1 }' "$1" "$2"
}

for variant in ifd-ccid ifd-ccid-beside; do
	check "$variant has no file of ccid-sim" eval '[ -z "$(in_both \
		"$top_srcdir/contrib/debian/$variant.install" "$top_srcdir/contrib/debian/ccid-sim.install" | tee /dev/stderr)" ]'
done
for pair in ifd-ccid=ifd-ccid-beside ifd-ccid-beside=ifd-ccid; do
	one=${pair%=*} other=${pair#*=}
	installed "$one"
	check "$one: a reader is added" add f1f1:0001 One
	check "$one: its readers work after $other is purged" eval 'purge $other && works'
	check "$one: a purge removes its readers and their rules" eval 'rm -r "$drop/$one.bundle" && purge $one && nothing_left'
	check "$one: a purge without added readers succeeds" eval 'purge $one && nothing_left'
	# libccid's bundle has the name of ifd-ccid's.
	installed "$one"
	check "$one: readers of a removed driver are added" add f1f1:0001 One
	check "$one: they go at its purge, with libccid in its place" eval '
		rm -r "$drop/$one.bundle" && mkdir -p "$drop/ifd-ccid.bundle/Contents/Linux" &&
		: >"$drop/ifd-ccid.bundle/Contents/Linux/libccid.so" && purge $one && nothing_left'
done
# A bundle without its link to a library works with no driver.
installed ifd-ccid
check "a list without a link to a driver goes as well" eval 'add f1f1:0001 One &&
	rm "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so" && purge ifd-ccid && nothing_left'
# pcscd does not start with a file in reader.conf.d whose library is missing.
class=$root/etc/reader.conf.d/libccid-class
script() { DPKG_ROOT=$root sh "$top_srcdir/contrib/debian/ifd-ccid.$1" "$2"; }
rm -rf "$root"
mkdir -p "$root/etc/reader.conf.d" "$root/etc/ifd-ccid"
echo "mine" >"$class"
check "the removed ifd-ccid leaves no file for pcscd" eval 'script postrm remove && [ ! -e "$class" ]'
check "ifd-ccid has its file as before when it is installed again" eval 'script preinst install && grep -qx mine "$class"'
check "the purged ifd-ccid leaves nothing" eval 'script postrm remove && script postrm purge && [ ! -e "$root/etc/ifd-ccid" ]'
plan
