#!/usr/bin/env bash
# Installs what a build and the tests need, and nothing twice. Safe to run at any time.
#   setup.sh            system packages and the test servers
#   setup.sh --build    system packages only
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "setup: $*" >&2; }

installed() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | cut -c1-2)" = ii ]; }
offered() { [ -n "$(apt-cache --quiet policy "$1" 2>/dev/null | sed -n 's/ *Candidate: *//p' | grep -v none)" ]; }

if ! command -v cargo >/dev/null; then
  say "there is no Rust on this machine; install it with rustup or your package manager (1.90 or newer), then try again"
  exit 1
fi
if ! command -v apt-get >/dev/null; then
  say "this is no Debian or Ubuntu: install a C++ compiler, make, pkg-config, libclang and (to save 20 minutes of"
  say "compiling) RocksDB 7.8 with its headers; for the tests MariaDB 10.6 or newer, npm and python3 with venv. Going on without."
  exit 0
fi

# Needed to build: RocksDB and its headers (bindgen reads them through libclang), and for the stand-in
# warehouse SQLite's.
need=(librocksdb-dev libsqlite3-dev libclang-dev pkg-config g++ make)
# Needed by the tests: MariaDB, the client for MySQL 5.6 and for the stand-in warehouse, curl, which loads into
# it, npm, through which MySQL 5.6 comes, Python, through which the S3 server comes, and Chromium, which looks at
# the page (PAGE_BROWSER names another).
if [ "${1:-}" != --build ]; then
  command -v npm >/dev/null || need+=(npm nodejs)
  [ -n "${SEACHANGE_MARIADBD:-}" ] || need+=(mariadb-server-core)
  need+=(mariadb-client-core)
  command -v curl >/dev/null || need+=(curl)
  python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
  [ -n "${PAGE_BROWSER:-}" ] || need+=(chromium)
fi

missing=()
for package in "${need[@]}"; do installed "$package" || missing+=("$package"); done

if [ ${#missing[@]} -gt 0 ]; then
  say "missing: ${missing[*]}"
  if [ "$(id -u)" = 0 ]; then
    sudo=()
  elif sudo -n true 2>/dev/null; then
    sudo=(sudo -n)
  else
    say "no root and no passwordless sudo here. Please run this once, then try again:"
    echo "  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  say "apt-get update"
  "${sudo[@]}" apt-get -qq update || say "apt-get update had errors; going on with the lists there are"
  wanted=()
  for package in "${missing[@]}"; do
    if offered "$package"; then
      wanted+=("$package")
    elif [ "$package" = librocksdb-dev ]; then
      say "librocksdb-dev is not offered here: the bundled RocksDB will be compiled, once, in about 20 minutes"
    else
      say "$package is not offered by this machine's apt sources"
    fi
  done
  if [ ${#wanted[@]} -gt 0 ]; then
    say "apt-get install ${wanted[*]}"
    DEBIAN_FRONTEND=noninteractive "${sudo[@]}" apt-get -qq -y --no-install-recommends install "${wanted[@]}" >/dev/null
  fi
else
  say "system packages: all there"
fi

. scripts/build-env.sh
if [ -n "${ROCKSDB_LIB_DIR:-}" ]; then
  say "RocksDB: the system's $(pkg-config --modversion rocksdb)"
else
  say "RocksDB: the bundled one, compiled at the first build (about 20 minutes)"
fi

[ "${1:-}" = --build ] && exit 0
# A fresh machine has no package lists yet, and the fetch asks them for the mirror.
if [ -z "$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null)" ] && [ "$(id -u)" = 0 ]; then
  say "apt-get update"
  apt-get -qq update || true
fi
status=0
scripts/servers.sh fetch mysql9 || status=9
scripts/servers.sh fetch mysql56 mariadb moto || status=1
if command -v java >/dev/null && command -v mvn >/dev/null; then
  scripts/servers.sh fetch hdfs || say "going on without HDFS: its tests say that they did not run"
else
  say "no Java and Maven here: the tests on HDFS say that they did not run (apt-get install default-jre-headless maven)"
fi
case $status in
9)
  if [ "${SEACHANGE_SKIP_MYSQL9:-}" = 1 ]; then
    say "going on without MySQL 9, as SEACHANGE_SKIP_MYSQL9=1 asks"
  else
    say "no MySQL 9. SEACHANGE_MYSQLD=/path/to/mysqld names yours; SEACHANGE_SKIP_MYSQL9=1 goes on without"
    exit 1
  fi
  ;;
1)
  say "a test server is missing"
  exit 1
  ;;
esac
say "done"
