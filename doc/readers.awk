# SPDX-License-Identifier: LGPL-2.1-or-later
#
# doc/readers.md, a table of all readers:
#   awk -f readers.awk reader_descriptors.tsv supported_readers.txt

FNR == 1 { file++ }

function cleaned(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/\|/, "\\|", text)
	return text
}

function hex(text,	i, value)
{
	text = tolower(text)
	for (i = 3; i <= length(text); i++)
		value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
	return value
}

# Is the bit of that value (a power of two) set?
function has(text, bit)
{
	return int(hex(text) / bit) % 2
}

function level(features,	digit)
{
	digit = int(hex(features) / 65536) % 16
	if (digit == 0) return "character"
	if (digit == 1) return "TPDU"
	if (digit == 2) return "short APDU"
	if (digit == 4) return "extended APDU"
	return "?"
}

function join(a, b)
{
	return a == "" ? b : a ", " b
}

function voltages(v,	out)
{
	if (has(v, 1)) out = join(out, "5 V")
	if (has(v, 2)) out = join(out, "3 V")
	if (has(v, 4)) out = join(out, "1.8 V")
	return out
}

function protocols(p,	out)
{
	if (has(p, 1)) out = join(out, "T=0")
	if (has(p, 2)) out = join(out, "T=1")
	return out
}

function pinpad(p,	out)
{
	if (has(p, 1)) out = join(out, "verify")
	if (has(p, 2)) out = join(out, "modify")
	return out
}

# The table: columns are found by the names in its first line. The first row of an id counts.
file == 1 && FNR == 1 {
	n = split($0, cell, "\t")
	for (i = 1; i <= n; i++)
		column[cell[i]] = i
	next
}
file == 1 {
	split($0, cell, "\t")
	id = cell[column["idVendor"]] ":" cell[column["idProduct"]]
	if (id in about)
		next
	slots = hex(cell[column["bMaxSlotIndex"]]) + 1
	about[id] = slots " | " level(cell[column["dwFeatures"]]) " | " \
		protocols(cell[column["dwProtocols"]]) " | " voltages(cell[column["bVoltageSupport"]]) \
		" | " pinpad(cell[column["bPINSupport"]])
	next
}

# The list
/^#: / {
	state = $2
	if (state == "supported") title = "In use and known to work"
	else if (state == "should_work") title = "Should work"
	else if (state == "partly_working") title = "Work partly"
	else if (state == "disabled") title = "Not offered: known not to work"
	else if (state == "also_sold_as") title = "Also sold as: other names of readers above"
	else title = state
	out = out "\n## " title "\n\n| id | reader | slots | level | protocols | voltages | PIN pad |\n|---|---|---|---|---|---|---|\n"
	next
}
/^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	id = substr($0, 1, 9)
	if (state != "disabled" && state != "also_sold_as")
		offered++
	out = out "| " id " | " cleaned(substr($0, 11)) " | " (id in about ? about[id] : " | | | | ") " |\n"
}

END {
	if (offered == 0) {
		print "readers.awk: no reader in the list" > "/dev/stderr"
		exit 1
	}
	print "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->"
	print "# Readers\n"
	print "Made from `readers/supported_readers.txt` and `readers/reader_descriptors.tsv`: " offered " readers. Any other CCID"
	print "reader works as well, without being listed. Slots, level, protocols, voltages and PIN pad are what the reader says"
	print "about itself (its first interface); what the driver knows better is in quirks.md."
	printf "%s", out
}
