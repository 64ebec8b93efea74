#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ccid-add-reader in folders of its own: what it writes is a valid property list, and what it refuses
# changes nothing. TAP.
# From make: top_srcdir, top_builddir. SHELLS: the shells to try (default: sh, and busybox's and bash --posix if there).
: "${top_srcdir:=$(cd "$(dirname "$0")/../../.." && pwd)}" "${top_builddir:=.}"
work=$(mktemp -d) || exit 99
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
count=0 failed=0
unset PCSCLITE_HP_DROPDIR

# check NAME COMMAND...
check() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		sed 's/^/# /' "$work/out" "$work/err" 2>/dev/null
	fi
}

tool=$work/ccid-add-reader
sed -e 's|@''VERSION@|1.0|; s|@''usbdropdir@|/nonexistent/drop|; s|@''bundle@|ifd-ccid.bundle|; s|@''bundle_arch@|Linux|' \
	-e 's|@''pcscd_group@|pcscd|' \
	"$top_srcdir/src/tools/ccid-add-reader.in" >"$tool"
drop=$work/drop
local_plist=$drop/ifd-ccid-local.bundle/Contents/Info.plist
export CCID_ADD_READER_SYSFS=$work/sysfs CCID_ADD_READER_RULES=$work/udev/rules.d
export CCID_ADD_READER_UDEVADM=$work/udevadm
rules=$work/udev/rules.d/92_pcscd_ccid_local.rules
printf '#!/bin/sh\necho "$@" >>"%s/udev.said"\n' "$work" >"$work/udevadm"
chmod +x "$work/udevadm"

# A driver with the real list, and a bus with devices.
fresh() {
	rm -rf "$drop" "$work/sysfs" "$work/udev" "$work/udev.said"
	mkdir -p "$drop/ifd-ccid.bundle/Contents/Linux" "$drop/ifd-ccid.bundle/Contents/local" "$work/udev"
	echo library >"$drop/ifd-ccid.bundle/Contents/Linux/libccid.so"
	echo second >"$drop/ifd-ccid.bundle/Contents/Linux/libccid-local.so"
	${AWK:-awk} -v library=libccid.so -v class=CCIDCLASSDRIVER -v version=1.0 \
		-f "$top_srcdir/readers/make_plist.awk" "$top_srcdir/readers/supported_readers.txt" \
		"$top_srcdir/readers/Info.plist.in" >"$drop/ifd-ccid.bundle/Contents/Info.plist"
	device 1-1 f1f1 0001 "Maker" "Reader One" ff
	device 1-2 f1f1 0002 "Maker" "Maker Reader Two" 0b
	device 1-3 f1f1 0003 "" "" 0b
	device 1-4 f1f1 0004 "Maker" "$(printf 'bad\033[31m')" 0b
	device 1-5 f1f1 0005 "Mouse & Co" "Mouse" 03
}

device() {
	local d=$work/sysfs/$1

	mkdir -p "$d/$1:1.0"
	echo "$2" >"$d/idVendor"
	echo "$3" >"$d/idProduct"
	[ -z "$4" ] || echo "$4" >"$d/manufacturer"
	[ -z "$5" ] || echo "$5" >"$d/product"
	echo "$6" >"$d/$1:1.0/bInterfaceClass"
}

# run ARGUMENT...: leaves out, err and status.
run() {
	$shell "$tool" --dir "$drop" "$@" >"$work/out" 2>"$work/err"
	status=$?
}

ended() { [ "$status" = "$1" ]; }
says() { grep -qF -- "$1" "$work/out" "$work/err"; }
# Without the times: a minute may end between two looks.
state() { (cd "$drop" && find . -exec ls -ldn {} + | awk '{ $6 = $7 = $8 = ""; print }' && find . -type f -exec cksum {} +); }

# The names and ids as another parser sees them.
plist_is() {
	"${PYTHON3:-python3}" - "$local_plist" "$@" <<-'END'
	import plistlib, sys
	with open(sys.argv[1], "rb") as file:
	    plist = plistlib.load(file)
	got = list(zip(plist["ifdVendorID"], plist["ifdProductID"], plist["ifdFriendlyName"]))
	want = [tuple(each.split(":", 2)) for each in sys.argv[2:]]
	lengths = {len(plist[key]) for key in ("ifdVendorID", "ifdProductID", "ifdFriendlyName")}
	good = got == want and lengths == {len(want)} and plist["CFBundleExecutable"] == "libccid.so" \
	    and plist["CFBundleName"] != "CCIDCLASSDRIVER" and plist["ifdCapabilities"] == "0x00000000"
	if not good:
	    print("#", got)
	sys.exit(not good)
	END
}

# refused STATUS TEXT ARGUMENT...: that code, that message, and nothing is changed.
refused() {
	local code=$1 text=$2 before

	shift 2
	before=$(state)
	run "$@"
	check "$label: refused: ${text}" ended "$code"
	check "$label: $text: it says so" says "$text"
	check "$label: $text: nothing is changed" [ "$before" = "$(state)" ]
}

adding() {
	fresh
	run -l
	check "$label: an empty list is not an error" ended 0
	check "$label: and is empty" [ ! -s "$work/out" ]
	run f1f1:0001
	check "$label: add by id" ended 0
	check "$label: tells to restart pcscd" says "systemctl restart pcscd"
	check "$label: named by its strings" plist_is "0xF1F1:0x0001:Maker Reader One"
	check "$label: the library is the driver's" [ "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so" -ef \
		"$drop/ifd-ccid.bundle/Contents/Linux/libccid-local.so" ]
	check "$label: by a relative link" [ "$(readlink "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so")" = \
		../../../ifd-ccid.bundle/Contents/Linux/libccid-local.so ]
	check "$label: everybody may read it" [ "$(stat -Lc %a "$local_plist")" = 644 ]
	run F1F1:0002
	check "$label: capitals; the maker's name is not said twice" plist_is "0xF1F1:0x0001:Maker Reader One" \
		"0xF1F1:0x0002:Maker Reader Two"
	run 0x0ABC:0xDef0 'Tom & Jerry'"'"'s <"best"> R & D &amp; [1] \n \\ $HOME `x` %s : é'
	check "$label: any sign in a name" plist_is \
		'0x0ABC:0xDEF0:Tom & Jerry'"'"'s <"best"> R & D &amp; [1] \n \\ $HOME `x` %s : é' \
		"0xF1F1:0x0001:Maker Reader One" "0xF1F1:0x0002:Maker Reader Two"
	run -l
	check "$label: -l shows it as it was said" says 'Tom & Jerry'"'"'s <"best"> R & D &amp; [1] \n \\ $HOME `x` %s : é'
	check "$label: -l shows all" [ "$(cut -c1-10 "$work/out" | tr -d '\n')" = 0abc:def0:f1f1:0001:f1f1:0002: ]
	run f1f1:0005
	check "$label: a mouse is warned about" says "may be no smart-card reader"
	check "$label: but added" ended 0
	check "$label: no file is left behind" [ "$(ls -A "$drop" | tr '\n' ' ')" = "ifd-ccid-local.bundle ifd-ccid.bundle " ]
	rm "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so"
	run f1f1:0009 "Longest $(printf 'x%.0s' $(seq 92))"
	check "$label: 100 bytes are a name" ended 0
	check "$label: a lost link is made again" [ "$drop/ifd-ccid-local.bundle/Contents/Linux/libccid.so" -ef \
		"$drop/ifd-ccid.bundle/Contents/Linux/libccid-local.so" ]
}

removing() {
	fresh
	run f1f1:0001 One
	run f1f1:0002 Two
	run -d F1F1:0001
	check "$label: -d takes one away" plist_is "0xF1F1:0x0002:Two"
	run -d f1f1:0002
	check "$label: -d takes the last away" ended 0
	check "$label: and the bundle with it" [ "$(ls -A "$drop")" = ifd-ccid.bundle ]
	check "$label: and the udev rules" [ ! -e "$rules" ]
	run f1f1:0002
	check "$label: added again" plist_is "0xF1F1:0x0002:Maker Reader Two"
}

# udev gives the reader to pcscd's group, and is told.
rules_of_udev() {
	fresh
	run f1f1:0001 One
	check "$label: udev: a rule" grep -qx \
		'ATTR{idVendor}=="f1f1", ATTR{idProduct}=="0001", GROUP="pcscd", MODE="0660"' "$rules"
	check "$label: udev: everybody may read it" [ "$(stat -c %a "$rules")" = 644 ]
	check "$label: udev is told to read it" grep -qx "control --reload-rules" "$work/udev.said"
	check "$label: udev is triggered for that reader" grep -qx \
		"trigger --subsystem-match=usb --action=change --attr-match=idVendor=f1f1 --attr-match=idProduct=0001" \
		"$work/udev.said"
	run f1f1:0002 Two
	check "$label: udev: two rules" [ "$(grep -c GROUP "$rules")" = 2 ]
	check "$label: udev: each GOTO has its LABEL" [ "$(grep -c pcscd_ccid_local_end "$rules")" = 4 ]
	run -d f1f1:0001
	check "$label: udev: -d takes its rule away" [ "$(grep -c 'GROUP' "$rules")$(grep -c 0001 "$rules")" = 10 ]
	rm -rf "$work/udev"
	run f1f1:0001 One
	check "$label: udev: none is here" ended 0
	check "$label: udev: and no folder is made" [ ! -e "$work/udev" ]
	mkdir -p "$work/udev"
	: >"$work/udev/rules.d"
	run f1f1:0005 Five
	check "$label: udev: a file that cannot be written is reported" says "cannot be written"
	check "$label: udev: the reader is added all the same" ended 0
}

# The driver goes, or another one comes in its place: pcscd finds no Info.plist, and so no reader that fails.
dangling() {
	fresh
	run f1f1:0001 One
	check "$label: gone: Info.plist is there" [ -e "$local_plist" ]
	mv "$drop/ifd-ccid.bundle" "$work/away"
	check "$label: gone: no Info.plist without the driver" [ ! -e "$local_plist" ]
	mkdir -p "$drop/ifd-ccid.bundle/Contents/Linux"
	: >"$drop/ifd-ccid.bundle/Contents/Linux/libccid.so"
	check "$label: gone: nor beside another driver" [ ! -e "$local_plist" ]
	run -l
	check "$label: gone: -l still knows them" says "f1f1:0001:One"
	rm -r "$drop/ifd-ccid.bundle"
	mv "$work/away" "$drop/ifd-ccid.bundle"
	check "$label: gone: it is back with the driver" plist_is "0xF1F1:0x0001:One"
	# as version 1.0 wrote it
	cp -L "$local_plist" "$work/old" && rm "$drop/ifd-ccid-local.bundle/Contents/"*.plist
	cp "$work/old" "$local_plist"
	run f1f1:0002 Two
	check "$label: a list of version 1.0 is taken over" plist_is "0xF1F1:0x0001:One" "0xF1F1:0x0002:Two"
	check "$label: and is a link now" [ -h "$local_plist" ]
}

# The driver's folder is read-only: --dir names another one, which gets a link to the driver.
read_only() {
	fresh
	rm -rf "$work/built" "$work/etc"
	mv "$drop" "$work/built"
	mkdir "$work/etc"
	sed "s|^built_for=.*|built_for='$work/built'|" "$tool" >"$work/tool2"
	$shell "$work/tool2" --dir "$work/etc" f1f1:0001 One >"$work/out" 2>"$work/err"
	check "$label: read-only: the list is in the other folder" [ -e "$work/etc/ifd-ccid-local.bundle/Contents/Info.plist" ]
	check "$label: read-only: with its library" [ "$work/etc/ifd-ccid-local.bundle/Contents/Linux/libccid.so" -ef \
		"$work/built/ifd-ccid.bundle/Contents/Linux/libccid-local.so" ]
	check "$label: read-only: the driver is there, too" [ "$work/etc/ifd-ccid.bundle" -ef "$work/built/ifd-ccid.bundle" ]
	check "$label: read-only: it says how pcscd finds it" says "PCSCLITE_HP_DROPDIR=$work/etc"
	check "$label: read-only: nothing is written there" [ ! -e "$work/built/ifd-ccid-local.bundle" ]
	drop=$work/drop
}

mistakes() {
	local bad

	fresh
	run f1f1:0001 One
	for bad in f1f1 f1f1: :0001 f1f1:001 f1f1:00001 f1g1:0001 f1f1:0001:2 f1f1-0001 "f1f1: 001" 'f1f1:00*1' ""; do
		refused 2 "\"$bad\" is not VID:PID" "$bad" Name
	done
	refused 2 "no vendor has the number 0000" 0000:0001 Name
	refused 2 "which reader?"
	refused 2 "too many arguments" f1f1:0002 Reader Two
	refused 2 "unknown option -x" -x
	refused 2 "-d needs one VID:PID" -d
	refused 2 "-l takes no argument" -l f1f1:0001
	refused 2 "is empty" f1f1:0002 ""
	refused 2 "is empty" f1f1:0002 "   "
	refused 2 "has a control character" f1f1:0002 "$(printf 'a\tb')"
	refused 2 "has a control character" f1f1:0002 "$(printf 'a\nb')"
	refused 2 "has a control character" f1f1:0002 "$(printf 'a\177b')"
	refused 2 "has a control character" f1f1:0002 "$(printf 'a\302\205b')"
	refused 2 "is not UTF-8" f1f1:0002 "$(printf 'a\377b')"
	refused 2 "is not UTF-8" f1f1:0002 "$(printf 'a\303')"
	refused 2 "is not UTF-8" f1f1:0002 "$(printf 'a\300\200b')"
	refused 2 "is not UTF-8" f1f1:0002 "$(printf 'a\355\240\200b')"
	refused 2 "is longer than 100 bytes" f1f1:0002 "$(printf 'x%.0s' $(seq 101))"
	refused 1 "was added already: One" f1f1:0001 Again
	refused 1 "is known to the driver already: " 08e6:3437 Twin
	refused 1 "is not plugged in" f1f1:7777
	refused 1 "has no strings" f1f1:0003
	refused 1 "has of itself has a control character" f1f1:0004
	refused 1 "is not among the readers that were added" -d f1f1:0002
	refused 1 "is not among the readers that were added" -d 08e6:3437
}

circumstances() {
	fresh
	mkdir "$drop/.ccid-add-reader"
	refused 1 "another ccid-add-reader is at work" f1f1:0001
	rmdir "$drop/.ccid-add-reader"
	run f1f1:0001
	sed -i '0,/<string>0x0001/{/<string>0x0001/d}' "$local_plist"
	refused 1 "is damaged" f1f1:0002
	refused 1 "is damaged" -d f1f1:0001
	refused 1 "is damaged" -l
	fresh
	rm "$drop/ifd-ccid.bundle/Contents/Linux/libccid-local.so"
	refused 1 "the driver is not in" f1f1:0001
	fresh
	: >"$drop/ifd-ccid-local.bundle"
	run f1f1:0001
	check "$label: a file where the bundle belongs" plist_is "0xF1F1:0x0001:Maker Reader One"
	fresh
	if [ "$(id -u)" != 0 ]; then
		chmod a-w "$drop"
		refused 1 "try as root" f1f1:0001
		chmod u+w "$drop"
	fi
	PCSCLITE_HP_DROPDIR=$drop $shell "$tool" f1f1:0001 >"$work/out" 2>"$work/err"
	check "$label: PCSCLITE_HP_DROPDIR names the folder" plist_is "0xF1F1:0x0001:Maker Reader One"
	$shell "$tool" f1f1:0002 >"$work/out" 2>"$work/err"
	check "$label: else the one it was built with" says "the driver is not in /nonexistent/drop"
	# comments and other ways of writing, as a person leaves them
	sed -i 's|<key>ifdVendorID</key>|<!-- <string>not this</string> -->&|; s|0xF1F1|0xf1f1|' "$local_plist"
	run f1f1:0002 Two
	check "$label: a list changed by hand is understood" plist_is "0xF1F1:0x0001:Maker Reader One" "0xF1F1:0x0002:Two"
	run --help
	check "$label: --help" says "Usage: ccid-add-reader"
	run --version
	check "$label: --version" says "ccid-add-reader (ifd-ccid) 1.0"
}

shells=${SHELLS:-sh}
[ -n "$SHELLS" ] || ! command -v busybox >/dev/null || shells="$shells busybox-sh"
for shell in $shells; do
	label=$shell
	[ "$shell" != busybox-sh ] || shell="busybox sh"
	adding
	removing
	rules_of_udev
	dangling
	read_only
	mistakes
	circumstances
done
label=bash shell="bash --posix"
adding
removing
echo "1..$count"
[ "$failed" = 0 ] && [ "$count" -gt 0 ]
