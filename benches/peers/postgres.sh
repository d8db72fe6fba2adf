#!/usr/bin/env bash
# PostgreSQL as a peer, over a Unix socket in a folder of its own, never as root:
#   postgres.sh start                 makes and starts a server; prints its folder
#   postgres.sh chain-make DIR N      N rows of 464 bytes, each with the SHA-256 of its own and the row before it
#   postgres.sh chain DIR             checks that chain; prints milliseconds
#   postgres.sh read-make DIR N SIZE  N prompts of SIZE bytes by primary key
#   postgres.sh read DIR N SECONDS    reads them at random with pgbench (prepared, one connection); prints milliseconds a read
#   postgres.sh stop DIR              stops the server and removes its folder
set -euo pipefail

for folder in "${PG_BIN:-}" /usr/lib/postgresql/*/bin; do
  if [ -x "$folder/initdb" ]; then PATH="$folder:$PATH"; fi
done
for program in initdb pg_ctl psql pgbench; do
  command -v "$program" >/dev/null || { echo "there is no $program (PG_BIN names its folder)" >&2; exit 1; }
done

# The server refuses to run as root; the packages make a user for it.
unprivileged() {
  if [ "$(id -u)" = 0 ]; then
    (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups env PATH="$PATH" HOME=/tmp "$@")
  else
    "$@"
  fi
}
if [ "$(id -u)" = 0 ] && ! id postgres >/dev/null 2>&1; then
  echo "PostgreSQL does not run as root, and there is no user 'postgres'" >&2
  exit 1
fi

command="$1"
dir="${2:-}"
sql() { unprivileged psql --host="$dir" --username=bench --dbname=postgres --no-psqlrc --quiet --tuples-only --no-align "$@"; }

case "$command" in
start)
  dir="$(mktemp -d)"
  [ "$(id -u)" != 0 ] || chown postgres:postgres "$dir"
  unprivileged initdb --pgdata="$dir/data" --username=bench --auth=trust --no-sync >"$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
  rm -f "$dir.log"
  unprivileged pg_ctl --pgdata="$dir/data" --wait --silent --log="$dir/log" \
    --options="-c listen_addresses='' -c unix_socket_directories='$dir' -c shared_buffers=1GB -c jit=off -c max_wal_size=4GB" start >/dev/null
  echo "$dir"
  ;;
chain-make)
  sql --command "CREATE TABLE entries (id bigint PRIMARY KEY, body bytea NOT NULL, hash bytea NOT NULL)" --command "
    DO \$\$ DECLARE last bytea := ''; text bytea; BEGIN
      FOR i IN 1..$3 LOOP
        text := decode(repeat(md5(i::text), 29), 'hex');
        last := sha256(last || text);
        INSERT INTO entries VALUES (i, text, last);
      END LOOP;
    END \$\$" --command "VACUUM ANALYZE entries"
  ;;
chain)
  # A self-join is its fastest way (a window function takes a third longer), and may use both cores.
  printf '%s\n' '\timing on' "SELECT 'broken ' || count(*) FROM entries AS a JOIN entries AS b ON b.id = a.id + 1
    WHERE b.hash <> sha256(a.hash || b.body);" |
    sql | awk '/^broken/ { broken = $2 } /^Time:/ { time = $2 } END { if (broken != "0") exit 1; print time }'
  ;;
read-make)
  sql --command "CREATE TABLE prompts (id integer PRIMARY KEY, body bytea NOT NULL)" --command "
    INSERT INTO prompts SELECT n, (SELECT string_agg(decode(md5(n || '-' || k), 'hex'), '') FROM generate_series(1, $4 / 16) AS k)
    FROM generate_series(1, $3) AS n" --command "VACUUM ANALYZE prompts"
  ;;
read)
  printf '\\set n random(1, %s)\nSELECT body FROM prompts WHERE id = :n;\n' "$3" >"$dir/read.sql"
  chmod a+r "$dir/read.sql"
  unprivileged pgbench --host="$dir" --username=bench --no-vacuum --protocol=prepared --client=1 --time="$4" --file="$dir/read.sql" postgres 2>/dev/null |
    awk '/^latency average/ { print $4 }'
  ;;
stop)
  unprivileged pg_ctl --pgdata="$dir/data" --wait --silent --mode=immediate stop >/dev/null || true
  rm -rf "$dir"
  ;;
*)
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
