# A PostgreSQL of one's own: made, loaded, measured, dumped, stopped.
. "$(dirname "$0")/lib.sh"
export PATH=/usr/lib/postgresql/15/bin:$PATH PGHOST=127.0.0.1 PGPORT=5433 PGUSER=dev PGPASSWORD=work
echo work >password
initdb -D data -U dev -A scram-sha-256 --pwfile=password >/dev/null
pg_ctl -D data -s -w -o "-p 5433 -k $PWD" -l log start
trap 'pg_ctl -D data -s -m fast stop' EXIT
createdb app
pgbench -q -i app 2>/dev/null >/dev/null
pgbench -c 4 -j 2 -T $((2 * SCALE)) app >/dev/null 2>&1
psql -q -d app -c "copy pgbench_accounts to program 'gzip > $PWD/accounts.gz'" -c 'vacuum analyze' >/dev/null
pg_dump app | gzip >dump.sql.gz
createdb copy && gunzip -c dump.sql.gz | psql -q -d copy >/dev/null
