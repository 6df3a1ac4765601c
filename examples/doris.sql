-- Copies the tables emp_1.employees_* into Doris, as a script for Dinky says it.
-- DORIS_PASSWORD=… seachange run examples/doris.sql --set hostname=127.0.0.1 --set sink.fenodes=127.0.0.1:8030
SET pipeline.name = examples/doris;
SET execution.checkpointing.interval = 10s;

EXECUTE CDCSOURCE doris WITH (
  'connector' = 'mysql-cdc',
  'hostname' = '127.0.0.1',
  'port' = '3306',
  'username' = 'root',
  'password' = '',
  'checkpoint' = '10000',
  'scan.startup.mode' = 'initial',
  'parallelism' = '2',
  'table-name' = 'emp_1\.employees_[0-9]+',
  'sink.connector' = 'datastream-doris-schema-evolution',
  'sink.fenodes' = '127.0.0.1:8030',
  'sink.username' = 'root',
  'sink.password' = '${env:DORIS_PASSWORD}',
  'sink.sink.db' = 'ods_#{schemaName}',
  'sink.table.prefix' = 'ods_',
  'sink.table.lower' = 'true',
  'sink.table.create.properties.replication_num' = '1',
  'sink.sink.label-prefix' = 'employees',
  'sink.sink.enable-2pc' = 'true',
  'sink.sink.max-retries' = '3',
  'sink.sink.properties.timeout' = '600',
  'sink.schema.change.behavior' = 'evolve'
);
