# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The udev rules that make pcscd look again, from the list of readers and the template:
#   awk -v pcscd=/usr/sbin/pcscd -v added=yes -f make_rescan.awk supported_readers.txt 93_pcscd_ccid_rescan.rules.in
# added: with the rules for readers of class 0B that are not listed. Those that are listed pcscd finds by itself, and a
# rescan at that very moment would only be in its way.

FNR == 1 { file++ }

file == 1 && /^#: / {
	offered = ($2 == "supported" || $2 == "should_work" || $2 == "partly_working")
	next
}
file == 1 && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	vendor = substr($0, 1, 4)
	if (!offered)
		next
	if (vendor in products) {
		products[vendor] = products[vendor] "|" substr($0, 6, 4)
	} else {
		products[vendor] = substr($0, 6, 4)
		order[++n] = vendor
	}
	next
}
file == 1 { next }

/^@ADDED@$/ {
	if (added != "yes")
		next
	print "# A reader of class 0B that no driver lists: it is in reader.conf(5) as usb:class."
	print "ATTR{bInterfaceClass}!=\"0b\", GOTO=\"pcscd_ccid_rescan_end\""
	print "ATTR{bInterfaceSubClass}!=\"00\", GOTO=\"pcscd_ccid_rescan_end\""
	for (i = 1; i <= n; i++)
		print "ATTRS{idVendor}==\"" order[i] "\", ATTRS{idProduct}==\"" products[order[i]] \
			"\", GOTO=\"pcscd_ccid_rescan_end\""
	print "RUN+=\"" pcscd " --hotplug\""
	print ""
	next
}
{
	while ((at = index($0, "@PCSCD@")) > 0)
		$0 = substr($0, 1, at - 1) pcscd substr($0, at + 7)
	print
}

END {
	if (n == 0) {
		print "make_rescan.awk: no reader found" > "/dev/stderr"
		exit 1
	}
}
