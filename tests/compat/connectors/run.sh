#!/usr/bin/env bash
# The official connectors of Doris and StarRocks for Flink load into the stand-in warehouse, in a Flink of one process.
# Prints what passed. Takes Java 17 and Maven, and about 200 MB below .servers/connectors the first time.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
here=$root/tests/compat/connectors
home=${SEACHANGE_SERVERS:-$root/.servers}/connectors
binary=${WAREHOUSE_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/warehouse}
export PASSWORD=secret

not_run() {
  printf '%s\n' "***" "*** NOT RUN: the official connectors: $1." "***" >&2
  exit 0
}

[ -x "$binary" ] || { echo "connectors: no $binary: build it first (cargo build -p warehouse)" >&2; exit 1; }
command -v java >/dev/null || not_run "there is no Java here (apt-get install default-jdk-headless)"
wanted=$(cksum <"$here/pom.xml")
if [ "$(cat "$home/.ok" 2>/dev/null)" != "$wanted" ]; then
  command -v mvn >/dev/null || not_run "there is no Maven here (apt-get install maven)"
  rm -rf "$home" && mkdir -p "$home"
  cp "$here/pom.xml" "$home/pom.xml"
  mvn -q -B -f "$home/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$home/lib" >&2 ||
    not_run "Maven could not fetch them"
  echo "$wanted" >"$home/.ok"
fi

data=$(mktemp -d "${TMPDIR:-/tmp}/seachange-connectors.XXXXXX")
warehouse=
finish() {
  [ -z "$warehouse" ] || kill "$warehouse" 2>/dev/null || true
  rm -rf "$data"
}
trap finish EXIT

opened=()
for package in java.lang java.util java.time java.nio; do opened+=(--add-opens "java.base/$package=ALL-UNNAMED"); done
status=0
for system in doris starrocks; do
  "$binary" --system "$system" --data "$data/$system" --fe-port 0 --be-port 0 --query-port 0 \
    --user root --password "$PASSWORD" >"$data/$system.ready" &
  warehouse=$!
  for _ in $(seq 100); do
    grep -q '^ready' "$data/$system.ready" && break
    sleep 0.1
  done
  read -r _ fe _ sql _ <"$data/$system.ready"
  if ! (cd "$data" && java -Xmx768m "${opened[@]}" -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$home/lib/*" \
    "$here/Connectors.java" "$system" "${fe#fe=}" "${sql#sql=}") 2>"$data/$system.log"; then
    tail -n "${LINES_OF_LOG:-60}" "$data/$system.log" >&2
    status=1
  fi
  kill "$warehouse" && wait "$warehouse" || true
  warehouse=
done
exit $status
