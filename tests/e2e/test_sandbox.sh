#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# pcscd with only the rights that distributions give it (sandbox.c): its own user, no capability, read-only file
# systems, a filter of system calls. The driver must not ask for more.
. "$(dirname "$0")/lib.sh"
sandbox=$e2e_build/tests/e2e/sandbox
[ -x "$sandbox" ] || tap_skip_all "the sandbox is not built (libseccomp)"
e2e_enter "$e2e_dir/readers/sandbox.sim" "$0" "$@"
denied=$e2e_tmp/denied
# The sandbox has a different /tmp and /home: all needed files are below /run and /usr.
cp "$sandbox" $e2e_tmp/sandbox
for each in $(echo "$LD_PRELOAD" | tr ':' ' '); do
	cp "$each" $e2e_tmp/ && e2e_preload=${e2e_preload:+$e2e_preload:}$e2e_tmp/${each##*/}
done
LD_PRELOAD=$e2e_preload
chmod 0666 /run/ccid-sim/socket
"$e2e_tmp/sandbox" $denied true 2> $e2e_tmp/said
[ $? -ne 125 ] || tap_skip_all "no sandbox here: $(cat $e2e_tmp/said)"

# refused NAME COMMAND...: the call is refused, and the report says which one.
refused()
{
	refused_call=$1
	shift
	: > $denied
	! "$e2e_tmp/sandbox" $denied "$@" > $e2e_tmp/said 2>&1 && wait_until grep -q "^$refused_call(" $denied
}

python() { echo "import ctypes, mmap, socket; $1" > $e2e_tmp/program.py; }

# The sandbox works: calls that a driver could try are refused.
python 'socket.socket(socket.AF_INET)'
tap_check "sandbox: a network socket is refused" refused socket "$e2e_python" $e2e_tmp/program.py
python 'mmap.mmap(-1, 4096, prot=7)'
tap_check "sandbox: writable and executable memory is refused" refused mmap "$e2e_python" $e2e_tmp/program.py
python 'p = ctypes.CDLL(None, use_errno=True); assert p.mprotect(0x10000, 4096, 5) == 0'
tap_check "sandbox: making memory executable is refused" refused mprotect "$e2e_python" $e2e_tmp/program.py
tap_check "sandbox: a namespace is refused" refused unshare unshare -n true
tap_check "sandbox: another personality is refused" refused personality setarch -R true
tap_check "sandbox: a set-user-id file is refused" refused fchmodat chmod 4755 /run/pcscd
# Not with mount(8), which uses other system calls since util-linux 2.39.
python 'assert ctypes.CDLL(None).mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0'
tap_check "sandbox: a mount is refused" refused mount "$e2e_python" $e2e_tmp/program.py
tap_check "sandbox: another owner is refused" refused fchownat chown 0 /run/pcscd
python '__import__("os").setpriority(0, 0, 1)'
tap_check "sandbox: another priority is refused" refused setpriority "$e2e_python" $e2e_tmp/program.py
tap_check "sandbox: the system is read-only" eval '! "$e2e_tmp/sandbox" $denied touch /usr/file /run/file 2> /dev/null'
tap_check "sandbox: a user namespace with the same users" eval '[ "$(readlink /proc/self/ns/user)" != \
	"$("$e2e_tmp/sandbox" $denied readlink /proc/self/ns/user)" ] && [ "$("$e2e_tmp/sandbox" $denied cat /proc/self/uid_map |
	awk "{ print \$1, \$3 }")" = "$(awk "{ print \$1, \$3 }" /proc/self/uid_map)" ]'
tap_check "sandbox: no capability, and no new one" eval '[ "$("$e2e_tmp/sandbox" $denied grep -cE \
	"^(Cap(Inh|Prm|Eff|Bnd|Amb):.0*|NoNewPrivs:.1|Seccomp:.2)$" /proc/self/status)" = 7 ]'

: > $denied
E2E_LAUNCHER="$e2e_tmp/sandbox $denied"
pcscd_start
tap_check "pcscd runs in the sandbox" grep -q "^Seccomp:.2" "/proc/$pcscd_pid/status"
tap_include "$e2e_python" "$e2e_dir/sandbox.py"
tap_check "the tested library answered" right_library
tap_check "pcscd exits cleanly" pcscd_stop
sed 's/^/# refused: /' $denied
tap_check "the sandbox has refused nothing" test ! -s $denied
tap_plan
