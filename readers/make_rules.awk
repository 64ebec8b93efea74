# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The udev rules from the descriptor table, the list of readers and the template:
#   awk -v sbindir=/usr/sbin -v group=pcscd -f make_rules.awk \
#       quirks.rows reader_descriptors.tsv supported_readers.txt 92_pcscd_ccid.rules.in
# A rule by id is made for each reader that is offered and whose bInterfaceClass is 0xFF, or is not known because the
# table has no row of that reader.

FNR == 1 { file++ }

# The quirks, as doc/quirks_rows.h makes them: which readers must not sleep, which need a program to become one.
file == 1 {
	rows = rows " " $0
	next
}
file == 2 && FNR == 1 {
	n = split(rows, row, "@row ")
	for (i = 2; i <= n; i++) {
		split(row[i], cell, "@@")
		device = "ATTR{idVendor}==\"" hex(cell[2]) "\", ATTR{idProduct}==\"" hex(cell[3]) "\""
		if (cell[5] ~ /NO_AUTOSUSPEND/)
			awake[++n_awake] = device ", GOTO=\"pcscd_ccid_end\""
		if (cell[5] ~ /STARTED_BY_SWITCH/) {
			run = "ACTION==\"add\", " device ", ENV{KOBIL_MIDENTITY_REQUEST}=="
			switched[++n_switched] = run "\"\", RUN+=\"" sbindir "/Kobil_mIDentity_switch\""
			switched[++n_switched] = run "\"?*\", RUN+=\"" sbindir \
				"/Kobil_mIDentity_switch -r $env{KOBIL_MIDENTITY_REQUEST}\""
		}
	}
}
function hex(text)
{
	gsub(/[ \t]|0x/, "", text)
	return text
}

# The table: columns are found by the names in its first line.
file == 2 && FNR == 1 {
	n = split($0, cell, "\t")
	for (i = 1; i <= n; i++)
		column[cell[i]] = i
	next
}
file == 2 {
	split($0, cell, "\t")
	described[cell[column["idVendor"]] ":" cell[column["idProduct"]]] = 1
	if (cell[column["bInterfaceClass"]] == "0xFF")
		vendor_class[cell[column["idVendor"]] ":" cell[column["idProduct"]]] = 1
	next
}

# The list
file == 3 && /^#: / {
	offered = ($2 == "supported" || $2 == "should_work" || $2 == "partly_working")
	next
}
file == 3 && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	id = substr($0, 1, 9)
	if (offered && (id in vendor_class || !(id in described)))
		rule[++rules] = "ATTR{idVendor}==\"" substr($0, 1, 4) "\", ATTR{idProduct}==\"" \
			substr($0, 6, 4) "\", ENV{IFD_CCID_READER}=\"1\""
	next
}
file == 3 { next }

# The template
/^@STARTED_BY_SWITCH@$/ { for (i = 1; i <= n_switched; i++) print switched[i]; next }
/^@STAY_AWAKE@$/ { for (i = 1; i <= n_awake; i++) print awake[i]; next }
/^@VENDOR_CLASS@$/ { for (i = 1; i <= rules; i++) print rule[i]; next }
{
	while ((at = index($0, "@SBINDIR@")) > 0)
		$0 = substr($0, 1, at - 1) sbindir substr($0, at + 9)
	while ((at = index($0, "@GROUP@")) > 0)
		$0 = substr($0, 1, at - 1) group substr($0, at + 7)
	print
}

END {
	if (rules == 0 || n_awake == 0 || n_switched == 0) {
		print "make_rules.awk: no reader of class ff, or no quirk found" > "/dev/stderr"
		exit 1
	}
}
