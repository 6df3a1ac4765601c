#!/usr/bin/env bash
# Looks at everything in deploy/ that can be looked at without running it, in seconds: units, manifests, rules,
# dashboard, scripts. What needs the binary is in tests/, and what needs a machine of its own in tests/packages/.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit

deploy/test/tools.sh || exit 1
tools=$(realpath "${SEACHANGE_SERVERS:-.servers}/deploy")
export PATH=$tools:$tools/python/bin:$PATH
failed=0

part() {
  local name=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "deploy: $name: ok"
  else
    echo "deploy: $name: FAILED"
    echo "$said"
    failed=1
  fi
}

manifests=()
for file in deploy/kubernetes/*.yaml; do
  [ "$(basename "$file")" = kustomization.yaml ] || manifests+=("$file")
done

part units deploy/test/units.sh
part yaml yamllint --strict -c deploy/test/yamllint.yaml deploy
part manifests python deploy/test/manifests.py "${manifests[@]}"
part names python deploy/test/names.py
part rules promtool check rules deploy/prometheus/alerts.yaml
part alerts promtool test rules deploy/test/alerts.yaml
part dashboard python deploy/test/dashboard.py
part scripts shellcheck -x -S warning deploy/package.sh deploy/test/*.sh deploy/debian/* deploy/container/*.sh tests/packages/*
exit $failed
