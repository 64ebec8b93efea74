#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Serial readers behind pseudo terminals, in reader.conf of a real pcscd. serial.py starts and stops pcscd.
# CCID_TWIN	the driver to test (default: the one of the build)
# SIM_PTY	the simulated line (the same)
. "$(dirname "$0")/lib.sh"
CCID_TWIN=${CCID_TWIN:-$e2e_build/.libs/libccidtwin.so}
SIM_PTY=${SIM_PTY:-$e2e_build/sim-pty}
[ -f "$CCID_TWIN" ] || tap_skip_all "libccidtwin.so is not built (--enable-twinserial)"
[ -x "$SIM_PTY" ] || tap_skip_all "sim-pty is not built"
export CCID_TWIN SIM_PTY
# In a build with the address sanitizer, programs have the simulator's library loaded in front.
export ASAN_OPTIONS="${ASAN_OPTIONS:-verify_asan_link_order=0:detect_leaks=0}"
e2e_enter /dev/null "$0" "$@"
: > "$e2e_log"
tap_include "$e2e_python" "$e2e_dir/serial.py" "$@"
tap_plan
