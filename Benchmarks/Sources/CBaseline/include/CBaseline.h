// The baselines: what the C libraries take for the same work, each loop in C so that nothing of ours is in it.
// Every function that measures nothing itself leaves the clock to its caller.
#ifndef LETHE_CBASELINE_H
#define LETHE_CBASELINE_H

#include <stddef.h>
#include <stdint.h>

// Clocks.

// Nanoseconds of CPU time that the calling thread has used.
uint64_t baseline_thread_nanoseconds(void);
// Nanoseconds of a clock that only goes forward.
uint64_t baseline_wall_nanoseconds(void);

// libsodium: AES-256-GCM by the one-shot calls.

typedef struct baseline_aead baseline_aead;

typedef enum {
  // 12 bytes from randombytes_buf for each message: what a random nonce costs is part of the baseline.
  BASELINE_NONCE_RANDOM,
  // A counter: the cipher and nothing else.
  BASELINE_NONCE_COUNTER
} baseline_nonce;

// A message and its associated data, of those sizes. NULL without AES instructions, or without memory.
baseline_aead *baseline_aead_new(size_t message_bytes, size_t data_bytes);
// Each returns how many calls succeeded.
size_t baseline_aead_seal(baseline_aead *aead, baseline_nonce nonce, size_t count);
size_t baseline_aead_open(baseline_aead *aead, size_t count);
void baseline_aead_free(baseline_aead *aead);

// OpenSSL: one signed message with its public key ready to use.

typedef struct baseline_signed baseline_signed;

// `key` is x || y (64 bytes) for P-256, 32 bytes for Ed25519; `signature` is 64 bytes, r || s or R || S. NULL unless
// all of it is acceptable.
baseline_signed *baseline_signed_new(
    const uint8_t *key, size_t key_bytes, const uint8_t *signature, const uint8_t *message, size_t message_bytes);
// 1 when the signature is valid.
int baseline_signed_verify(const baseline_signed *item);
void baseline_signed_free(baseline_signed *item);

// Hashes 0x00 || bytes `count` times with SHA-256, in one context, with the algorithm fetched once. Returns `count`.
size_t baseline_sha256_leaf(const uint8_t *bytes, size_t length, size_t count);

// libpq: one connection a thread, prepared statements, binary parameters, each statement a transaction of its own.

typedef struct baseline_pg baseline_pg;

// Connects `threads` times and prepares both statements on the table bench.profiles. NULL when that fails.
baseline_pg *baseline_pg_open(const char *url, size_t threads, const uint8_t tenant[16]);
// Spreads `count` statements over the threads, waits for all, and returns the nanoseconds they took; 0 when one failed.
uint64_t baseline_pg_insert(baseline_pg *pg, size_t count);
// The same, for rows that were inserted before. A SELECT must return exactly one row.
uint64_t baseline_pg_select(baseline_pg *pg, size_t count);
void baseline_pg_close(baseline_pg *pg);

// The log's rows, written by libpq alone: the table bench.entries (tenant_id, seq, entry, leaf_hash).

typedef struct baseline_log baseline_log;

// Connects `threads` times. Each row is `entry` and its hash, of those bytes. NULL when that fails.
baseline_log *baseline_log_open(const char *url, size_t threads, const uint8_t *entry, size_t entry_bytes);
// Inserts `count` rows, spread over the threads, `batch` of them in each statement, each statement a transaction of its
// own; the nanoseconds they took, or 0 when one failed.
uint64_t baseline_log_insert(baseline_log *log, size_t count, size_t batch);
void baseline_log_close(baseline_log *log);

// The hashes that a log's verification can't do without, over `count` entries of `length` bytes: leaf by leaf, then node
// by node. `leaves` has room for count * 32 bytes, and ends with the root in its first 32. Returns `count`.
size_t baseline_sha256_tree(const uint8_t *bytes, size_t length, size_t count, uint8_t *leaves);

// A client of HTTP/1.1 with one kept connection a thread, to 127.0.0.1.

typedef struct {
  // From the first request to the last answer; 0 when a connection failed.
  uint64_t nanoseconds;
  // Answers with another status than 200.
  size_t refused;
} baseline_load;

// Sends `count` requests over `connections` connections. Request i is bytes[offsets[i % kinds] ..< offsets[i % kinds +
// 1]]; its time to the whole answer goes to latencies[i].
baseline_load baseline_http_load(
    uint16_t port, size_t connections, const uint8_t *bytes, const size_t *offsets, size_t kinds, size_t count,
    uint64_t *latencies);
// The status of a GET without anything, or -1 when nobody answers.
int baseline_http_status(uint16_t port, const char *path);
// A port on 127.0.0.1 that nobody listens on now, or 0.
uint16_t baseline_free_port(void);

// Appends 8 KiB to a new file and makes it durable, `count` times; the nanoseconds of each go to times[i]. The file is
// removed. 1 when all went well.
int baseline_durable_writes(const char *path, size_t count, uint64_t *times);

#endif
