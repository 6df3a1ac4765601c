# Sourced, not run: tells the build to link the distribution's RocksDB where it is installed
# (about 2 minutes of build instead of about 20). Without it, cargo compiles the bundled one.
if command -v pkg-config >/dev/null 2>&1 && pkg-config --exists rocksdb 2>/dev/null; then
  ROCKSDB_LIB_DIR=$(pkg-config --variable=libdir rocksdb)
  ROCKSDB_INCLUDE_DIR=$(pkg-config --variable=includedir rocksdb)
  export ROCKSDB_LIB_DIR ROCKSDB_INCLUDE_DIR
fi
# Likewise the distribution's SQLite, for the stand-in warehouse.
if command -v pkg-config >/dev/null 2>&1 && pkg-config --exists sqlite3 2>/dev/null; then
  export LIBSQLITE3_SYS_USE_PKG_CONFIG=1
fi
