#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# make installcheck: the files in the folders of the installation are complete. TAP.
#	check_installed.sh CONTENTS ARCH [LOADER]
contents=$1 arch=$2 loader=$3
plist=$contents/Info.plist
n=0 failed=0
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

result() {
	n=$((n + 1))
	if [ "$1" = 0 ]; then echo "ok $n - $2"; else failed=1; echo "not ok $n - $2"; fi
}

# Counts the strings of one array.
strings_of() {
	awk -v key="<key>$1</key>" '
		index($0, key) { inside = 1 }
		inside && /<string>/ { n++ }
		inside && /<\/array>/ { exit }
		END { print n + 0 }' "$plist"
}

test -r "$plist"
result $? "Info.plist is installed"
vendors=$(strings_of ifdVendorID)
products=$(strings_of ifdProductID)
names=$(strings_of ifdFriendlyName)
[ "$vendors" -gt 0 ] && [ "$vendors" = "$products" ] && [ "$vendors" = "$names" ]
result $? "Info.plist: arrays of equal length ($vendors, $products, $names)"
library=$(awk '/CFBundleExecutable/ { getline; gsub(/.*<string>|<\/string>.*/, ""); print }' "$plist")
test -r "$contents/$arch/$library"
result $? "Info.plist names the library that is installed ($library)"
if [ -n "$loader" ]; then
	"$loader" "$contents/$arch/$library" | sed 's/^\(ok\|not ok\|1\.\.\)/# &/' >"$work/load"
	grep -q '^# ok' "$work/load" && ! grep -q '^# not ok\|Bail out' "$work/load"
	result $? "the installed library can be loaded and exports its functions"
	cat "$work/load"
fi
echo "1..$n"
exit $failed
