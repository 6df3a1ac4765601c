#!/usr/bin/env bash
# Holds the units to what systemd itself says of them: `verify` has no complaint, and `security` says
# less than 2.0. Needs systemd-analyze, not a running systemd.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exposure_max=2.0
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# `verify` asks that the command is there; this machine need not have it installed.
printf '#!/bin/sh\n' >"$dir/seachange" && chmod +x "$dir/seachange"

# unit FILE NAME: FILE as the unit NAME
unit() {
  local said exposure
  sed "s|^ExecStart=seachange |ExecStart=$dir/seachange |" "$1" >"$dir/$2"
  said=$(systemd-analyze verify --man=no "$dir/$2" 2>&1) || { echo "$2: $said" >&2; return 1; }
  [ -z "$said" ] || { echo "$2: $said" >&2; return 1; }
  exposure=$(systemd-analyze security --offline=true --no-pager "$dir/$2" 2>&1 |
    sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p')
  echo "$2: exposure ${exposure:-unknown}"
  awk -v e="${exposure:-10}" -v max=$exposure_max 'BEGIN { exit !(e < max) }' ||
    { echo "$2: systemd-analyze security says $exposure, and it is to be below $exposure_max" >&2; return 1; }
}

unit seachange.service seachange.service
# A template is looked at as one of its instances.
unit seachange@.service seachange@emp_1.service
