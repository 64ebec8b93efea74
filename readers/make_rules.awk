# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The udev rules from the descriptor table, the list of readers and the template:
#   awk -v sbindir=/usr/sbin -v group=pcscd -f make_rules.awk \
#       reader_descriptors.tsv supported_readers.txt 92_pcscd_ccid.rules.in
# A rule by id is made for each reader that is offered and whose bInterfaceClass is 0xFF, or is not known because the
# table has no row of that reader.

FNR == 1 { file++ }

# The table: columns are found by the names in its first line.
file == 1 && FNR == 1 {
	n = split($0, cell, "\t")
	for (i = 1; i <= n; i++)
		column[cell[i]] = i
	next
}
file == 1 {
	split($0, cell, "\t")
	described[cell[column["idVendor"]] ":" cell[column["idProduct"]]] = 1
	if (cell[column["bInterfaceClass"]] == "0xFF")
		vendor_class[cell[column["idVendor"]] ":" cell[column["idProduct"]]] = 1
	next
}

# The list
file == 2 && /^#: / {
	offered = ($2 == "supported" || $2 == "should_work" || $2 == "partly_working")
	next
}
file == 2 && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	id = substr($0, 1, 9)
	if (offered && (id in vendor_class || !(id in described)))
		rule[++rules] = "ATTR{idVendor}==\"" substr($0, 1, 4) "\", ATTR{idProduct}==\"" \
			substr($0, 6, 4) "\", ENV{IFD_CCID_READER}=\"1\""
	next
}
file == 2 { next }

# The template
/^@VENDOR_CLASS@$/ { for (i = 1; i <= rules; i++) print rule[i]; next }
{
	while ((at = index($0, "@SBINDIR@")) > 0)
		$0 = substr($0, 1, at - 1) sbindir substr($0, at + 9)
	while ((at = index($0, "@GROUP@")) > 0)
		$0 = substr($0, 1, at - 1) group substr($0, at + 7)
	print
}

END {
	if (rules == 0) {
		print "make_rules.awk: no reader of class ff found" > "/dev/stderr"
		exit 1
	}
}
