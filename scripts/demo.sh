#!/usr/bin/env bash
# The walkthrough on a real MySQL: snapshot, stream, savepoint, crash, and exact resumes. Everything
# happens in a directory that is removed at the end; safe to run at any time, also twice at once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' off=$'\e[0m'
[ -t 1 ] || bold= dim= green= off=
step=0
say() { printf '\n%s%d. %s%s\n' "$bold" $((++step)) "$*" "$off"; }
note() { printf '   %s\n' "$*"; }
fail() {
  echo "demo: $*" >&2
  [ -f "$dir/job.log" ] && tail -20 "$dir/job.log" >&2
  exit 1
}

dir= server= job=
cleanup() {
  trap - EXIT INT TERM
  [ -n "$job" ] && kill -9 "$job" 2>/dev/null || true
  [ -n "$server" ] && kill -9 "$server" 2>/dev/null || true
  wait 2>/dev/null || true
  [ -n "$dir" ] && rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say "What it takes: the binary, and a MySQL of our own"
scripts/setup.sh --build
kind=mysql9
scripts/servers.sh fetch mysql9 & fetch=$!
. scripts/build-env.sh
cargo build -p engine
bin=${CARGO_TARGET_DIR:-target}/debug/seachange
if ! wait "$fetch"; then
  note "no MySQL 9 here; going on with MariaDB"
  kind=mariadb
  scripts/servers.sh fetch mariadb || fail "no server to play on: run 'make setup'"
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/seachange-demo.XXXXXX")
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    # Nobody answers there: it is free.
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
  done
}
port=$(free_port)
sql() { scripts/servers.sh client $kind --no-defaults -h127.0.0.1 -P"$port" -uroot -e "$1"; }

say "Starting $kind $(scripts/servers.sh version $kind) on 127.0.0.1:$port"
scripts/servers.sh init $kind "$dir/server"
scripts/servers.sh run $kind "$dir/server" "$port" >"$dir/server.out" 2>&1 &
server=$!
for _ in $(seq 300); do
  sql 'SELECT 1' >/dev/null 2>&1 && break
  kill -0 $server 2>/dev/null || fail "the server did not start: $(tail -5 "$dir/server/err.log")"
  sleep 0.1
done

columns='emp_no INT NOT NULL, birth_date DATE NOT NULL, first_name VARCHAR(14) NOT NULL,
  last_name VARCHAR(16) NOT NULL, gender ENUM("M","F") NOT NULL, hire_date DATE NOT NULL, PRIMARY KEY (emp_no)'
# create DATABASE: the tables and two rows of the walkthrough
create() {
  sql "CREATE DATABASE $1; USE $1; CREATE TABLE employees_1 ($columns); CREATE TABLE employees_2 ($columns);"
  insert "$1.$2" "10,'1992-09-12','cai','kunkun','M','2022-09-22'"
  insert "$1.$2" "11,'1990-09-15','wang','meimei','F','2021-04-12'"
}
insert() {
  note "mysql> INSERT INTO $1 VALUES ($2);"
  sql "INSERT INTO $1 VALUES ($2)"
}
# run NAME [OPTION]...: the job in the background, its output in $dir/printed
run() {
  local name=$1
  shift
  note "\$ seachange run examples/$name.sql $*"
  "$bin" run "examples/$name.sql" --state "$dir/state" --set hostname=127.0.0.1 --set port="$port" \
    --set checkpoint=1000 --set state.checkpoints.num-retained=100 "$@" >"$dir/printed" 2>>"$dir/job.log" &
  job=$!
}
# prints N: exactly N lines come, and are shown
prints() {
  for _ in $(seq 300); do
    [ "$(wc -l <"$dir/printed")" -ge "$1" ] && break
    kill -0 $job 2>/dev/null || fail "the job ended"
    sleep 0.1
  done
  sleep 0.7
  sed "s/^/   $green/; s/\$/$off/" "$dir/printed"
  [ "$(wc -l <"$dir/printed")" = "$1" ] || fail "$1 lines were to come"
}
newest() { "$bin" snapshots "$1" --state "$dir/state" --json | sed -n 's/.*"id": *\([0-9]*\).*/\1/p' | sed -n 1p; }
checkpoint() {
  local before now
  before=$(newest "$1")
  for _ in $(seq 100); do
    now=$(newest "$1")
    # The first to come may have been under way; the second was not.
    [ "${now:-0}" -ge $((${before:-0} + 2)) ] && { note "a checkpoint has been taken: number $now"; return; }
    sleep 0.2
  done
  fail "no checkpoint"
}
stop() {
  note "\$ kill -TERM: a savepoint, then the end"
  kill -TERM $job
  wait $job || fail "exit code $?"
  job=
}
crash() {
  note "\$ kill -9"
  kill -9 $job
  wait $job 2>/dev/null || true
  job=
}

say "A job copies what is there"
create emp_1 employees_1
run emp_1
prints 2

say "It is stopped with a savepoint, and a row arrives meanwhile"
stop
"$bin" snapshots emp_1 --state "$dir/state" | sed -n "1,2{s/^/   $dim/; s/\$/$off/; p}"
insert emp_1.employees_1 "12,'1992-02-15','lin','dawei','M','2022-05-12'"

say "It goes on where it was: exactly the new row"
run emp_1
prints 1
stop

say "A second job is killed without a warning, after a checkpoint"
create emp_2 employees_2
run emp_2
prints 2
checkpoint emp_2
by_hand=$(newest emp_2)
crash
insert emp_2.employees_2 "13,'1995-01-02','li','xiaolu','F','2022-11-18'"

say "It, too, prints exactly the new row"
run emp_2
prints 1
checkpoint emp_2
crash

say "Once more from checkpoint $by_hand, named by hand: the row comes again"
run emp_2 --from "$by_hand"
prints 1
checkpoint emp_2
crash

say "And by itself it starts from the newest again: nothing is printed twice"
run emp_2
insert emp_2.employees_2 "14,'1991-07-07','zhao','min','F','2020-01-01'"
prints 1
stop

printf '\n%sThat was it.%s Nothing was lost, nothing came twice. Everything is cleaned up.\n' "$bold" "$off"
