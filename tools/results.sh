# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Read by ./run-tests: the results of all single test cases, counted, listed and written as JUnit XML. One case is a
# line of the file $results, with tabs between its fields:
#	configuration, test program, PASS, FAIL or SKIP, case, seconds that the program took, log

passed=0 failed=0 skipped=0

# results_begin FILE: forgets all results; the new ones go into FILE.
results_begin() {
	results=$1
	mkdir -p "$(dirname "$results")" && : >"$results"
}

# record CONFIGURATION PROGRAM PASS|FAIL|SKIP CASE [SECONDS [LOG]]: one case.
record() {
	local tab=$'\t'

	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${4//$tab/ }" "${5:-0}" "${6:-}" >>"$results"
	case $3 in
	PASS) passed=$((passed + 1)) ;;
	FAIL) failed=$((failed + 1)) ;;
	*) skipped=$((skipped + 1)) ;;
	esac
}

# count_in CONFIGURATION: "passed failed skipped" of one configuration.
count_in() {
	awk -F '\t' -v name="$1" '
		$1 == name { n[$3]++ }
		END { print n["PASS"] + 0, n["FAIL"] + 0, n["SKIP"] + 0 }' "$results"
}

# sum_up CONFIGURATION: its line.
sum_up() {
	local p f s

	read -r p f s < <(count_in "$1")
	echo "$1: $p passed, $f failed, $s skipped"
}

# add_rows CONFIGURATION FILE: takes rows that are made elsewhere.
add_rows() {
	local p f s

	read -r p f s < <(awk -F '\t' '{ n[$3]++ } END { print n["PASS"] + 0, n["FAIL"] + 0, n["SKIP"] + 0 }' "$1")
	cat "$1" >>"$results"
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

# collect CONFIGURATION FOLDER: the results of automake's TAP driver under FOLDER. The .trs file is what counts; the
# names are in the log. A log with a failed case is shown, and kept where the next configuration leaves it alone.
collect() {
	local rows trs log kept

	kept=$(dirname "$results")/failed/$1
	rm -rf "$kept"
	rows=$(mktemp) || return
	find "$2" -name '*.trs' | LC_ALL=C sort | while IFS= read -r trs; do
		log=${trs%.trs}.log
		[ -f "$log" ] || log=/dev/null
		if grep -qE '^:test-result: *(FAIL|XPASS|ERROR)' "$trs"; then
			mkdir -p "$(dirname "$kept/${log#"$2"/}")"
			cp "$log" "$kept/${log#"$2"/}" && log=$kept/${log#"$2"/}
			echo "---- $log" >&2
			grep -vE '^ok ' "$log" | tail -n 40 >&2
		fi
		LC_ALL=C awk -v configuration="$1" -v program="${trs#"$2"/}" -v log_file="$log" \
			-f tools/tap_rows.awk "$log" "$trs"
	done >"$rows"
	add_rows "$rows"
	rm -f "$rows"
}

# collect_tap CONFIGURATION PROGRAM LOG SECONDS: the results of a program whose TAP is LOG; one without a plan broke off.
collect_tap() {
	local line ran=0 before=$((passed + failed + skipped))

	while IFS= read -r line; do
		case $line in
		"ok "*"# SKIP"*) record "$1" "$2" SKIP "${line#ok }" "$4" "$3" ;;
		"ok "*) record "$1" "$2" PASS "${line#ok }" "$4" "$3" ;;
		"not ok "*) record "$1" "$2" FAIL "${line#not ok }" "$4" "$3" ;;
		"1..0 # SKIP"*) record "$1" "$2" SKIP "${line#1..0 }" "$4" "$3" ;;
		esac
		case $line in
		1..*) ran=1 ;;
		esac
	done <"$3"
	if [ "$ran" = 0 ]; then
		record "$1" "$2" FAIL "$2 broke off" "$4" "$3"
	elif [ $((passed + failed + skipped)) = "$before" ]; then
		record "$1" "$2" FAIL "$2: no test ran" "$4" "$3"
	fi
}

# again_in_parts CONFIGURATION LOG COMMAND: LOG is a program's TAP in parts that begin with "# part NAME". The parts that
# failed run once more, by COMMAND "NAME...". When all of them pass, what they say then takes the place of what they said
# first; the first log is kept and named. What fails in the part "machine" is not one part's fault, and is not run again.
again_in_parts() {
	local parts kept

	kept=$(dirname "$results")/failed/$1-at-first.log
	parts=$(awk '/^# part / { part = $3 } /^not ok / { print part }' "$2" | LC_ALL=C sort -u | paste -sd ' ')
	case " $parts " in
	"  " | *" machine "*) return ;;
	esac
	mkdir -p "${kept%/*}" && cp "$2" "$kept" || return
	if ! "$3" "$parts" >"$2.again" 2>&1; then
		grep -vE '^ok ' "$2.again" | tail -n 100 >&2
		return
	fi
	echo "again: $1: $parts: passed alone, failed at first: $kept"
	awk -v parts=" $parts " '
		FNR == 1 { file++ }
		/^# part / { part = $3 }
		file == 1 && (/^# kernel .* passed, / || (/^(not )?ok / && index(parts, " " part " "))) { next }
		{ print }' "$kept" "$2.again" >"$2"
}

# list_failed: every failed case, with its log.
list_failed() {
	awk -F '\t' '$3 == "FAIL" {
		print "failed: " $1 ": " $2 ": " $4
		if ($6 != "")
			print "        " $6
	}' "$results"
}

# write_junit FILE: JUnit XML: a test suite for each program of each configuration.
write_junit() {
	LC_ALL=C awk -f tools/junit.awk "$results" >"$1"
}
