# SPDX-License-Identifier: LGPL-2.1-or-later
#
# doc/quirks.md from src/quirks/: awk -f quirks.awk, with quirks_rows.h behind the preprocessor as input.

function trimmed(text)
{
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}

# A string literal, or several in a row.
function said(text)
{
	text = trimmed(text)
	gsub(/"[ \t]*"/, "", text)
	gsub(/^"|"$/, "", text)
	gsub(/\|/, "\\|", text)
	return text
}

function flag_names(text,	n, part, i, out)
{
	n = split(text, part, "|")
	for (i = 1; i <= n; i++) {
		part[i] = tolower(trimmed(part[i]))
		gsub(/_/, "-", part[i])
		out = out (i > 1 ? ", " : "") (part[i] == "none" ? "" : "`" part[i] "`")
	}
	return out
}

function number(text)
{
	text = trimmed(text)
	return text == "any" ? "any" : sprintf("%s", substr(text, 3))
}

# 0x0205 is version 2.05
function version(text)
{
	return substr(text, 3, 2) "." substr(text, 5, 2)
}

function firmware(text,	part)
{
	text = trimmed(text)
	gsub(/ /, "", text)
	if (text == "all")
		return ""
	if (sub(/^before/, "", text))
		return "before " version(text)
	split(text, part, "-")
	if (part[1] == "0x0000")
		return "up to " version(part[2])
	if (part[2] == "0xffff" || part[2] == "0xFFFF")
		return "from " version(part[1])
	return part[1] == part[2] ? version(part[1]) : version(part[1]) " to " version(part[2])
}

function values(text)
{
	text = said(text)
	gsub(/(^|[ ,])\./, " ", text)
	gsub(/QUIRK_ALL_INTERFACES/, "all", text)
	return trimmed(text)
}

# The preprocessor may put several rows on a line, or one on several.
!/^#/ { all = all " " $0 }

END {
	n = split(all, piece, "@(row|flag|value|old|card) ")
	for (i = 2; i <= n; i++) {
		fields = split(piece[i], f, "@@")
		if (fields == 4)
			flags[++n_flags] = "| " flag_names(f[2]) " | " said(f[3]) " |"
		else if (fields == 5)
			numbers[++n_numbers] = "| " flag_names(f[2]) " | " trimmed(f[4]) " | " said(f[3]) " |"
		else if (fields == 6)
			old[++n_old] = "| " number(f[2]) ":" number(f[3]) " | " said(f[5]) " | " version(trimmed(f[4])) " |"
		else if (fields == 7) {
			gsub(/0x|,/, "", f[2])
			cards[++n_cards] = "| " said(f[2]) " | " said(f[4]) " | " values(f[3]) " | " said(f[5]) " |"
		} else if (fields == 9) {
			what = flag_names(f[5])
			v = values(f[6])
			if (v != "")
				what = what (what == "" ? "" : ", ") v
			rows[++n_rows] = "| " number(f[2]) ":" number(f[3]) " | " firmware(f[4]) " | " said(f[7]) \
				" | " what " | " said(f[8]) " |"
		} else {
			print "quirks.awk: not understood: " piece[i] > "/dev/stderr"
			bad = 1
		}
	}
	if (bad || n_rows == 0 || n_flags == 0 || n_numbers == 0 || n_old == 0 || n_cards == 0)
		exit 1
	print "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->"
	print "# Readers with special treatment\n"
	print "Made from `src/quirks/quirks.def` (" n_rows " rows). \"any\" stands for every product of the vendor, or for every"
	print "reader; firmware is bcdDevice, nothing means every version. What is in `code` is a flag that the environment"
	print "variable `IFDCCID_QUIRKS` adds or, with a `-` before it, takes away: see libccid(5).\n"
	print "| reader | firmware | what and why | flags and values | seen in |"
	print "|---|---|---|---|---|"
	for (i = 1; i <= n_rows; i++)
		print rows[i]
	print "\n## The flags\n"
	print "| flag | meaning |"
	print "|---|---|"
	for (i = 1; i <= n_flags; i++)
		print flags[i]
	print "\n## The numbers\n"
	print "| number | largest | meaning |"
	print "|---|---|---|"
	for (i = 1; i <= n_numbers; i++)
		print numbers[i]
	print "\n## Cards, by their ATR\n"
	print "| ATR | what and why | values | seen in |"
	print "|---|---|---|---|"
	for (i = 1; i <= n_cards; i++)
		print cards[i]
	print "\n## Firmware that is refused\n"
	print "It is known to fail. `ifdDriverOptions` 0x04 in Info.plist lets it through.\n"
	print "| reader | name | first version that is accepted |"
	print "|---|---|---|"
	for (i = 1; i <= n_old; i++)
		print old[i]
}
