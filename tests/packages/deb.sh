#!/usr/bin/env bash
# The Debian package in a Debian of its own (mmdebstrap, a chroot): installed, upgraded while a job runs, removed and
# purged. The job follows a real MySQL outside the chroot. No systemd runs in there: tests/packages/systemctl does what
# systemd would, by the unit and when the package's own scripts ask.
#   tests/packages/deb.sh        as root; BUILT=1 takes the binary that is there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. scripts/build-env.sh

say() { printf 'deb: %s\n' "$*" >&2; }
fail() {
  say "FAILED: $*"
  [ -f "$root/run/seachange.log" ] && tail -20 "$root/run/seachange.log" >&2
  exit 1
}

work=$PWD/target/packages
if [ "${1:-}" != --inside ]; then
  [ "$(id -u)" = 0 ] || { say "a chroot needs root"; exit 1; }
  for tool in mmdebstrap unshare setpriv ip; do
    command -v $tool >/dev/null || { say "$tool is missing (apt-get install mmdebstrap util-linux iproute2)"; exit 1; }
  done
  scripts/servers.sh fetch mysql9
  mkdir -p "$work"
  rm -rf "$work/debs"
  PROFILE=dev VERSION=0.1.0 deploy/package.sh "$work/debs"
  PROFILE=dev VERSION=0.1.1 BUILT=1 deploy/package.sh "$work/debs"
  if [ ! -e "$work/root.tar" ]; then
    say "unpacking a Debian"
    mmdebstrap --quiet --variant=minbase --include=librocksdb7.8,ca-certificates,init-system-helpers bookworm "$work/root.new.tar"
    mv "$work/root.new.tar" "$work/root.tar"
  fi
  # A network, mounts and processes of its own, all of which end with it.
  exec unshare --net --mount --propagation private --pid --fork --kill-child --mount-proc "$0" --inside
fi

ip link set lo up
base=$(mktemp -d "$work/run.XXXXXX")
root=$base/root
trap 'umount -R "$root" 2>/dev/null || true; [ -n "${KEEP:-}" ] || rm -rf "$base"' EXIT
mkdir "$root"
# A mount of its own, so that `find -xdev` and `umount -R` know where it ends.
mount --bind "$root" "$root"
tar -xf "$work/root.tar" -C "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs run "$root/run"
# Devices are not made in a chroot without leave; three that are there are enough.
for device in null zero urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/debs" && cp "$work"/debs/*.deb "$root/debs/"

inside() { chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"; }
# All files, but for what dpkg and systemd know by themselves.
files() {
  find "$root" -xdev -printf '/%P\n' |
    grep -vE '^/(proc|run|dev|debs|tmp)(/|$)|^/var/(lib/dpkg|log|cache/ldconfig)/|^/var/lib/private$|^/var/lib/systemd(/|$)|^/etc/systemd/system/multi-user.target.wants$' | sort
}

say "a MySQL"
port=3306
scripts/servers.sh init mysql9 "$base/mysql"
scripts/servers.sh run mysql9 "$base/mysql" $port --gtid-mode=ON --enforce-gtid-consistency=ON >"$base/mysql.out" 2>&1 &
sql() { scripts/servers.sh client mysql9 --no-defaults -h127.0.0.1 -P$port -uroot -e "$1"; }
for _ in $(seq 300); do
  sql 'SELECT 1' >/dev/null 2>&1 && break
  sleep 0.2
done
sql 'CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY, what VARCHAR(20)); INSERT INTO shop.orders VALUES (1, "a"), (2, "b"), (3, "c")'

say "installed"
# Without systemd first: the package does not start what cannot be started.
files >"$base/before"
inside dpkg -i /debs/seachange_0.1.0_amd64.deb >"$base/dpkg.log" 2>&1 || fail "dpkg -i: $(cat "$base/dpkg.log")"
inside seachange --version
inside dpkg --verify seachange
[ -L "$root/etc/systemd/system/multi-user.target.wants/seachange.service" ] || fail "the unit is not enabled"
[ "$(stat -c %a "$root/etc/seachange/credentials" "$root/etc/seachange/seal.key" | tr '\n' ' ')" = '700 600 ' ] || fail "others may read the credentials"
inside CREDENTIALS_DIRECTORY=/etc/seachange seachange serve --check-config --config /etc/seachange/seachange.toml >/dev/null || fail "the packaged configuration is wrong"
for file in usr/share/man/man1/seachange.1.gz usr/share/bash-completion/completions/seachange; do
  [ -s "$root/$file" ] || fail "$file is missing"
done

say "started, by what stands in for systemd"
mkdir -p "$root/run/systemd/system"
cp tests/packages/systemctl "$root/usr/bin/systemctl"
inside systemctl start seachange.service || fail "it did not start"
cat >"$root/debs/orders.sql" <<SQL
SET 'execution.checkpointing.interval' = '1s';
EXECUTE CDCSOURCE orders WITH (
  'connector' = 'mysql-cdc', 'hostname' = '127.0.0.1', 'port' = '$port', 'username' = 'root', 'password' = '',
  'table-name' = 'shop\\.orders', 'sink.connector' = 'file', 'sink.path' = '/var/lib/seachange/changes'
)
SQL
inside seachange submit /debs/orders.sql --start
changes() { cat "$root"/var/lib/private/seachange/changes/part-*.jsonl 2>/dev/null || true; }
# emitted N: N changes are out, and no more
emitted() {
  local lines=0
  for _ in $(seq 300); do
    lines=$(changes | grep -c '"op"') || true
    [ "$lines" -ge "$1" ] && break
    sleep 0.2
  done
  [ "$lines" = "$1" ] || fail "$1 changes were to come, there are $lines: $(changes)"
}
emitted 3
sql 'INSERT INTO shop.orders VALUES (4, "d")'
emitted 4

say "upgraded while the job runs"
echo '# a line of the administrator' >>"$root/etc/seachange/seachange.toml"
first=$(cat "$root/run/seachange.pid")
inside dpkg -i /debs/seachange_0.1.1_amd64.deb >"$base/dpkg.log" 2>&1 || fail "the upgrade: $(cat "$base/dpkg.log")"
grep -q 'restart seachange.service' "$root/run/systemctl.log" || fail "the upgrade did not restart the daemon"
[ "$(cat "$root/run/seachange.pid")" != "$first" ] || fail "the daemon is the old one"
grep -q 'a line of the administrator' "$root/etc/seachange/seachange.toml" || fail "the configuration was overwritten"
sql 'INSERT INTO shop.orders VALUES (5, "e"); UPDATE shop.orders SET what = "f" WHERE id = 1'
emitted 6
inside seachange snapshots orders --state /var/lib/private/seachange/state --json | grep -q '"savepoint"' || fail "the upgrade took no savepoint"

say "removed: what it holds stays"
inside dpkg -r seachange >"$base/dpkg.log" 2>&1 || fail "dpkg -r: $(cat "$base/dpkg.log")"
[ ! -e "$root/run/seachange.pid" ] || fail "the daemon runs on"
[ ! -e "$root/usr/bin/seachange" ] || fail "the binary is still there"
[ -e "$root/etc/seachange/seachange.toml" ] && [ -d "$root/var/lib/private/seachange" ] || fail "state or configuration is gone"

say "installed again: the job goes on"
sql 'DELETE FROM shop.orders WHERE id = 2'
inside dpkg -i /debs/seachange_0.1.1_amd64.deb >"$base/dpkg.log" 2>&1 || fail "dpkg -i: $(cat "$base/dpkg.log")"
emitted 7
changes | grep -o '"op":"."' | sort | uniq -c | tr -s ' \n' ' ' >"$base/ops"
[ "$(cat "$base/ops")" = ' 2 "op":"c" 1 "op":"d" 3 "op":"r" 1 "op":"u" ' ] || fail "other changes than those made: $(cat "$base/ops")"

say "purged: nothing stays"
inside dpkg -P seachange >"$base/dpkg.log" 2>&1 || fail "dpkg -P: $(cat "$base/dpkg.log")"
rm "$root/usr/bin/systemctl"
files >"$base/after"
diff "$base/before" "$base/after" || fail "files are left, or gone"
say "ok"
