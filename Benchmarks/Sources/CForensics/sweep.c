#include "evidence.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

// What is tried first.
typedef struct {
  const sealed *items[MOST];
  size_t count;
} first;

// One thread's working memory.
typedef struct {
  const forensic_evidence *evidence;
  // By suite: the shortest envelope of each key, and one wrapped key of each epoch.
  first envelopes[3];
  first wrapped[3];
  uint8_t *plaintext;
  forensic_hit *hits;
  size_t capacity;
  size_t count;
} work;

static void choose(work *work) {
  for (int suite = SUITE_AES; suite <= SUITE_XCHACHA; suite++) {
    first *envelopes = &work->envelopes[suite];
    for (size_t i = 0; i < work->evidence->envelope_count[suite]; i++) {
      const sealed *item = &work->evidence->envelopes[suite][i];
      size_t place = 0;
      while (place < envelopes->count && envelopes->items[place]->key != item->key) place++;
      if (place == envelopes->count) envelopes->items[envelopes->count++] = item;
      if (item->ciphertext_bytes < envelopes->items[place]->ciphertext_bytes) envelopes->items[place] = item;
    }
    first *wrapped = &work->wrapped[suite];
    for (size_t i = 0; i < work->evidence->wrapped_count[suite]; i++) {
      const sealed *item = &work->evidence->wrapped[suite][i];
      size_t place = 0;
      while (place < wrapped->count && wrapped->items[place]->epoch != item->epoch) place++;
      if (place == wrapped->count) wrapped->items[wrapped->count++] = item;
    }
  }
}

static void subkey(uint8_t out[KEY_BYTES], const uint8_t root[KEY_BYTES], uint64_t number, const char context[8]) {
  crypto_kdf_derive_from_key(out, KEY_BYTES, number, context, root);
}

// A cipher's key, made ready once for all that is tried with it.
typedef struct {
  uint8_t suite;
  const uint8_t *key;
  crypto_aead_aes256gcm_state aes;
} cipher;

static void ready(cipher *cipher, uint8_t suite, const uint8_t key[KEY_BYTES]) {
  cipher->suite = suite;
  cipher->key = key;
  if (suite == SUITE_AES) crypto_aead_aes256gcm_beforenm(&cipher->aes, key);
}

static int opens(const cipher *cipher, const sealed *item, uint8_t *plaintext) {
  if (cipher->suite == SUITE_AES) {
    return crypto_aead_aes256gcm_decrypt_detached_afternm(
               plaintext, NULL, item->ciphertext, item->ciphertext_bytes, item->tag, item->data, item->data_bytes,
               item->nonce, &cipher->aes) == 0;
  }
  return crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
             plaintext, NULL, item->ciphertext, item->ciphertext_bytes, item->tag, item->data, item->data_bytes,
             item->nonce, cipher->key) == 0;
}

static void report(work *work, size_t offset, uint32_t key, forensic_role role, uint32_t opened) {
  if (work->count < work->capacity) work->hits[work->count] = (forensic_hit){offset, key, (uint32_t)role, opened};
  work->count++;
}

// How many of a key's envelopes the key opens.
static uint32_t opened_by(work *work, uint32_t number, const uint8_t key[KEY_BYTES]) {
  uint32_t opened = 0;
  for (uint8_t suite = SUITE_AES; suite <= SUITE_XCHACHA; suite++) {
    uint8_t derived[KEY_BYTES];
    cipher cipher;
    if (work->evidence->envelope_count[suite] == 0) continue;
    subkey(derived, key, suite, "LetheFld");
    ready(&cipher, suite, derived);
    for (size_t i = 0; i < work->evidence->envelope_count[suite]; i++) {
      const sealed *item = &work->evidence->envelopes[suite][i];
      if (item->key == number) opened += (uint32_t)opens(&cipher, item, work->plaintext);
    }
  }
  return opened;
}

// The window, or its subkey, as a cipher's key of fields. What one key sealed, it opens or doesn't: a window that doesn't
// open the shortest of a key's envelopes opens none of them.
static void try_fields(
    work *work, size_t offset, uint8_t suite, const uint8_t key[KEY_BYTES], forensic_role role,
    const uint8_t window[KEY_BYTES]) {
  cipher cipher;
  ready(&cipher, suite, key);
  const first *first = &work->envelopes[suite];
  for (size_t i = 0; i < first->count; i++) {
    if (!opens(&cipher, first->items[i], work->plaintext)) continue;
    uint32_t number = first->items[i]->key;
    report(work, offset, number, role, role == FORENSIC_KEY ? opened_by(work, number, window) : 1);
  }
}

// The window, or its subkey, as a cipher's key of wrapped keys. An epoch's key opens every key that it wrapped: one of
// each epoch is tried, and then all of them. What comes out is tried on its envelopes.
static void try_wrapped(work *work, size_t offset, uint8_t suite, const uint8_t key[KEY_BYTES], forensic_role role) {
  cipher cipher;
  ready(&cipher, suite, key);
  const first *first = &work->wrapped[suite];
  for (size_t i = 0; i < first->count; i++) {
    uint8_t unwrapped[KEY_BYTES];
    if (!opens(&cipher, first->items[i], unwrapped)) continue;
    const sealed *items = work->evidence->wrapped[suite];
    for (size_t j = 0; j < work->evidence->wrapped_count[suite]; j++) {
      if (items[j].epoch != first->items[i]->epoch || !opens(&cipher, &items[j], unwrapped)) continue;
      report(work, offset, items[j].key, role, opened_by(work, items[j].key, unwrapped));
    }
  }
}

static void try_window(work *work, size_t offset, const uint8_t window[KEY_BYTES]) {
  for (uint8_t suite = SUITE_AES; suite <= SUITE_XCHACHA; suite++) {
    uint8_t derived[KEY_BYTES];
    if (work->evidence->envelope_count[suite] > 0) {
      subkey(derived, window, suite, "LetheFld");
      try_fields(work, offset, suite, derived, FORENSIC_KEY, window);
      try_fields(work, offset, suite, window, FORENSIC_FIELD_SUBKEY, window);
    }
    if (work->evidence->wrapped_count[suite] > 0) {
      subkey(derived, window, suite, "LetheWrp");
      try_wrapped(work, offset, suite, derived, FORENSIC_EPOCH_KEY);
      try_wrapped(work, offset, suite, window, FORENSIC_WRAPPING_SUBKEY);
    }
  }
}

size_t forensic_sweep(
    const forensic_evidence *evidence, const uint8_t *bytes, size_t length, forensic_hit *hits, size_t capacity,
    uint64_t *tried) {
  *tried = 0;
  if (length < KEY_BYTES) return 0;
  work work = {.evidence = evidence, .plaintext = malloc(evidence->longest + 1), .hits = hits, .capacity = capacity};
  if (work.plaintext == NULL) return SIZE_MAX;
  choose(&work);
  // How many bytes before this one, this one included, are alike.
  size_t alike = 0;
  for (size_t end = 0; end < length; end++) {
    alike = end > 0 && bytes[end] == bytes[end - 1] ? alike + 1 : 1;
    if (end + 1 < KEY_BYTES || alike >= KEY_BYTES) continue;
    try_window(&work, end + 1 - KEY_BYTES, bytes + end + 1 - KEY_BYTES);
    (*tried)++;
  }
  free(work.plaintext);
  return work.count;
}

int forensic_unwrap(
    const forensic_evidence *evidence, uint32_t key, const uint8_t epoch_key[32], uint8_t unwrapped[32]) {
  for (uint8_t suite = SUITE_AES; suite <= SUITE_XCHACHA; suite++) {
    uint8_t derived[KEY_BYTES];
    cipher cipher;
    subkey(derived, epoch_key, suite, "LetheWrp");
    ready(&cipher, suite, derived);
    for (size_t i = 0; i < evidence->wrapped_count[suite]; i++) {
      const sealed *item = &evidence->wrapped[suite][i];
      if (item->key == key && opens(&cipher, item, unwrapped)) return 1;
    }
  }
  return 0;
}
