#define _GNU_SOURCE
#include "CBaseline.h"

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

#include <endian.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum { columns = 13, id_bytes = 16 };

// What a profile with a name, an address and a number holds, sealed: the value's bytes and 30 more.
enum { name_bytes = 48, email_bytes = 66, phone_bytes = 43 };

typedef struct {
  baseline_pg *pg;
  PGconn *connection;
  pthread_t thread;
  size_t count;
  int inserts;
  int failed;
  uint64_t random;
  // The rows that this connection has inserted.
  unsigned char *ids;
  size_t id_count;
  size_t id_capacity;
} worker;

struct baseline_pg {
  unsigned char tenant[id_bytes];
  size_t worker_count;
  worker *workers;
};

static const char *insert_text =
    "INSERT INTO bench.profiles (tenant_id, id, subject_id, status, full_name_sealed, email_sealed, phone_sealed,"
    " identity_sealed, country, language, version, created_at, updated_at)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
static const char *select_text =
    "SELECT id, subject_id, status, full_name_sealed, email_sealed, phone_sealed, identity_sealed, country, language,"
    " version, created_at, updated_at FROM bench.profiles WHERE tenant_id = $1 AND id = $2";

// Object identifiers of uuid, text, bytea and bigint (PostgreSQL, pg_type.dat).
static const Oid types[columns] = {2950, 2950, 2950, 25, 17, 17, 17, 17, 25, 25, 20, 20, 20};

static int succeeded(PGresult *result, ExecStatusType expected) {
  int right = PQresultStatus(result) == expected;
  PQclear(result);
  return right;
}

static uint64_t next_random(worker *self) {
  // xorshift64: only to pick rows.
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;
  return self->random;
}

static int insert_one(worker *self) {
  static const int formats[columns] = {1, 1, 1, 0, 1, 1, 1, 1, 0, 0, 1, 1, 1};
  if (self->id_count == self->id_capacity) {
    size_t capacity = self->id_capacity == 0 ? 1024 : self->id_capacity * 2;
    unsigned char *ids = realloc(self->ids, capacity * id_bytes);
    if (ids == NULL) return 0;
    self->ids = ids;
    self->id_capacity = capacity;
  }
  unsigned char *id = self->ids + self->id_count * id_bytes;
  unsigned char subject[id_bytes], name[name_bytes], email[email_bytes], phone[phone_bytes];
  randombytes_buf(id, id_bytes);
  randombytes_buf(subject, sizeof subject);
  memcpy(name, id, id_bytes);
  memset(name + id_bytes, 0x5a, sizeof name - id_bytes);
  memset(email, 0x5b, sizeof email);
  memset(phone, 0x5c, sizeof phone);
  uint64_t version = htobe64(1), time = htobe64(baseline_wall_nanoseconds() / 1000);
  const char *values[columns] = {
      (char *)self->pg->tenant, (char *)id, (char *)subject, "pending", (char *)name, (char *)email, (char *)phone,
      NULL, "PT", "pt", (char *)&version, (char *)&time, (char *)&time};
  const int lengths[columns] = {id_bytes, id_bytes, id_bytes, 0, sizeof name, sizeof email, sizeof phone,
                                0, 0, 0, 8, 8, 8};
  if (!succeeded(
          PQexecPrepared(self->connection, "insert", columns, values, lengths, formats, 1), PGRES_COMMAND_OK)) {
    return 0;
  }
  self->id_count++;
  return 1;
}

static int select_one(worker *self) {
  static const int formats[2] = {1, 1}, lengths[2] = {id_bytes, id_bytes};
  if (self->id_count == 0) return 0;
  unsigned char *id = self->ids + next_random(self) % self->id_count * id_bytes;
  const char *values[2] = {(char *)self->pg->tenant, (char *)id};
  PGresult *result = PQexecPrepared(self->connection, "select", 2, values, lengths, formats, 1);
  int right = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
              memcmp(PQgetvalue(result, 0, 0), id, id_bytes) == 0;
  PQclear(result);
  return right;
}

static void *work(void *argument) {
  worker *self = argument;
  for (size_t i = 0; i < self->count && !self->failed; i++) {
    self->failed = !(self->inserts ? insert_one(self) : select_one(self));
  }
  return NULL;
}

static uint64_t run(baseline_pg *pg, size_t count, int inserts) {
  uint64_t begin = baseline_wall_nanoseconds();
  size_t started = 0;
  int failed = 0;
  for (; started < pg->worker_count; started++) {
    worker *self = &pg->workers[started];
    self->count = count / pg->worker_count + (started < count % pg->worker_count);
    self->inserts = inserts;
    self->failed = 0;
    if (pthread_create(&self->thread, NULL, work, self) != 0) {
      failed = 1;
      break;
    }
  }
  for (size_t i = 0; i < started; i++) {
    pthread_join(pg->workers[i].thread, NULL);
    failed = failed || pg->workers[i].failed;
  }
  return failed ? 0 : baseline_wall_nanoseconds() - begin;
}

baseline_pg *baseline_pg_open(const char *url, size_t threads, const uint8_t tenant[16]) {
  if (sodium_init() < 0) return NULL;
  baseline_pg *pg = calloc(1, sizeof *pg);
  if (pg == NULL) return NULL;
  memcpy(pg->tenant, tenant, id_bytes);
  pg->workers = calloc(threads, sizeof *pg->workers);
  for (; pg->workers != NULL && pg->worker_count < threads; pg->worker_count++) {
    worker *self = &pg->workers[pg->worker_count];
    self->pg = pg;
    self->random = 0x9e3779b97f4a7c15u + pg->worker_count;
    self->connection = PQconnectdb(url);
    if (PQstatus(self->connection) != CONNECTION_OK ||
        !succeeded(PQprepare(self->connection, "insert", insert_text, columns, types), PGRES_COMMAND_OK) ||
        !succeeded(PQprepare(self->connection, "select", select_text, 2, types), PGRES_COMMAND_OK)) {
      PQfinish(self->connection);
      break;
    }
  }
  if (pg->worker_count == threads && threads > 0) return pg;
  baseline_pg_close(pg);
  return NULL;
}

uint64_t baseline_pg_insert(baseline_pg *pg, size_t count) { return run(pg, count, 1); }

uint64_t baseline_pg_select(baseline_pg *pg, size_t count) { return run(pg, count, 0); }

void baseline_pg_close(baseline_pg *pg) {
  if (pg == NULL) return;
  for (size_t i = 0; i < pg->worker_count; i++) {
    PQfinish(pg->workers[i].connection);
    free(pg->workers[i].ids);
  }
  free(pg->workers);
  free(pg);
}
