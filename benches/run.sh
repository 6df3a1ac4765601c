#!/usr/bin/env bash
# Builds for speed, measures, and writes the table into benches/README.md.
#   run.sh [PART]...              bulk, oltp, decoder, snapshot, warehouse, shapes, tables, scale, columns,
#                                 latency, idle; all by default
#   run.sh --charts docs/performance.md PART...
#                                 the same, and puts their charts into the page
#   run.sh peers [PEER]...        beside other programs, fetched first (peers/peers.sh); names as its own
#   run.sh serve bulk|oltp        a server with that data, for a profile
# RUNS=3 runs of each; the table shows medians. A run of all parts replaces the table and its chart
# (ratios.svg) and the charts of docs/performance.md, and is added to history.jsonl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/build-env.sh
scripts/servers.sh have mysql9 || { echo "bench: needs MySQL 9 (make setup)" >&2; exit 1; }
cargo build -q --release -p engine -p benches -p warehouse --bin seachange --bin bench --bin warehouse
target=${CARGO_TARGET_DIR:-target}/release
export SEACHANGE_BIN=${SEACHANGE_BIN:-$(realpath "$target/seachange")}
export WAREHOUSE_BIN=${WAREHOUSE_BIN:-$(realpath "$target/warehouse")}
if [ "${1:-}" = peers ]; then benches/peers/peers.sh fetch || true; fi
if [ $# -gt 0 ]; then exec "$target/bench" "$@"; fi
exec "$target/bench" --write benches/README.md --charts docs/performance.md
