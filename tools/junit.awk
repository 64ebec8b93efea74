# SPDX-License-Identifier: LGPL-2.1-or-later
# Writes rows of tools/results.sh as JUnit XML. Run it with LC_ALL=C: what is not plain ASCII becomes "?".
BEGIN { FS = "\t" }

function xml(text) {
	gsub(/[^ -~\n]/, "?", text)
	gsub(/&/, "\\&amp;", text)
	gsub(/</, "\\&lt;", text)
	gsub(/>/, "\\&gt;", text)
	gsub(/"/, "\\&quot;", text)
	return text
}

# The last lines of a log that are not cases that passed.
function tail_of(file,	line, n, i, text) {
	while ((getline line < file) > 0)
		if (line !~ /^ok /)
			last[n++ % 40] = line
	close(file)
	for (i = n > 40 ? n - 40 : 0; i < n; i++)
		text = text last[i % 40] "\n"
	return text
}

{
	suite = $1 "\t" $2
	if (!(suite in count)) {
		order[++suites] = suite
		count[suite] = 0
	}
	count[suite]++
	failed[suite] += $3 == "FAIL"
	skipped[suite] += $3 == "SKIP"
	seconds[suite] = $5
	all++
	all_failed += $3 == "FAIL"
	all_skipped += $3 == "SKIP"
	head = "    <testcase classname=\"" xml($1 "." $2) "\" name=\"" xml($4) "\""
	if ($3 == "FAIL")
		body[suite] = body[suite] head ">\n      <failure message=\"" xml($4) "\">" \
			xml($6 "\n" ($6 == "" ? "" : tail_of($6))) "</failure>\n    </testcase>\n"
	else if ($3 == "SKIP")
		body[suite] = body[suite] head "><skipped/></testcase>\n"
	else
		body[suite] = body[suite] head "/>\n"
}

END {
	print "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
	printf "<testsuites tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\">\n", all, all_failed, all_skipped
	for (i = 1; i <= suites; i++) {
		suite = order[i]
		split(suite, part, "\t")
		printf "  <testsuite name=\"%s: %s\" tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\" time=\"%d\">\n",
			xml(part[1]), xml(part[2]), count[suite], failed[suite], skipped[suite], seconds[suite]
		printf "%s", body[suite]
		print "  </testsuite>"
	}
	print "</testsuites>"
}
