# SPDX-License-Identifier: LGPL-2.1-or-later
#
# AppStream's description of the driver from the list of readers and the template:
#   awk -v version=1.0 -f make_metainfo.awk supported_readers.txt ifd-ccid.metainfo.xml.in
# A program that manages software offers the driver when a reader with such a modalias is plugged in.

NR == FNR && /^#: / {
	offered = ($2 == "supported" || $2 == "should_work" || $2 == "partly_working")
	next
}
NR == FNR && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	if (offered)
		modalias[++n] = "usb:v" toupper(substr($0, 1, 4)) "p" toupper(substr($0, 6, 4)) "d*"
	next
}
NR == FNR { next }

/^@MODALIASES@$/ { for (i = 1; i <= n; i++) print "    <modalias>" modalias[i] "</modalias>"; next }
{
	at = index($0, "@VERSION@")
	if (at)
		$0 = substr($0, 1, at - 1) version substr($0, at + 9)
	print
}

END {
	if (n == 0) {
		print "make_metainfo.awk: no reader in the list" > "/dev/stderr"
		exit 1
	}
}
