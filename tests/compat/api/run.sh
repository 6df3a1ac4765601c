#!/usr/bin/env bash
# The daemon's API as a stranger reads it: schemathesis (PyPI) takes /api/v1/openapi.json at its word, in requests that
# fit it and in requests that do not. No answer may be a fault, and none may be missing from the description.
#   run.sh [EXAMPLES]   so many of each kind for each operation (20); what it finds again: SEED=N run.sh
# Without a network that says so loudly and fails nothing, for it says nothing of us.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
here=$root/tests/compat/api
target=${CARGO_TARGET_DIR:-$root/target}
venv=$target/api-venv
binary=${SEACHANGE_BIN:-$target/debug/seachange}
examples=${1:-20}
pinned=schemathesis==4.32.5

[ -x "$binary" ] || { echo "api: no $binary: build it first (cargo build -p engine)" >&2; exit 1; }
if [ "$(cat "$venv/.ok" 2>/dev/null)" != "$pinned" ]; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" &&
    "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 "$pinned"; }; then
    printf '%s\n' "***" "*** NOT RUN: $pinned could not be fetched from PyPI." "***" >&2
    exit 0
  fi
  echo "$pinned" >"$venv/.ok"
fi

dir=$(mktemp -d "${TMPDIR:-/tmp}/seachange-api.XXXXXX")
daemon=
finish() {
  if [ -n "$daemon" ]; then kill "$daemon" 2>/dev/null && wait "$daemon" 2>/dev/null || true; fi
  rm -rf "$dir"
}
trap finish EXIT

token=sct_of-a-test-and-of-nobody-else
cat >"$dir/tokens.toml" <<TOML
[[token]]
name = "schemathesis"
role = "operator"
created = "2026-01-31T12:00:00Z"
sha256 = "$(printf %s "$token" | sha256sum | cut -d' ' -f1)"
TOML
chmod 600 "$dir/tokens.toml"
cat >"$dir/seachange.toml" <<TOML
[server]
listen = "127.0.0.1:0"
[state]
dir = "$dir/daemon"
url = "rocksdb://$dir/state"
work_dir = "$dir/work"
[security]
tokens = "$dir/tokens.toml"
[limits]
requests_per_second = 10000
burst = 10000
failed_tokens_per_minute = 10000
TOML
# Its own directory, so that a path in a script that somebody made up leads into it.
mkdir "$dir/cwd"
(cd "$dir/cwd" && exec "$binary" serve --config "$dir/seachange.toml") >"$dir/log" 2>&1 &
daemon=$!
url=
for _ in $(seq 300); do
  url=$(sed -n 's/.*HTTP is served at \(http[^ ]*[^/ ]\)\/\{0,1\}$/\1/p' "$dir/log" | head -1)
  [ -n "$url" ] && curl -fsS "$url/readyz" >"$dir/ready" 2>&1 && break
  kill -0 "$daemon" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { cat "$dir/log" >&2; exit 1; }

# The job that the description's examples name. Nobody listens where its source is.
cat >"$dir/submit.json" <<'JSON'
{"name": "retail/orders/emp_sync", "script": "EXECUTE CDCSOURCE emp WITH ('connector' = 'mysql-cdc', 'hostname' = '127.0.0.1', 'port' = '1', 'username' = 'root', 'password' = 'planted-secret', 'table-name' = 'shop.orders', 'sink.connector' = 'print');"}
JSON
curl -fsS -H "Authorization: Bearer $token" -H 'Content-Type: application/json' --data "@$dir/submit.json" \
  "$url/api/v1/jobs" >"$dir/submitted"

status=0
# The stream never ends by itself; tests of its own hold it.
(cd "$dir" && "$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$url/api/v1/openapi.json" \
  --header "Authorization: Bearer $token" --exclude-path /api/v1/stream --max-examples "$examples" \
  --request-timeout 30 ${SEED:+--seed "$SEED"}) || status=1

kill -0 "$daemon" || { echo "api: the daemon has ended:" >&2; tail -50 "$dir/log" >&2; exit 1; }
if grep -n "panicked\|planted-secret" "$dir/log"; then status=1; fi
[ $status = 0 ] || { echo "api: the end of the daemon's log:" >&2; tail -20 "$dir/log" >&2; }
exit $status
