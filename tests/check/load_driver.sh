#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The built modules can be loaded, and unloaded again.
# From make: top_builddir, DRIVER_MODULES.
: "${top_builddir:=.}" "${DRIVER_MODULES:=libccid.so}"
for module in $DRIVER_MODULES; do
	set -- "$@" "$top_builddir/.libs/$module"
done
# shellcheck disable=SC2086 # a list of words
exec $LAUNCHER "$top_builddir/tests/check/load_driver" "$@"
