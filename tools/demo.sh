#!/usr/bin/env bash
# Tells one story from nothing to a verified erasure, with an assertion at each step, on the real programs: a private
# PostgreSQL, real tokens and proofs, two officers, a restored backup, an auditor without a server.
#
# Usage: tools/demo.sh BIN          BIN is the folder of the built `lethe` and `dsar`
#   DEMO_KEEP=1 keeps the folder of the run and says where it is.
# No -e: a step that fails is counted and told, not the end of the script.
set -uo pipefail
export LC_ALL=C.UTF-8

here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${1:?the folder of the built programs}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/lethe-demo.XXXXXX")
chmod 700 "$work"
export LETHE_HOME="$work/home" DSAR_CONFIG="$work/dsar"
passed=0 failed=0 server="" second=""

# --- telling -----------------------------------------------------------------------------------------------------

# Later chapters stand on earlier ones: after a failure the story ends here.
chapter() {
  [ "$failed" -eq 0 ] || { sum_up; exit 1; }
  printf '\n%s\n' "$1"
}
sum_up() { printf '\ndemo: %d passed, %d failed\n' "$passed" "$failed"; }
tell() { printf '  %s\n' "$1"; }

# check WHAT COMMAND…: the command must succeed.
check() {
  local what=$1
  shift
  if "$@" >"$work/check.out" 2>&1; then
    passed=$((passed + 1))
    printf '  ok    %s\n' "$what"
  else
    failed=$((failed + 1))
    printf '  FAIL  %s\n' "$what"
    sed 's/^/          /' "$work/check.out" | head -20
  fi
}

# refused STATUS COMMAND…: the command must end with that status.
refused() {
  local expected=$1 status=0
  shift
  "$@" || status=$?
  [ "$status" -eq "$expected" ] || { echo "exit status $status, not $expected"; return 1; }
}

equals() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }
contains() { grep -qF -- "$2" "$1" || { echo "$1 does not contain what it should"; return 1; }; }
lacks() { ! grep -rqF -- "$2" "$1" || { echo "$1 contains what it must not"; return 1; }; }

finish() {
  for process in "$second" "$server"; do
    [ -z "$process" ] || { kill -TERM "$process" 2>/dev/null && wait "$process" 2>/dev/null; }
  done
  if [ "${DEMO_KEEP:-}" = 1 ]; then tell "kept: $work"; else rm -rf "$work"; fi
}
trap finish EXIT
trap 'exit 130' INT TERM

free_port() {
  local port
  for port in $(shuf -i 20000-29999 -n 50); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# until_ready URL PID: waits until the server answers, or has ended.
until_ready() {
  local _
  for _ in $(seq 1 300); do
    curl -fsS "$1/health/ready" >/dev/null 2>&1 && return 0
    kill -0 "$2" 2>/dev/null || return 1
    sleep 0.2
  done
  return 1
}

as() { local who=$1; shift; DSAR_SESSION=$who "$bin/dsar" "$@"; }

# The person of the story. Every value is looked for again at the end.
name='Zoë Ñandú-Quispe'
email='zoe.nandu@example.org'
phone='+51999000111'
note='called from the number we knew'

# --- 1 -----------------------------------------------------------------------------------------------------------
chapter '1. From nothing: a private PostgreSQL, keys, two databases, a tenant with synthetic people'
port=$(free_port)
ops=$(free_port)
export HTTP_PORT=$port OPS_PORT=$ops
url="http://localhost:$port"
# A witness of the log: somebody else's key, which the policies name.
"$bin/dsar" audit witness init --name witness.example.org --key-file "$work/witness.pem" >"$work/witness.vkey"
cp -r "$here/../policies" "$work/policies"
jq -n --arg key "$(cat "$work/witness.vkey")" '{schema: "witnesses/v1", witnesses: [{key: $key}]}' \
  >"$work/policies/witnesses.json"
export LETHE_POLICIES="$work/policies"
"$bin/lethe" dev --sample 12 >"$work/dev.out" 2>"$work/dev.err" &
server=$!
check 'the service answers' until_ready "$url" "$server"
[ "$failed" -eq 0 ] || { cat "$work/dev.out" "$work/dev.err"; exit 1; }
for who in admin officer officer2 auditor notifier; do
  check "$who has a token, bound to a key of their own" as "$who" login --dev --as "$who"
done
set -a
# Where the parts are: written by `lethe dev` for a second process.
. "$LETHE_HOME/run/environment"
set +a
superuser=$(printf '%s' "$DATABASE_URL" | sed 's,//[^@]*@,//postgres@,')
vault_superuser=$(printf '%s' "$VAULT_DATABASE_URL" | sed 's,//[^@]*@,//postgres@,')
for candidate in "$(command -v pg_dump || true)" /usr/lib/postgresql/*/bin/pg_dump; do
  [ -x "$candidate" ] && tools=$(dirname "$(readlink -f "$candidate")")
done
for candidate in /usr/lib/postgresql/*/bin; do [ -x "$candidate/pg_dump" ] && tools=$candidate; done
sql() { "$tools/psql" -XAtq -v ON_ERROR_STOP=1 -d "$1" -c "$2"; }

# --- 2 -----------------------------------------------------------------------------------------------------------
chapter '2. A person is created and read; every touch is in the log before the answer leaves'
body=$(jq -cn --arg n "$name" --arg e "$email" --arg p "$phone" \
  '{full_name: $n, email: $e, phone: $p, country: "PE", language: "es"}')
as admin api POST /profiles --body "$body" >"$work/profile.json" 2>"$work/profile.err"
id=$(jq -r .id "$work/profile.json")
check 'POST /profiles answers with the person' equals "$(jq -r .full_name "$work/profile.json")" "$name"
as admin api GET "/profiles/$id" >"$work/read.json" 2>&1
check 'GET /profiles/{id} reads it back' equals "$(jq -r .phone "$work/read.json")" "$phone"
check 'a second person with this address is refused (409)' refused 1 as admin api POST /profiles --body "$body"
check 'a request without a proof is refused (401)' equals \
  "$(curl -s -o /dev/null -w '%{http_code}' -H 'Authorization: Bearer x' "$url/profiles/$id")" 401
check 'a caller without the scope is refused (403)' refused 1 as notifier api POST /profiles --body "$body"
subject=$(sql "$superuser" "SELECT subject_id FROM user_profiles.profiles WHERE id = '$id'")
reads() {
  sql "$superuser" "SELECT count(*) FROM audit.entry_subjects s JOIN audit.entries e USING (tenant_id, seq)
    WHERE s.subject_id = '$subject' AND convert_from(e.entry, 'UTF8') LIKE '%\"action\":\"personal_data.read\"%'"
}
check 'the read is in the log, once' equals "$(reads)" 1
check 'in SQL the person is a pseudonym and noise' equals \
  "$(sql "$superuser" "SELECT count(*) FROM user_profiles.profiles p WHERE p::text ILIKE '%zoe%'")" 0

# --- 3 -----------------------------------------------------------------------------------------------------------
chapter '3. The person asks what is held: an access request and its package'
as officer request open --type access --profile "$id" --json >"$work/access.json" 2>&1
access=$(jq -r .id "$work/access.json")
check 'it is opened' equals "$(jq -r .state "$work/access.json")" received
check 'it can not be executed before the identity is verified' refused 1 as officer request execute "$access"
check 'the identity is verified' as officer request verify "$access" --method document
check 'it is executed' as officer request execute "$access" --wait
check 'the package is exported, every file as its manifest says' as officer export "$access" --out "$work/package"
check 'it holds the person' contains "$work/package/profile.json" "$name"
check 'and who read it' contains "$work/package/accesses.json" personal_data.read

# --- 4 -----------------------------------------------------------------------------------------------------------
chapter '4. The person asks to be forgotten; meanwhile the nightly backup runs'
printf '%s' "$note" | as officer request open --type erasure --profile "$id" --note-file - --json \
  >"$work/erasure.json" 2>&1
erasure=$(jq -r .id "$work/erasure.json")
check 'an erasure request is opened' equals "$(jq -r .state "$work/erasure.json")" received
check 'the identity is verified by a call back' as officer request verify "$erasure" --method callback
check 'whoever opened it can not approve it (403)' refused 1 as officer request approve "$erasure"
check 'it can not be executed without an approval' refused 1 as officer request execute "$erasure"
"$tools/pg_dump" -Fc -f "$work/before.dump" "$superuser"
"$tools/pg_dump" -Fc -f "$work/vault-before.dump" "$vault_superuser"
check 'last night'"'"'s dump of the data database has the rows' test -s "$work/before.dump"
check 'a second officer approves' as officer2 request approve "$erasure"
check 'it is executed and certified' as officer request execute "$erasure" --wait

# --- 5 -----------------------------------------------------------------------------------------------------------
chapter '5. The person is gone'
as admin api GET "/profiles/$id" --include >"$work/gone.txt" 2>&1
check 'the profile answers 410' contains "$work/gone.txt" 410
check 'the address finds nobody' equals "$(as admin api POST /profiles:search \
  --body "$(jq -cn --arg e "$email" '{email: $e}')" | jq '.items | length')" 0
check 'the package can not be downloaded any more' refused 1 as officer export "$access" --out "$work/again"
check 'the vault holds a tombstone and no key' equals "$(sql "$vault_superuser" \
  "SELECT wrapped IS NULL AND destroyed_at IS NOT NULL FROM vault.keys WHERE key_id = '$subject'")" t
check 'no lookup tag is left' equals \
  "$(sql "$superuser" "SELECT count(*) FROM custody.lookup_tags WHERE subject_id = '$subject'")" 0
check 'country and language are gone from the row' equals "$(sql "$superuser" \
  "SELECT country IS NULL AND language IS NULL FROM user_profiles.profiles WHERE id = '$id'")" t
check 'the other people are still there' equals "$(as admin api GET '/profiles?limit=200' | jq '.items | length')" 12

# --- 6 -----------------------------------------------------------------------------------------------------------
chapter '6. The backup from before the erasure is restored beside today'"'"'s vault'
sql "${superuser/lethe_data/postgres}" 'CREATE DATABASE restored OWNER lethe_owner' >/dev/null
"$tools/pg_restore" --no-comments -d "${superuser/lethe_data/restored}" "$work/before.dump" 2>"$work/restore.err"
check 'the dump is restored' equals \
  "$(sql "${superuser/lethe_data/restored}" "SELECT count(*) FROM user_profiles.profiles WHERE id = '$id'")" 1
# serve_restored PORT ARCHIVE: replaces this (sub)shell by a service over the restored database.
serve_restored() {
  export DATABASE_URL="${DATABASE_URL/lethe_data/restored}" HTTP_PORT=$1 OPS_PORT=0 LETHE_ARCHIVE=$2
  export WORKER_DATABASE_URL="${WORKER_DATABASE_URL/lethe_data/restored}"
  exec timeout 120 "$bin/lethe" serve
}
status=0
(serve_restored "$(free_port)" "$LETHE_ARCHIVE") >"$work/refused.out" 2>&1 || status=$?
check 'a service over it refuses to start' equals "$status" 1
check 'and says that it is behind what was published' contains "$work/refused.out" 'the archive covers'
tell 'Somebody careless takes the archive away and every trace of it, so that nothing tells the service …'
sql "${superuser/lethe_data/restored}" 'DELETE FROM audit.checkpoints'
other=$(free_port)
(serve_restored "$other" "$work/empty-archive") >"$work/second.out" 2>&1 &
second=$!
check '… and it starts' until_ready "http://localhost:$other" "$second"
# Proofs are made for the public origin; the second service stands behind the same one, on another port.
careless() { DSAR_CONNECT=$other as admin "$@"; }
careless api GET "/profiles/$id" --include >"$work/careless.txt" 2>&1
check 'the person does not come back (410): the key is gone' contains "$work/careless.txt" 410
check 'everybody else does' equals "$(careless api GET '/profiles?limit=200' 2>"$work/careless.err" | jq '.items | length')" 12
kill -TERM "$second" && wait "$second" 2>/dev/null
second=""

# --- 7 -----------------------------------------------------------------------------------------------------------
chapter '7. The epoch rotates: what was erased is dead in every backup of the keys'
as officer api GET "/privacy/data/$erasure" >"$work/issued.json"
check 'the certificate is issued' equals "$(jq -r .erasure.certificate "$work/issued.json")" issued
check 'and promises a day' equals "$(jq -r '.erasure.key_backups_dead_by | test("^2[0-9-]{9}$")' "$work/issued.json")" true
check 'the epoch is replaced while the service answers' "$bin/lethe" keys rotate
"$bin/lethe" keys status --json >"$work/epochs.json" 2>/dev/null
check 'the keyring holds the second epoch alone' equals "$(jq -c '[.epochs[].epoch]' "$work/epochs.json")" '[2]'
check 'everybody else still reads' equals "$(as admin api GET '/profiles?limit=200' | jq '.items | length')" 12
stage=""
for _ in $(seq 1 50); do
  stage=$(as officer api GET "/privacy/data/$erasure" | jq -r .erasure.certificate)
  [ "$stage" = final ] && break
  sleep 0.2
done
check 'the certificate is final' equals "$stage" final
sql "${superuser/lethe_data/postgres}" 'CREATE DATABASE oldvault OWNER lethe_vault_owner' >/dev/null
"$tools/pg_restore" --no-comments -d "${superuser/lethe_data/oldvault}" "$work/vault-before.dump" 2>"$work/oldvault.err"
check 'last night'"'"'s dump of the vault still has the wrapped key' equals "$(sql "${superuser/lethe_data/oldvault}" \
  "SELECT count(*) FROM vault.keys WHERE key_id = '$subject' AND wrapped IS NOT NULL")" 1
status=0
(
  VAULT_DATABASE_URL=$(printf '%s' "$VAULT_DATABASE_URL" | sed 's,/lethe_vault?,/oldvault?,')
  export VAULT_DATABASE_URL
  serve_restored "$(free_port)" "$work/empty-archive"
) >"$work/oldvault.out" 2>&1 || status=$?
check 'a service over both old dumps and today'"'"'s keyring refuses to start' equals "$status" 1
check 'because nothing holds that epoch'"'"'s key any more' contains "$work/oldvault.out" epoch

# --- 8 -----------------------------------------------------------------------------------------------------------
chapter '8. The proof: the server is stopped, and somebody verifies who trusts nothing on it'
check 'the certificate is downloaded' as officer certificate download "$erasure" --out "$work/certificate.json"
check 'the auditor lists what happened to the person' as auditor audit list --subject "$subject" --limit 5
as auditor audit list --action erasure.completed --json >"$work/completed.json"
entry=$(jq -r '.items[0].seq' "$work/completed.json")
check 'and keeps a receipt of the erasure'"'"'s entry' as auditor audit receipt "$entry" --out "$work/erasure.tlog-proof"
check 'a witness cosigns the checkpoint, and the service keeps it' \
  as auditor audit witness run --state "$work/witness" --key-file "$work/witness.pem" --name witness.example.org
as auditor audit witness list >"$work/witnesses.out"
check 'and shows it' contains "$work/witnesses.out" witness.example.org
check 'the log is exported' as auditor audit export --out "$work/audit"
vkey=$(echo "$work"/audit/*/vkey)
kill -TERM "$server" && wait "$server" 2>/dev/null
server=""
check 'the server is down' refused 7 curl -s "$url/health/live"
check 'the certificate verifies offline' "$bin/dsar" certificate verify "$work/certificate.json" --key "@$vkey"
check 'the log verifies offline' "$bin/dsar" audit verify "$work/audit" --key "@$vkey"
check 'and by a second program that shares no code with the first' \
  python3 "$here/verify_log.py" "${vkey%/vkey}" --key "$(head -n 1 "$vkey")" \
  --ledger "$work/audit/erasures/ledger"
check 'the receipt verifies offline' "$bin/dsar" audit receipt verify "$work/erasure.tlog-proof" \
  --entry "$work/erasure.tlog-proof.entry" --key "@$vkey"
jq --arg t 2020-01-01T00:00:00.000000Z '.certificate.erased_at = $t' "$work/certificate.json" >"$work/forged.json"
check 'a certificate with another date does not' refused 2 \
  "$bin/dsar" certificate verify "$work/forged.json" --key "@$vkey"
cp -r "$work/audit" "$work/tampered" && chmod -R u+w "$work/tampered"
bundle=$(find "$work"/tampered/*/tile/entries -type f | head -1)
size=$(stat -c %s "$bundle")
byte=$(od -An -tu1 -j $((size / 2)) -N 1 "$bundle" | tr -d ' ')
# shellcheck disable=SC2059  # the format is the one byte itself, in octal
printf "\\$(printf '%03o' $((byte ^ 1)))" | dd of="$bundle" bs=1 seek=$((size / 2)) conv=notrunc status=none
status=0
"$bin/dsar" audit verify "$work/tampered" --key "@$vkey" >"$work/tampered.out" 2>&1 || status=$?
check 'one flipped bit in a copy of the log is found (exit 2)' equals "$status" 2
check 'and located, by file' contains "$work/tampered.out" "${bundle##*/tampered/*/tile/}"
grep -F tile/ "$work/tampered.out" | head -2 | sed 's/^/          /'

# --- 9 -----------------------------------------------------------------------------------------------------------
chapter '9. No personal value of the story is anywhere: logs, dumps, archive'
unset DATABASE_URL WORKER_DATABASE_URL VAULT_DATABASE_URL LETHE_KEYRING LETHE_SIGNING_KEY LETHE_ARCHIVE
unset PUBLIC_ORIGIN TOKEN_ISSUER TOKEN_AUDIENCE TOKEN_JWKS BACKUP_DATABASE_URL BACKUP_VAULT_DATABASE_URL
"$bin/lethe" dev --sample 12 >"$work/dev2.out" 2>>"$work/dev.err" &
server=$!
check 'a second start reuses the data' until_ready "$url" "$server"
. "$LETHE_HOME/run/environment"
mkdir "$work/dumps"
"$tools/pg_dump" -f "$work/dumps/data.sql" "$(printf '%s' "$DATABASE_URL" | sed 's,//[^@]*@,//postgres@,')"
"$tools/pg_dump" -f "$work/dumps/vault.sql" "$(printf '%s' "$VAULT_DATABASE_URL" | sed 's,//[^@]*@,//postgres@,')"
check 'the dumps are there to be searched' contains "$work/dumps/data.sql" "$subject"
for value in "$name" "$email" "$phone" "${phone#+}" "$note" Ñandú zoe.nandu; do
  for place in "$LETHE_HOME/log" "$work/dumps" "$LETHE_HOME/archive" "$work/dev.out" "$work/dev.err" "$work/second.out"; do
    check "'$value' is not in ${place#"$work/"}" lacks "$place" "$value"
  done
done

sum_up
[ "$failed" -eq 0 ]
