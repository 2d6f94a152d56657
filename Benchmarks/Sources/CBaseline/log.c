#define _GNU_SOURCE
#include "CBaseline.h"

#if __has_include(<libpq-fe.h>)
#include <libpq-fe.h>
#else
#include <postgresql/libpq-fe.h>
#endif

#include <endian.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { hash_bytes = 32, uuid_bytes = 16 };

typedef struct {
  baseline_log *log;
  PGconn *connection;
  pthread_t thread;
  size_t count;
  size_t batch;
  int failed;
} writer;

struct baseline_log {
  unsigned char tenant[uuid_bytes];
  unsigned char hash[hash_bytes];
  unsigned char *entry;
  size_t entry_bytes;
  // The next sequence number.
  atomic_uint_fast64_t next;
  size_t writer_count;
  writer *writers;
};

static const char *one_text =
    "INSERT INTO bench.entries (tenant_id, seq, entry, leaf_hash) VALUES ($1, $2, $3, $4)";
static const char *many_text =
    "INSERT INTO bench.entries (tenant_id, seq, entry, leaf_hash) SELECT $1, * FROM unnest($2, $3, $4)";
// Object identifiers of uuid, bigint, bytea and of arrays of the last two (PostgreSQL, pg_type.dat).
static const Oid one_types[4] = {2950, 20, 17, 17};
static const Oid many_types[4] = {2950, 1016, 1001, 1001};

static int succeeded(PGresult *result) {
  int right = PQresultStatus(result) == PGRES_COMMAND_OK;
  PQclear(result);
  return right;
}

static unsigned char *put32(unsigned char *place, uint32_t value) {
  value = htobe32(value);
  memcpy(place, &value, sizeof value);
  return place + sizeof value;
}

// The binary format of a one-dimensional array's head.
static unsigned char *put_head(unsigned char *place, Oid element, size_t count) {
  place = put32(put32(put32(place, 1), 0), element);
  return put32(put32(place, (uint32_t)count), 1);
}

static int insert_one(writer *self) {
  static const int formats[4] = {1, 1, 1, 1};
  uint64_t sequence = htobe64(atomic_fetch_add(&self->log->next, 1));
  const char *values[4] = {
      (char *)self->log->tenant, (char *)&sequence, (char *)self->log->entry, (char *)self->log->hash};
  const int lengths[4] = {uuid_bytes, 8, (int)self->log->entry_bytes, hash_bytes};
  return succeeded(PQexecPrepared(self->connection, "one", 4, values, lengths, formats, 1));
}

static int insert_many(writer *self, size_t count) {
  static const int formats[4] = {1, 1, 1, 1};
  const size_t head = 20;
  size_t sizes[3] = {
      head + count * (4 + 8), head + count * (4 + self->log->entry_bytes), head + count * (4 + hash_bytes)};
  unsigned char *bytes = malloc(sizes[0] + sizes[1] + sizes[2]);
  if (bytes == NULL) return 0;
  unsigned char *starts[3] = {bytes, bytes + sizes[0], bytes + sizes[0] + sizes[1]};
  unsigned char *place[3] = {
      put_head(starts[0], 20, count), put_head(starts[1], 17, count), put_head(starts[2], 17, count)};
  uint64_t first = atomic_fetch_add(&self->log->next, count);
  for (size_t i = 0; i < count; i++) {
    uint64_t sequence = htobe64(first + i);
    place[0] = put32(place[0], 8);
    memcpy(place[0], &sequence, 8);
    place[0] += 8;
    place[1] = put32(place[1], (uint32_t)self->log->entry_bytes);
    memcpy(place[1], self->log->entry, self->log->entry_bytes);
    place[1] += self->log->entry_bytes;
    place[2] = put32(place[2], hash_bytes);
    memcpy(place[2], self->log->hash, hash_bytes);
    place[2] += hash_bytes;
  }
  const char *values[4] = {(char *)self->log->tenant, (char *)starts[0], (char *)starts[1], (char *)starts[2]};
  const int lengths[4] = {uuid_bytes, (int)sizes[0], (int)sizes[1], (int)sizes[2]};
  int right = succeeded(PQexecPrepared(self->connection, "many", 4, values, lengths, formats, 1));
  free(bytes);
  return right;
}

static void *work(void *argument) {
  writer *self = argument;
  for (size_t done = 0; done < self->count && !self->failed;) {
    size_t count = self->count - done < self->batch ? self->count - done : self->batch;
    self->failed = !(self->batch == 1 ? insert_one(self) : insert_many(self, count));
    done += count;
  }
  return NULL;
}

baseline_log *baseline_log_open(const char *url, size_t threads, const uint8_t *entry, size_t entry_bytes) {
  baseline_log *log = calloc(1, sizeof *log);
  if (log == NULL) return NULL;
  log->entry = malloc(entry_bytes);
  log->entry_bytes = entry_bytes;
  log->writers = calloc(threads, sizeof *log->writers);
  if (log->entry == NULL || log->writers == NULL) {
    baseline_log_close(log);
    return NULL;
  }
  memcpy(log->entry, entry, entry_bytes);
  memset(log->tenant, 0x5a, uuid_bytes);
  memset(log->hash, 0xa5, hash_bytes);
  for (; log->writer_count < threads; log->writer_count++) {
    writer *self = &log->writers[log->writer_count];
    self->log = log;
    self->connection = PQconnectdb(url);
    if (PQstatus(self->connection) != CONNECTION_OK ||
        !succeeded(PQprepare(self->connection, "one", one_text, 4, one_types)) ||
        !succeeded(PQprepare(self->connection, "many", many_text, 4, many_types))) {
      PQfinish(self->connection);
      baseline_log_close(log);
      return NULL;
    }
  }
  return log;
}

uint64_t baseline_log_insert(baseline_log *log, size_t count, size_t batch) {
  uint64_t begin = baseline_wall_nanoseconds();
  size_t started = 0;
  int failed = 0;
  for (; started < log->writer_count; started++) {
    writer *self = &log->writers[started];
    self->count = count / log->writer_count + (started < count % log->writer_count);
    self->batch = batch;
    self->failed = 0;
    if (pthread_create(&self->thread, NULL, work, self) != 0) {
      failed = 1;
      break;
    }
  }
  for (size_t i = 0; i < started; i++) {
    pthread_join(log->writers[i].thread, NULL);
    failed = failed || log->writers[i].failed;
  }
  return failed ? 0 : baseline_wall_nanoseconds() - begin;
}

void baseline_log_close(baseline_log *log) {
  if (log == NULL) return;
  for (size_t i = 0; i < log->writer_count; i++) PQfinish(log->writers[i].connection);
  free(log->writers);
  free(log->entry);
  free(log);
}
