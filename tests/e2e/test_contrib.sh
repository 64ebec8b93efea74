#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The programs of contrib/ on simulated devices.
. "$(dirname "$0")/lib.sh"
e2e_enter "$e2e_dir/readers/token.sim" "$0" "$@"
getpasswd=$e2e_build/contrib/RSA_SecurID_getpasswd
aid=F06966642D73696D

# code WANT APDU: the APDU's answer is shown as WANT.
code()
{
	[ "$("$getpasswd" -a $aid -c "$2")" = "$1" ]
}

# ends WANT OPTION...: there is no output, and the exit status is WANT.
ends()
{
	ends_want=$1
	shift
	ends_shown=$("$getpasswd" "$@" 2> $e2e_tmp/said)
	[ $? -eq "$ends_want" ] && [ -z "$ends_shown" ]
}

pcscd_start
tap_check "one reader" wait_readers 1
tap_check "a code as characters" code 123456 801600000631323334353600
tap_check "a code as two digits in each byte" code 00987654 80160000040098765400
tap_check "an answer that is not a code" ends 1 -a $aid -c 801600000212AB00
tap_check "an application that the token does not have" ends 1
tap_check "its answer is shown" grep -q "answers 6A82" $e2e_tmp/said
tap_check "a command that the token does not have" ends 1 -a $aid -c 8077000000
tap_check "another reader's name" ends 1 -r nobody
tap_check "bad arguments" eval 'ends 2 -a XY && ends 2 -c 8 && ends 2 -a "" && ends 2 more'
pcscd_stop
tap_check "without pcscd" ends 1
tap_plan
