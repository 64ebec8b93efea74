# SPDX-License-Identifier: LGPL-2.1-or-later
# ./demo 2>/dev/null | awk -f tools/text_to_svg.awk >doc/demo.svg
# Writes the lines of a terminal as an SVG picture.
function xml(text) {
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	return text
}
{
	line[++n] = $0
	if (length($0) > widest)
		widest = length($0)
}
END {
	width = widest * 7.3 + 24
	height = n * 17 + 24
	printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
		width, height, width, height
	print "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->"
	print "<rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"#1c1f26\"/>"
	print "<g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"12\" xml:space=\"preserve\">"
	for (i = 1; i <= n; i++) {
		colour = line[i] ~ /^  ok / || line[i] ~ /^demo: all well/ ? "#8fd18f" : \
			line[i] ~ /FAILED|failed/ ? "#f08080" : line[i] ~ /^[^ ]/ ? "#ffffff" : "#c8ccd4"
		if (line[i] != "")
			printf "<text x=\"12\" y=\"%d\" fill=\"%s\">%s</text>\n", i * 17 + 8, colour, xml(line[i])
	}
	print "</g>"
	print "</svg>"
}
