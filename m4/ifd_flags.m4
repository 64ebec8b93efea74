dnl SPDX-License-Identifier: LGPL-2.1-or-later

dnl IFD_TRY_CFLAGS(VARIABLE, FLAG...): appends each flag the compiler takes without a word.
dnl -Werror, because clang only warns about flags it does not know.
AC_DEFUN([IFD_TRY_CFLAGS], [
	m4_foreach_w([ifd_flag], [$2], [
		AC_MSG_CHECKING([whether $CC takes ifd_flag])
		ifd_saved_CFLAGS=$CFLAGS
		CFLAGS="$CFLAGS -Werror ifd_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("")]])],
			[AC_MSG_RESULT([yes])
			 AS_VAR_APPEND([$1], [" ifd_flag"])],
			[AC_MSG_RESULT([no])])
		CFLAGS=$ifd_saved_CFLAGS
	])
])

dnl IFD_TRY_LDFLAGS(VARIABLE, FLAG...): the same for the linker.
AC_DEFUN([IFD_TRY_LDFLAGS], [
	m4_foreach_w([ifd_flag], [$2], [
		AC_MSG_CHECKING([whether the linker takes ifd_flag])
		ifd_saved_LDFLAGS=$LDFLAGS
		LDFLAGS="$LDFLAGS ifd_flag"
		AC_LINK_IFELSE([AC_LANG_PROGRAM],
			[AC_MSG_RESULT([yes])
			 AS_VAR_APPEND([$1], [" ifd_flag"])],
			[AC_MSG_RESULT([no])])
		LDFLAGS=$ifd_saved_LDFLAGS
	])
])

dnl IFD_SWITCH(NAME, DEFAULT, OPTION, HELP): --enable-NAME with yes or no as its only values.
AC_DEFUN([IFD_SWITCH], [
	AC_ARG_ENABLE([$1], [AS_HELP_STRING([$3], [$4])], [], [enable_[]AS_TR_SH([$1])=$2])
	AS_CASE([$enable_[]AS_TR_SH([$1])], [yes | no], [],
		[AC_MSG_ERROR([--enable-$1 takes yes or no])])
])
