#!/usr/bin/env bash
# The page in a real browser.
#   run.sh          against a stand-in for the daemon: every button, tab, language, key and size of screen
#   run.sh real     against a `seachange serve` that runs: the walkthrough by clicking. PAGE_URL is its address,
#                   PAGE_TOKEN its token (may be empty), PAGE_SCRIPT the file of a job script that prints, PAGE_INSERT
#                   a shell command that inserts one row
#   run.sh shots    the pictures of docs/images, of the stand-in
# Packages come from npm, once, below target/; PAGE_BROWSER names another Chromium than /usr/bin/chromium. Without
# a browser or npm this says so loudly and fails nothing, for it says nothing of the page.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/tests/page
packages=${CARGO_TARGET_DIR:-$root/target}/page
browser=${PAGE_BROWSER:-/usr/bin/chromium}

not_run() {
  printf '%s\n' "***" "*** NOT RUN: the tests of the page: $1" "***" >&2
  exit 0
}

command -v node >/dev/null && command -v npm >/dev/null || not_run "no Node.js and npm (scripts/setup.sh installs them)"
[ -x "$browser" ] || not_run "no $browser (apt-get install chromium)"
mkdir -p "$packages"
if ! cmp -s "$here/package.json" "$packages/package.json" || [ ! -d "$packages/node_modules/playwright-core" ]; then
  cp "$here/package.json" "$packages/package.json"
  if ! (cd "$packages" && npm install --silent --no-fund --no-audit --no-package-lock); then
    rm -f "$packages/package.json"
    not_run "the packages could not be fetched from npm"
  fi
fi
export PAGE_MODULES=$packages PAGE_BROWSER=$browser

case ${1:-} in
"") exec node --test --test-concurrency=1 --test-reporter=spec "$here"/*.test.mjs ;;
real) exec node "$here/real.mjs" ;;
shots) exec node "$here/shots.mjs" "$root/docs/images" ;;
*)
  echo "page: run.sh [real|shots]" >&2
  exit 2
  ;;
esac
