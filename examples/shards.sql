-- Merges shards: shop_0.orders_0 … shop_3.orders_15 are rows of one table, shop.orders in Doris, each of which
-- says where it comes from.
-- MYSQL_PASSWORD=… DORIS_PASSWORD=… seachange run examples/shards.sql
SET pipeline.name = examples/shards;
SET execution.checkpointing.interval = 10s;

EXECUTE CDCSOURCE shards WITH (
  'connector' = 'mysql-cdc',
  'hostname' = '127.0.0.1',
  'port' = '3306',
  'username' = 'root',
  'password' = '${env:MYSQL_PASSWORD}',
  'scan.startup.mode' = 'initial',
  'table-name' = 'shop_[0-9]+\.orders_[0-9]+',
  'split.enable' = 'true',
  'split.match_number_regex' = '_[0-9]+',
  'split.max_match_value' = '100',
  'split.match_way' = 'suffix',
  'sink.connector' = 'doris',
  'sink.fenodes' = '127.0.0.1:8030',
  'sink.username' = 'root',
  'sink.password' = '${env:DORIS_PASSWORD}',
  'sink.source-column' = 'source_table'
);
