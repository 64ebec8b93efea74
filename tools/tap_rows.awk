# SPDX-License-Identifier: LGPL-2.1-or-later
# awk -v configuration=C -v program=P.trs -v log_file=L -f tap_rows.awk P.log P.trs
# Prints a row for tools/results.sh for each case: the name is the log's, the result the .trs file's.
BEGIN { OFS = "\t" }
FILENAME != ARGV[2] && /^(not )?ok($|[^a-zA-Z0-9_])/ {
	line = $0
	sub(/^(not )?ok[ \t]*/, "", line)
	gsub(/[\t\r]/, " ", line)
	name[++names] = line
}
FILENAME != ARGV[2] && /^1\.\.0.*# *SKIP/ { name[++names] = $0 }
FILENAME != ARGV[2] && /^Bail out!/ { bail = $0 }
FILENAME == ARGV[2] && /^:test-result: / { result[++results] = $2 }
FILENAME == ARGV[2] && /^:test-seconds: / { seconds = $2 }
END {
	sub(/\.trs$/, "", program)
	for (i = 1; i <= results; i++) {
		what = result[i] ~ /^(PASS|XFAIL)/ ? "PASS" : result[i] ~ /^SKIP/ ? "SKIP" : "FAIL"
		text = i in name ? name[i] : bail != "" ? bail : "the program broke off, or its plan is wrong"
		print configuration, program, what, text, seconds + 0, log_file
	}
}
