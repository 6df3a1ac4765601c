#!/bin/sh
# Run by the image `mysql` at its first start: the user that jobs connect as, with what they need and no more.
password=$(cat /run/secrets/mysql-seachange)
mysql -uroot -p"$(cat /run/secrets/mysql-root)" <<SQL
CREATE USER 'seachange'@'%' IDENTIFIED BY '$password';
GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO 'seachange'@'%';
GRANT SELECT ON *.* TO 'seachange'@'%';
SQL
