-- One source, two sinks: the terminal for the eye, files for the record.
-- The password comes from the environment: MYSQL_PASSWORD=… seachange run examples/two-sinks.sql
SET pipeline.name = examples/two_sinks;
SET execution.checkpointing.interval = 10s;
SET execution.checkpointing.num-retained = 3;

EXECUTE CDCSOURCE two_sinks WITH (
  'connector' = 'mysql-cdc',
  'hostname' = '127.0.0.1',
  'port' = '3306',
  'username' = 'root',
  'password' = '${env:MYSQL_PASSWORD}',
  'scan.startup.mode' = 'initial',
  'parallelism' = '2',
  'table-name' = 'emp_1\.employees_[0-9]+, emp_2\.employees_[0-9]+',
  'sink[0].connector' = 'print',
  'sink[1].connector' = 'file',
  'sink[1].path' = './changes',
  'sink[1].format' = 'debezium-json'
);
