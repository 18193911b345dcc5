# Options of this project's configure.

# LS_WARNINGS: probe each warning flag by itself into WARN_CFLAGS; --enable-werror.
AC_DEFUN([LS_WARNINGS], [
AC_ARG_ENABLE([werror],
	[AS_HELP_STRING([--enable-werror], [treat warnings as errors])],, [enable_werror=no])
WARN_CFLAGS=
ls_save_CFLAGS=$CFLAGS
for ls_flag in -Wall -Wextra -Wshadow -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 \
	-Wundef -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wduplicated-cond -Wlogical-op; do
	CFLAGS="$ls_save_CFLAGS -Werror $ls_flag"
	AC_MSG_CHECKING([whether $CC takes $ls_flag])
	AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
		[AC_MSG_RESULT([yes]); WARN_CFLAGS="$WARN_CFLAGS $ls_flag"],
		[AC_MSG_RESULT([no])])
done
CFLAGS=$ls_save_CFLAGS
AS_IF([test "x$enable_werror" = xyes], [WARN_CFLAGS="$WARN_CFLAGS -Werror"])
AC_SUBST([WARN_CFLAGS])
])

# LS_SANITIZERS: --enable-sanitizers[=LIST], "yes" means address,undefined.
AC_DEFUN([LS_SANITIZERS], [
AC_ARG_ENABLE([sanitizers],
	[AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@],
		[build with sanitizers: address,undefined (default of the option) or thread])],,
	[enable_sanitizers=no])
SAN_CFLAGS=
AS_CASE([$enable_sanitizers],
	[no], [],
	[yes], [SAN_CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer"],
	[SAN_CFLAGS="-fsanitize=$enable_sanitizers -fno-omit-frame-pointer"])
AC_SUBST([SAN_CFLAGS])
])

# LS_FUZZERS: --enable-fuzzers needs clang; every object is instrumented, only targets get a main.
AC_DEFUN([LS_FUZZERS], [
AC_ARG_ENABLE([fuzzers],
	[AS_HELP_STRING([--enable-fuzzers], [build libFuzzer targets (clang)])],, [enable_fuzzers=no])
FUZZ_CFLAGS= FUZZ_LDFLAGS=
AS_IF([test "x$enable_fuzzers" = xyes], [FUZZ_CFLAGS=-fsanitize=fuzzer-no-link FUZZ_LDFLAGS=-fsanitize=fuzzer])
AM_CONDITIONAL([FUZZERS], [test "x$enable_fuzzers" = xyes])
AC_SUBST([FUZZ_CFLAGS])
AC_SUBST([FUZZ_LDFLAGS])
])

# LS_COVERAGE: --enable-coverage for gcov.
AC_DEFUN([LS_COVERAGE], [
AC_ARG_ENABLE([coverage],
	[AS_HELP_STRING([--enable-coverage], [count executed lines (gcov)])],, [enable_coverage=no])
AS_IF([test "x$enable_coverage" = xyes], [SAN_CFLAGS="$SAN_CFLAGS --coverage"])
])
