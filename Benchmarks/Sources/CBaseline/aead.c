#include "CBaseline.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct baseline_aead {
  size_t message_bytes;
  size_t data_bytes;
  unsigned char key[crypto_aead_aes256gcm_KEYBYTES];
  unsigned char nonce[crypto_aead_aes256gcm_NPUBBYTES];
  unsigned char *message;
  unsigned char *data;
  unsigned char *sealed;
  unsigned char *opened;
};

baseline_aead *baseline_aead_new(size_t message_bytes, size_t data_bytes) {
  if (sodium_init() < 0 || !crypto_aead_aes256gcm_is_available()) return NULL;
  baseline_aead *aead = calloc(1, sizeof *aead);
  if (aead == NULL) return NULL;
  aead->message_bytes = message_bytes;
  aead->data_bytes = data_bytes;
  aead->message = calloc(1, message_bytes + 1);
  aead->data = calloc(1, data_bytes + 1);
  aead->sealed = calloc(1, message_bytes + crypto_aead_aes256gcm_ABYTES);
  aead->opened = calloc(1, message_bytes + 1);
  if (aead->message == NULL || aead->data == NULL || aead->sealed == NULL || aead->opened == NULL) {
    baseline_aead_free(aead);
    return NULL;
  }
  randombytes_buf(aead->key, sizeof aead->key);
  randombytes_buf(aead->message, message_bytes);
  randombytes_buf(aead->data, data_bytes);
  baseline_aead_seal(aead, BASELINE_NONCE_RANDOM, 1);
  return aead;
}

size_t baseline_aead_seal(baseline_aead *aead, baseline_nonce nonce, size_t count) {
  size_t succeeded = 0;
  for (size_t i = 0; i < count; i++) {
    if (nonce == BASELINE_NONCE_RANDOM) {
      randombytes_buf(aead->nonce, sizeof aead->nonce);
    } else {
      sodium_increment(aead->nonce, sizeof aead->nonce);
    }
    succeeded += crypto_aead_aes256gcm_encrypt(
                     aead->sealed, NULL, aead->message, aead->message_bytes, aead->data, aead->data_bytes, NULL,
                     aead->nonce, aead->key) == 0;
  }
  return succeeded;
}

size_t baseline_aead_open(baseline_aead *aead, size_t count) {
  size_t succeeded = 0;
  for (size_t i = 0; i < count; i++) {
    succeeded += crypto_aead_aes256gcm_decrypt(
                     aead->opened, NULL, NULL, aead->sealed, aead->message_bytes + crypto_aead_aes256gcm_ABYTES,
                     aead->data, aead->data_bytes, aead->nonce, aead->key) == 0;
  }
  return succeeded;
}

void baseline_aead_free(baseline_aead *aead) {
  if (aead == NULL) return;
  free(aead->message);
  free(aead->data);
  free(aead->sealed);
  free(aead->opened);
  free(aead);
}
