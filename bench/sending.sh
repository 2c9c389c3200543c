#!/bin/bash
# bench/sending.sh NAME:PORT:CGROUP ...: submission over STARTTLS with AUTH to a sink, each server in turn, so that what else the machine does meets all
# of them. 10 connections, 10 KiB a letter, 20 letters a connection and one. A row a repetition: letters a second as the client sees them and as the sink
# got them, CPU a letter of all the server's processes (the cpuacct cgroup that it was started in) until its queue is empty.
# Then a slow destination (1 letter a second) beside a fast one: the rate of the fast one alone, and while 50 letters wait for the slow one.
#
# Each server takes user1 ... user100@bench.test with the password "pass", and sends ext.test to 127.0.0.1:21026, slow.test to 127.0.0.1:21027:
#   (echo $BASHPID >/sys/fs/cgroup/cpuacct/ours/cgroup.procs; exec bench/up.sh </dev/null) with
#   EXTRA='queue { account_rate 0 }; route ext.test { next_hop 127.0.0.1:21026; tls none }; route slow.test { next_hop 127.0.0.1:21027; tls none }'
# LOAD names the folder of the load generators (smtpload). SLOW=no leaves the last part out. LETTERS, REPS, SIZE, PER: "20 1".
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
sink=${SALLYPORT_BUILD:-$top/build}/test-sink
n=${LETTERS:-2000} reps=${REPS:-3} size=${SIZE:-10240}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cpu() { cat "/sys/fs/cgroup/cpuacct/$1/cpuacct.usage"; }
field() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p" <<<" $2 "; }
start_sink() { # PORT RECIPIENTS MORE: its pid in $sink_pid
	"$sink" -n "$2" ${3:-} 127.0.0.1 "$1" >"$out/$1" </dev/null &
	sink_pid=$!
	sleep 0.2
}
load() { "$LOAD/smtpload" -h 127.0.0.1 -p "$1" -s "$size" -t starttls -a "${@:2}" 2>&1 </dev/null | grep -E 'RESULT|smtpload' || true; }
row() { # NAME PORT CGROUP PER REP
	start_sink 21026 "$n"
	local before after sent got
	before=$(cpu "$3")
	sent=$(load "$2" -c 10 -m "$4" -n "$n" -E ext.test)
	for _ in $(seq 1 600); do kill -0 $sink_pid 2>/dev/null || break; sleep 0.1; done
	kill $sink_pid 2>/dev/null || true
	wait $sink_pid || true
	sleep 1 # what a server does behind the last letter counts, too
	after=$(cpu "$3")
	got=$(cat "$out/21026")
	awk -v name="$1" -v per="$4" -v rep="$5" -v n="$n" -v rate="$(field rate "$sent")" -v s="$(field t_start "$sent")" -v l="$(field last "$got")" -v c=$((after - before)) \
		-v there="$(field letters "$got")" -v conns="$(field connections "$got")" -v p50="$(field dot_p50_ms "$sent")" -v p99="$(field dot_p99_ms "$sent")" -v errors="$(field errors "$sent")" 'BEGIN {
		printf "%-12s %2d a connection  rep %d  accepted %6.0f/s  at the sink %6.0f/s  cpu %6.3f ms a letter  dot p50 %.1f p99 %.1f ms  came %d over %d connections  errors %d\n",
			name, per, rep, rate, n / (l - s), c / 1e6 / n, p50, p99, there, conns, errors }'
}
slow() { # NAME PORT: the fast destination alone, then beside the slow one
	local k sent got rates=()
	for k in alone beside; do
		if [ $k = beside ]; then
			start_sink 21027 50 "-r 1"
			slow_pid=$sink_pid
			load "$2" -c 2 -m 20 -n 50 -E slow.test >/dev/null
		fi
		start_sink 21026 "$n"
		sent=$(load "$2" -c 10 -m 20 -n "$n" -E ext.test)
		for _ in $(seq 1 600); do kill -0 $sink_pid 2>/dev/null || break; sleep 0.1; done
		kill $sink_pid 2>/dev/null || true
		wait $sink_pid || true
		got=$(cat "$out/21026")
		rates+=("$(awk -v n="$(field letters "$got")" -v s="$(field t_start "$sent")" -v l="$(field last "$got")" 'BEGIN { printf "%.0f", n / (l - s) }')")
	done
	kill -USR1 $slow_pid
	sleep 0.1
	echo "$1: the fast destination ${rates[0]}/s alone, ${rates[1]}/s beside the slow one, which had taken $(field letters "$(head -1 "$out/21027")")"
	for _ in $(seq 1 700); do kill -0 $slow_pid 2>/dev/null || break; sleep 0.1; done
	kill $slow_pid 2>/dev/null || true
	wait $slow_pid || true
	echo "$1: the slow destination: $(tail -1 "$out/21027" | cut -d' ' -f1-4,6)"
}
for per in ${PER:-20 1}; do
	for rep in $(seq 1 "$reps"); do
		for server in "$@"; do IFS=: read -r name port group <<<"$server"; row "$name" "$port" "$group" "$per" "$rep"; done
	done
done
[ "${SLOW:-yes}" = no ] || for server in "$@"; do IFS=: read -r name port group <<<"$server"; slow "$name" "$port"; done
