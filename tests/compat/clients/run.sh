#!/usr/bin/env bash
# Clients that others wrote load into the stand-in warehouse: what they need of a server, it has. Prints what passed.
# Python's come from PyPI into an environment of their own (.servers/clients); without a network that says so loudly
# and fails nothing, for it says nothing of us.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
here=$root/tests/compat/clients
venv=${SEACHANGE_SERVERS:-$root/.servers}/clients
binary=${WAREHOUSE_BIN:-${CARGO_TARGET_DIR:-$root/target}/debug/warehouse}
# All that is installed is named, and with --no-deps nothing else comes along: what these load with needs neither Ray
# nor a MySQL client in C.
pinned=(pydoris==1.2.0 ray-doris==1.3 doris-stream-load==2.4 requests==2.32.5 pymysql==1.1.2 pyarrow==21.0.0
  sqlalchemy==2.0.44 sqlalchemy-utils==0.42.0 typing-extensions==4.15.0 greenlet==3.5.6 urllib3==2.8.0 idna==3.20
  charset-normalizer==3.5.2 certifi==2026.10.18)

[ -x "$binary" ] || { echo "clients: no $binary: build it first (cargo build -p warehouse)" >&2; exit 1; }
wanted="${pinned[*]}"
if [ "$(cat "$venv/.ok" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  if ! { python3 -m venv "$venv" &&
    "$venv/bin/pip" install -q --disable-pip-version-check --retries 1 --no-deps "${pinned[@]}"; }; then
    printf '%s\n' "***" "*** NOT RUN: the clients from PyPI could not be fetched ($wanted)." "***" >&2
    exit 0
  fi
  echo "$wanted" >"$venv/.ok"
fi
exec "$venv/bin/python" "$here/clients.py" "$binary"
