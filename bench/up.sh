#!/bin/bash
# bench/up.sh [DIR]: this server as the benchmarks want it: users user1 to user100@bench.test, password "pass", logins without TLS
# allowed, limits out of the way, syncs on. Prints the ports and master's pid; stop it with: kill PID.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:-/var/tmp/sallyport-bench}
bin=${SALLYPORT_BIN:-$top/build/sallyport}
base=${SALLYPORT_PORT_BASE:-22000}
rm -rf "$dir"
mkdir -p "$dir/tls"
chmod 755 "$dir"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=mail.bench.test \
	-addext subjectAltName=DNS:mail.bench.test,IP:127.0.0.1 -keyout "$dir/tls/key.pem" -out "$dir/tls/cert.pem" 2>/dev/null
cat >"$dir/sallyport.conf" <<CONF
hostname mail.bench.test
data_dir $dir/data
run_dir $dir/run
user nobody
log { level ${LOG_LEVEL:-info}; file $dir/log }
tls { certificate $dir/tls/cert.pem; key $dir/tls/key.pem }
listen smtp { address 127.0.0.1; port $((base + 25)) }
listen submission { address 127.0.0.1; port $((base + 587)) }
listen submissions { address 127.0.0.1; port $((base + 465)) }
listen imap { address 127.0.0.1; port $((base + 143)); auth_without_tls yes }
listen imaps { address 127.0.0.1; port $((base + 993)) }
listen pop3 { address 127.0.0.1; port $((base + 110)); auth_without_tls yes }
listen pop3s { address 127.0.0.1; port $((base + 995)) }
limits {
	connections_strangers 5000
	connections_users 60000
	connections_per_address_strangers 5000
	connections_per_address_users 60000
	connection_rate 0
	letter_rate 0
	login_failures 0
	smtp_letters 1000000
	smtp_commands 10000000
}
${EXTRA:-}
CONF
: >"$dir/log"
"$bin" -c "$dir/sallyport.conf" run >"$dir/out" 2>&1 &
pid=$!
for _ in $(seq 1 200); do grep -q ' master ready ' "$dir/log" && break; kill -0 $pid || { cat "$dir/out" "$dir/log" >&2; exit 1; }; sleep 0.05; done
sally() { "$bin" -c "$dir/sallyport.conf" "$@"; }
sally domain add bench.test
for i in $(seq 1 100); do echo pass | sally account add "user$i@bench.test"; sally account set "user$i@bench.test" pop on; done
echo "SMTP=$((base + 25)) SUBMISSION=$((base + 587)) SMTPS=$((base + 465)) IMAP=$((base + 143)) IMAPS=$((base + 993)) POP3=$((base + 110)) POP3S=$((base + 995)) PID=$pid"
