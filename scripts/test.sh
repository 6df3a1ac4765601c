#!/usr/bin/env bash
# Every test, with the time each part took, and nothing left running.
#   test.sh            setup, build, unit tests, then the promises on real servers
#   test.sh NAME...    only these files of tests/tests/ (after a build)
# SERVERS=mysql9-gtid,mariadb picks servers, SEED=... replays a workload, KEEP=1 keeps the directories,
# KILLS=300 makes a campaign of warehouse_kills, JOBS=1 runs one suite at a time (2 by default).
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/build-env.sh

# All data of this run lives below one directory, by which its processes are known.
base=${TMPDIR:-/tmp}
run=$(mktemp -d "$base/seachange-run.XXXXXX")
export TMPDIR=$run
# A failed promise is told by its context; the stack says nothing more.
export RUST_LIB_BACKTRACE=0
names=() times=() results=()
JOBS=${JOBS:-2}
failed=0

part() {
  local name=$1 begun=$SECONDS status=0
  shift
  echo "── $name" >&2
  "$@" || status=$?
  told "$name" $((SECONDS - begun)) $status
  return $status
}

told() {
  names+=("$1") times+=("$2")
  if [ "$3" = 0 ]; then results+=(ok); else results+=("FAILED ($3)") failed=1; fi
}

# Processes that still hold this run's directory. There must be none.
strays() {
  local entry pid
  for entry in /proc/[0-9]*; do
    pid=${entry#/proc/}
    [ "$pid" = $$ ] && continue
    case $(readlink "$entry/cwd" 2>/dev/null) in "$run"/*) echo "$pid"; continue ;; esac
    # A process may end while we look.
    if { tr '\0' ' ' <"$entry/cmdline"; } 2>/dev/null | grep -qF -- "$run/"; then echo "$pid"; fi
  done
}

nothing_left() {
  local left pid status=0
  left=$(strays)
  [ -n "$left" ] && sleep 2 && left=$(strays)
  for pid in $left; do
    echo "left running: $pid $(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-150)" >&2
    kill -9 "$pid" 2>/dev/null
    status=1
  done
  return $status
}

finish() {
  trap - EXIT INT TERM
  local job
  for job in $(jobs -p); do kill -- "-$job" 2>/dev/null; done
  part "nothing left running" nothing_left
  [ -n "${KEEP:-}" ] || rm -rf "$run"
  echo
  local i
  for i in "${!names[@]}"; do
    printf '%-34s %4d:%02d  %s\n' "${names[$i]}" $((times[i] / 60)) $((times[i] % 60)) "${results[$i]}"
  done
  printf '%-34s %4d:%02d  %s\n' total $((SECONDS / 60)) $((SECONDS % 60)) "$([ $failed = 0 ] && echo ok || echo FAILED)"
  exit $failed
}
trap finish EXIT
trap 'failed=1; exit' INT TERM

# Always the whole workspace: with another choice of packages cargo would choose other features of the
# libraries, and build them again.
integration() { cargo test -q --workspace --test "$1" -- --test-threads=1 --nocapture; }

# Suites wait for servers and clocks as often as for a processor, so two run at a time, each with its own
# servers. What one says is shown when it is through.
side_by_side() {
  local -A of=()
  local name
  for name in "$@"; do
    if [ ${#of[@]} -ge "$JOBS" ]; then one_ends; fi
    # A process group of its own, by which `finish` ends it.
    set -m
    (begun=$SECONDS; integration "$name"; status=$?; echo "$((SECONDS - begun)) $status" >"$run/$name.end") \
      >"$run/$name.log" 2>&1 &
    set +m
    of[$!]=$name
  done
  while [ ${#of[@]} -gt 0 ]; do one_ends; done
}

one_ends() {
  local pid ended took status
  wait -n -p pid "${!of[@]}" || true
  ended=${of[$pid]}
  unset "of[$pid]"
  echo "── $ended" >&2
  cat "$run/$ended.log"
  read -r took status <"$run/$ended.end" || took=0 status=1
  told "$ended" "$took" "$status"
}

if [ $# -gt 0 ]; then
  part build cargo build -q -p engine -p warehouse --bin seachange --bin warehouse || exit
  for name in "$@"; do part "$name" integration "$name"; done
  exit
fi

part setup scripts/setup.sh || exit
part build cargo build --workspace --all-targets || exit
part "unit tests" cargo test --workspace --lib --bins
# Who stands in for Doris and StarRocks keeps its own promises first.
part "the stand-in warehouse" cargo test -q --workspace --test ports
part "clients of others" tests/compat/clients/run.sh
part "the API as described" tests/compat/api/run.sh
part "the page" tests/page/run.sh
# The longest first, so that none is left alone at the end.
longest=(chain xa crash server_variety warehouse_ddl warehouse_sync restarts quarantine failover memory
  warehouse_kills warehouse_types verify visibility lagging)
all=("${longest[@]}")
for file in tests/tests/*.rs; do
  name=$(basename "$file" .rs)
  [[ " ${longest[*]} " == *" $name "* ]] || all+=("$name")
done
side_by_side "${all[@]}"
exit
