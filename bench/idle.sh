#!/bin/bash
# bench/idle.sh [SESSIONS]: memory of idle IMAPS sessions in IDLE, from several loopback addresses: proportional set size of all the
# server's processes before and with them, and what the kernel adds in slabs.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
n=${1:-10000}
build=${SALLYPORT_BUILD:-$top/build}
eval "$("$top/bench/up.sh" | tr ' ' '\n')"
trap 'kill $PID' EXIT
cat >/var/tmp/sallyport-bench/pss.sh <<'S'
total=0
for p in $1 $(pgrep -P "$1"); do
	kb=$(awk '/^Pss:/ { s += $2 } END { print s }' /proc/$p/smaps_rollup)
	name=$(tr '\0' ' ' </proc/$p/cmdline | awk '{ print $2 == "--role" ? $3 "-" $4 : "master" }')
	[ -z "${2:-}" ] || printf '%s %s KB  ' "$name" "$kb"
	total=$((total + kb))
done
[ -z "${2:-}" ] || echo
echo "$total $(awk '/^Slab:/ { print $2 }' /proc/meminfo)"
S
# One login first, so that what a first login brings in is not counted as a session's.
"$build/test-idle_load" "$IMAPS" 1 user1@bench.test pass true >/dev/null
sleep 1
before=$(bash /var/tmp/sallyport-bench/pss.sh "$PID")
"$build/test-idle_load" "$IMAPS" "$n" user1@bench.test pass "sleep 3; bash /var/tmp/sallyport-bench/pss.sh $PID all | tee /var/tmp/sallyport-bench/with"
with=$(tail -n 1 /var/tmp/sallyport-bench/with)
awk -v b="$before" -v w="$with" -v n="$n" 'BEGIN { split(b, x); split(w, y)
	printf "%d sessions: %.1f KB a session in all roles together, %.1f KB in kernel slabs (both ends of the sockets)\n", n, (y[1] - x[1]) / n, (y[2] - x[2]) / n }'
