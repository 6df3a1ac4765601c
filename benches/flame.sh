#!/usr/bin/env bash
# Flame graphs of the job by itself, without the server: docs/flames/WHAT.svg.
#   flame.sh bulk|oltp|snapshot|all
# By SEACHANGE_BIN and BENCH_BIN, where both are set, else built.
# Needs `perf` (Debian: linux-perf) that may sample (kernel.perf_event_paranoid at most 2), and installs
# inferno into target/tools, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

INFERNO=0.12.8
HERTZ=499
# Of a stack: what is deeper is cut off.
STACK_BYTES=16384
# Percent of the whole: what is thinner is left out, so that a picture stays small.
THINNEST=0.3

case "${1:-}" in
  all) for what in bulk oltp snapshot; do "$0" "$what"; done; exit ;;
  bulk) data=bulk job=stream about='the stream of bulk changes' ;;
  oltp) data=oltp job=stream about='the stream of small transactions' ;;
  snapshot) data=bulk job=snapshot about='a snapshot with one reader' ;;
  *) echo "flame: bulk, oltp, snapshot or all?" >&2; exit 1 ;;
esac
what=$1
command -v perf >/dev/null || { echo "flame: needs perf (Debian: linux-perf)" >&2; exit 1; }
tools=$PWD/target/tools
[ -x "$tools/bin/inferno-flamegraph" ] ||
  cargo install -q inferno --version "$INFERNO" --locked --root "$tools" --target-dir "$tools/build"
. scripts/build-env.sh
[ -n "${SEACHANGE_BIN:-}" ] && [ -n "${BENCH_BIN:-}" ] ||
  cargo build -q --release -p engine -p benches --bin seachange --bin bench
target=$(realpath "${CARGO_TARGET_DIR:-target}/release")
export SEACHANGE_BIN=${SEACHANGE_BIN:-$target/seachange}
bench=${BENCH_BIN:-$target/bench}

work=$(mktemp -d)
# The server lives as long as the standard input of what serves it.
coproc SERVE { "$bench" serve "$data" 2>/dev/null; }
serving=$SERVE_PID
end() {
  exec {SERVE[1]}>&- || true
  wait "$serving" || true
  rm -rf "$work"
}
trap end EXIT
script=
while read -r line <&"${SERVE[0]}"; do
  case "$line" in
    *"-$job.sql") script=$line ;;
    port*) break ;;
  esac
done
[ -n "$script" ] || { echo "flame: no server" >&2; exit 1; }

perf record -q -e cpu-clock -F "$HERTZ" --call-graph "dwarf,$STACK_BYTES" -o "$work/perf.data" -- \
  "$SEACHANGE_BIN" run "$script" --state "$work/state" --from none >/dev/null 2>"$work/log" &
recorder=$!
if [ "$job" = stream ]; then
  # It follows the log for ever: it is stopped once it has had nothing to do for a second.
  ticks() { local all; all=($(cat "/proc/$1/stat" 2>/dev/null)) && echo $((all[13] + all[14])); }
  pid= before=-1 now=0
  until [ -n "$pid" ] && [ "$now" = "$before" ]; do
    kill -0 "$recorder" 2>/dev/null || { cat "$work/log" >&2; exit 1; }
    before=$now
    sleep 1
    pid=$(pgrep -P "$recorder" || true)
    now=$(ticks "$pid" || echo 0)
  done
  kill -TERM "$pid"
fi
wait "$recorder" || { cat "$work/log" >&2; exit 1; }

# Frames of the runtime say nothing about the work. What they take themselves is counted to who called them.
# Of the kernel only why it was entered.
runtime='((__)?clone3?|\[unknown\]|start_thread|_start|__libc_start[^;]*|main|<?(tokio|std|core::ops|core::panic|alloc::boxed|futures_util|tracing)::[^;]*)'
perf script --no-inline -i "$work/perf.data" 2>/dev/null |
  "$tools/bin/inferno-collapse-perf" 2>/dev/null |
  sed -E ":again; s/;$runtime(;| [0-9]+\$)/\4/; t again
    s/;entry_SYSCALL[^ ]*/;kernel: system call/; s/;asm_exc_page_fault[^ ]*/;kernel: page fault/
    s/;asm_[^ ]*/;kernel: interrupt/" >"$work/folded"
mkdir -p docs/flames
"$tools/bin/inferno-flamegraph" -q --title "$about: where its processor time goes" --minwidth "$THINNEST" \
  --hash --countname ms --factor 0.000001 --notes "benches/flame.sh $what" "$work/folded" >"docs/flames/$what.svg"

# The same as a table: every sample belongs to the first part that its stack speaks of.
awk '
  BEGIN {
    of("checksums", "crc32fast"); of("the socket", "__libc_recv|epoll_wait")
    of("row images → cells", "RowCodec>::decode|RowsBlock::image"); of("cells → debezium-json", "sinks::format")
    of("rows of a SELECT: their ends, a look at every value", "source::snapshot::(select|rows|Reader)|binlog::query")
    of("events: frames, what is in them, their order", "binlog::")
    of("the loop: routes, batches, barriers", "engine::source"); of("the rest", "")
  }
  function of(name, holds) { names[++parts] = name; regexes[parts] = holds }
  {
    all += $NF
    for (part = 1; part <= parts; part++) if ($0 ~ regexes[part]) { took[part] += $NF; break }
  }
  END {
    printf "| %d ms of processor time | share |\n|---|---|\n", all / 1e6
    for (part = 1; part <= parts; part++) if (took[part] / all >= 0.005)
      printf "| %s | %.0f %% |\n", names[part], took[part] / all * 100
  }' "$work/folded" >"$work/table"
printf '\n%s, commit %s.\n' "$(date -u +%F)" "$(git rev-parse --short HEAD)" >>"$work/table"
awk -v region="flame-$what" -v table="$work/table" '
  $0 == "<!-- end of " region " -->" { inside = 0 }
  !inside
  $0 == "<!-- " region " -->" { inside = 1; while ((getline line < table) > 0) print line }
  ' docs/performance.md >"$work/page"
cp "$work/page" docs/performance.md
cat "$work/table"; ls -l "docs/flames/$what.svg"
