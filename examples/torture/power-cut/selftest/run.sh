#!/bin/sh
# Proves that the laboratory tells good programs from bad ones. Needs Python 3.9 and a C compiler; takes about a minute.
H=$(cd "$(dirname "$0")/.." && pwd); C="$H/crashlab"; T="python3 $H/selftest/toy.py"
W=$(mktemp -d); trap 'rm -rf "$W"' EXIT; bad=0
want() { if [ "$2" = "$3" ]; then echo "ok    $1"; else echo "WRONG $1: want exit $2, got $3"; bad=1; fi; }
rp() { "$C" replay --trace "$W/t" --cuts 40 --verify "$T verify {dir}" "$@" >"$W/o" 2>&1; echo $?; }
for m in "sync 0 0" "odsync 0 0" "nodirsync 0 1" "none 1 1" "late 1 1"; do
  set -- $m
  "$C" record --clean --dir "$W/d" --trace "$W/t" -- $T write "$W/d" 60 "$1" >/dev/null || { echo "record failed"; bad=1; }
  want "writer '$1', ext4 directory model" "$2" "$(rp)"
  want "writer '$1', posix directory model" "$3" "$(rp --dirmodel posix)"
done
"$C" fault --dir "$W/f" --op fsync --nth 2-5 --errno EIO --verify "$T verify {dir}" -- $T write "$W/f" 8 sync >/dev/null 2>&1; want "failed fsync, fail-stop writer" 0 $?
"$C" fault --dir "$W/f" --op fsync --nth 2-5 --errno EIO --verify "$T verify {dir}" -- $T write "$W/f" 8 retry >/dev/null 2>&1; want "failed fsync, writer that retries (fsyncgate)" 1 $?
"$C" fault --dir "$W/f" --op write --nth 1-4 --errno ENOSPC --sticky --verify "$T verify {dir}" -- $T write "$W/f" 8 sync >/dev/null 2>&1; want "disk full, fail-stop writer" 0 $?
[ $bad = 0 ] && echo "selftest passed" || { echo "selftest FAILED"; exit 1; }
