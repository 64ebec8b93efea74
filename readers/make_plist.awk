# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Info.plist from the list of readers and the template:
#   awk -v library=libccid.so -v class=CCIDCLASSDRIVER -v version=1.0 \
#       -f make_plist.awk supported_readers.txt Info.plist.in
# Readers of the sections "disabled" and "also_sold_as" are left out.

function escaped(text)
{
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}

function replaced(line, mark, value,	at)
{
	at = index(line, mark)
	if (at == 0)
		return line
	return substr(line, 1, at - 1) value substr(line, at + length(mark))
}

# The list
NR == FNR && /^#: / {
	offered = ($2 == "supported" || $2 == "should_work" || $2 == "partly_working")
	next
}
NR == FNR && /^[0-9a-f][0-9a-f][0-9a-f][0-9a-f]:/ {
	if (offered) {
		n++
		vendor[n] = "0x" toupper(substr($0, 1, 4))
		product[n] = "0x" toupper(substr($0, 6, 4))
		name[n] = escaped(substr($0, 11))
	}
	next
}
NR == FNR { next }

# The template
/^@VENDORS@$/	{ for (i = 1; i <= n; i++) print "\t\t<string>" vendor[i] "</string>"; next }
/^@PRODUCTS@$/	{ for (i = 1; i <= n; i++) print "\t\t<string>" product[i] "</string>"; next }
/^@NAMES@$/	{ for (i = 1; i <= n; i++) print "\t\t<string>" name[i] "</string>"; next }
{
	$0 = replaced($0, "@LIBRARY@", library)
	$0 = replaced($0, "@CLASS@", class)
	$0 = replaced($0, "@VERSION@", version)
	print
}

END {
	if (n == 0) {
		print "make_plist.awk: no reader in the list" > "/dev/stderr"
		exit 1
	}
}
