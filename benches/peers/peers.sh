#!/usr/bin/env bash
# The programs that Seachange is measured beside, kept under the git-ignored .servers/peers/.
#
#   peers.sh fetch [PEER]...        download and build them (all by default); nothing is installed on the system
#   peers.sh have PEER              exit 0 when PEER can run here
#   peers.sh version PEER           of what stands here
#   peers.sh run PEER [ARG]...      become it (exec); LOG=warn has one of Java tell more on standard error
#
# PEER: mydumper (of Debian sid), debezium (its embedded engine from Maven Central, under Debezium.java),
# flink-cdc (Flink and its MySQL connector from Maven Central, under FlinkCdc.java).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
home=${SEACHANGE_SERVERS:-$root/.servers}/peers
debezium=3.6.1.Final
flink=1.20.4
flink_cdc=3.5.0
# What flink-cdc asks its user to add, for its licence.
connector_j=8.4.0
slf4j=1.7.36

say() { echo "peers: $*" >&2; }
fail() { say "$*"; exit 1; }

class_of() {
  case $1 in
  debezium) echo Debezium ;;
  flink-cdc) echo FlinkCdc ;;
  esac
}

# The jars of GROUP:ARTIFACT:VERSION... with all they need, and our class, compiled against them.
fetch_java() {
  local peer=$1 dir=$home/$1 artifact program group name version
  shift
  for program in java javac mvn; do
    command -v $program >/dev/null || { say "$peer: there is no $program here (apt-get install default-jdk-headless maven)"; return 1; }
  done
  say "fetching $peer into $dir"
  rm -rf "$dir" && mkdir -p "$dir/classes"
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
    echo '<groupId>local</groupId><artifactId>peer</artifactId><version>1</version><dependencies>'
    for artifact in "$@" "org.slf4j:slf4j-simple:$slf4j"; do
      IFS=: read -r group name version <<<"$artifact"
      echo "<dependency><groupId>$group</groupId><artifactId>$name</artifactId><version>$version</version></dependency>"
    done
    echo '</dependencies></project>'
  } >"$dir/pom.xml"
  mvn -q -B -f "$dir/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir/lib" >&2 || return 1
  echo "$*" >"$dir/ok"
}

fetch() {
  case $1 in
  mydumper) "$root/scripts/servers.sh" unpack sid peers/mydumper mydumper || return 1 ;;
  debezium)
    [ -e "$home/debezium/ok" ] || fetch_java debezium "io.debezium:debezium-embedded:$debezium" \
      "io.debezium:debezium-connector-mysql:$debezium" "io.debezium:debezium-storage-file:$debezium" || return 1
    ;;
  flink-cdc)
    [ -e "$home/flink-cdc/ok" ] || fetch_java flink-cdc "org.apache.flink:flink-sql-connector-mysql-cdc:$flink_cdc" \
      "org.apache.flink:flink-streaming-java:$flink" "org.apache.flink:flink-clients:$flink" \
      "org.apache.flink:flink-connector-base:$flink" "org.apache.flink:flink-table-runtime:$flink" \
      "org.apache.flink:flink-table-api-java-bridge:$flink" "com.mysql:mysql-connector-j:$connector_j" || return 1
    ;;
  *) fail "unknown peer '$1' (mydumper, debezium, flink-cdc)" ;;
  esac
  # Ours is small, and compiled anew each time.
  if [ -n "$(class_of "$1")" ]; then
    javac -nowarn -d "$home/$1/classes" -cp "$home/$1/lib/*" "$here/$(class_of "$1").java" || return 1
  fi
  say "$1: $(version "$1")"
}

have() {
  case $1 in
  mydumper) [ -e "$home/mydumper/.ok" ] ;;
  debezium | flink-cdc) [ -e "$home/$1/classes/$(class_of "$1").class" ] && command -v java >/dev/null ;;
  *) fail "unknown peer '$1' (mydumper, debezium, flink-cdc)" ;;
  esac
}

version() {
  case $1 in
  mydumper) sed -n 's/^mydumper_\(.*\)_[^_]*\.deb$/\1/p' "$home/mydumper/.ok" ;;
  debezium) echo "$debezium" ;;
  flink-cdc) echo "$flink_cdc on Flink $flink" ;;
  esac
}

# With the tree's own loader and libraries, as the servers of another tree run.
run_mydumper() {
  local tree=$home/mydumper lib
  lib=$tree/usr/lib/$(uname -m)-linux-gnu
  MARIADB_PLUGIN_DIR=$lib/libmariadb3/plugin exec "$(echo "$lib"/ld-linux*.so.*)" --argv0 mydumper \
    --library-path "$lib" "$tree/usr/bin/mydumper" "$@"
}

run() {
  local peer=$1
  shift
  have "$peer" || fail "$peer is not here (benches/peers/peers.sh fetch $peer)"
  case $peer in
  mydumper) run_mydumper "$@" ;;
  *)
    # Java 17 keeps from Flink what it looks into.
    exec java -Xmx2g -Dorg.slf4j.simpleLogger.defaultLogLevel=${LOG:-error} \
      --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
      -cp "$home/$peer/classes:$home/$peer/lib/*" "$(class_of "$peer")" "$@"
    ;;
  esac
}

command=${1:-help}
[ $# -gt 0 ] && shift
mkdir -p "$home"
case $command in
fetch)
  [ $# -gt 0 ] || set -- mydumper debezium flink-cdc
  failed=0
  for peer in "$@"; do fetch "$peer" || failed=1; done
  exit $failed
  ;;
have | version | run) "$command" "$@" ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
esac
