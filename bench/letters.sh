#!/bin/bash
# bench/letters.sh NAME SMTP_PORT IMAP_PORT CGROUP [REPS]: letters from port 25, durable and visible: 50 connections, 10 letters of 10 KiB each,
# plain, to 100 users; a watcher polls the mailboxes over IMAP until the last can be fetched. A row a repetition: letters a second, CPU a letter
# of all the server's processes (the cpuacct cgroup it was started in), bytes written to the disk a byte of letter.
# LOAD names the folder of the load generators (smtpload, imapload); DISK the block device (vda).
set -eu
name=$1 smtp=$2 imap=$3 group=/sys/fs/cgroup/cpuacct/$4 reps=${5:-3}
n=${LETTERS:-5000} size=10240
go=$(mktemp -u)
cpu() { cat "$group/cpuacct.usage"; }
disk() { sync -f /var/tmp; awk '{ printf "%.0f", $7 * 512 }' "/sys/block/${DISK:-vda}/stat"; }
field() { sed -n "s/.* $1=\([0-9.]*\).*/\1/p" <<<" $2 "; }
for rep in $(seq 1 "$reps"); do
	"$LOAD/imapload" purge -h 127.0.0.1 -p "$imap" -c 4 -T 120 >/dev/null 2>&1 || true
	sleep 2
	rm -f "$go" "$go.ready"
	"$LOAD/imapload" waitcount -h 127.0.0.1 -p "$imap" -n "$n" -g "$go" -T 280 >"$go.out" 2>/dev/null &
	watcher=$!
	for _ in $(seq 1 1000); do [ -e "$go.ready" ] && break; sleep 0.01; done
	d=$(disk) c=$(cpu)
	sent=$("$LOAD/smtpload" -h 127.0.0.1 -p "$smtp" -s $size -c 50 -m 10 -n "$n" | grep RESULT)
	touch "$go"
	wait $watcher || true
	c2=$(cpu) d2=$(disk)
	start=$(field t_start "$sent") end=$(field t_end "$(cat "$go.out")") accepted=$(field t_end "$sent")
	awk -v name="$name" -v rep="$rep" -v n="$n" -v size=$size -v s="$start" -v e="$end" -v a="$accepted" -v c=$((c2 - c)) -v d=$((d2 - d)) \
		-v p99="$(field dot_p99_ms "$sent")" -v p50="$(field dot_p50_ms "$sent")" -v errors="$(field errors "$sent")" 'BEGIN {
		printf "%-8s rep %d  accepted %6.0f/s  visible %6.0f/s  cpu %6.3f ms a letter  disk %.2f bytes a byte  dot p50 %.1f ms p99 %.1f ms  errors %d\n",
			name, rep, n / (a - s), n / (e - s), c / 1e6 / n, d / n / size, p50, p99, errors }'
	rm -f "$go" "$go.out" "$go.ready"
done
