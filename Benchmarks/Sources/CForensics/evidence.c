#include "evidence.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

forensic_evidence *forensic_new(void) {
  if (sodium_init() < 0) return NULL;
  return calloc(1, sizeof(forensic_evidence));
}

void forensic_free(forensic_evidence *evidence) {
  if (evidence == NULL) return;
  for (int suite = 0; suite < 3; suite++) {
    for (size_t i = 0; i < evidence->envelope_count[suite]; i++) free(evidence->envelopes[suite][i].copy);
    for (size_t i = 0; i < evidence->wrapped_count[suite]; i++) free(evidence->wrapped[suite][i].copy);
    free(evidence->envelopes[suite]);
    free(evidence->wrapped[suite]);
  }
  free(evidence);
}

// lp(x): the length in two bytes, big-endian, then x.
static void put(sealed *item, const void *bytes, size_t length) {
  item->data[item->data_bytes++] = (uint8_t)(length >> 8);
  item->data[item->data_bytes++] = (uint8_t)length;
  memcpy(item->data + item->data_bytes, bytes, length);
  item->data_bytes += length;
}

// 0x01, suite, nonce, ciphertext, tag.
static int take_apart(sealed *item, uint32_t key, const uint8_t *bytes, size_t length) {
  if (length < 2 || bytes[0] != 0x01) return 0;
  if (bytes[1] != SUITE_AES && bytes[1] != SUITE_XCHACHA) return 0;
  size_t nonce = bytes[1] == SUITE_AES ? crypto_aead_aes256gcm_NPUBBYTES : crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
  if (length < 2 + nonce + TAG_BYTES) return 0;
  if (bytes[1] == SUITE_AES && !crypto_aead_aes256gcm_is_available()) return 0;
  memset(item, 0, sizeof *item);
  item->copy = malloc(length);
  if (item->copy == NULL) return 0;
  memcpy(item->copy, bytes, length);
  item->key = key;
  item->suite = bytes[1];
  item->nonce = item->copy + 2;
  item->ciphertext = item->nonce + nonce;
  item->ciphertext_bytes = length - 2 - nonce - TAG_BYTES;
  item->tag = item->copy + length - TAG_BYTES;
  return 1;
}

static int append(sealed **list, size_t *count, sealed *item) {
  sealed *longer = realloc(*list, (*count + 1) * sizeof *longer);
  if (longer == NULL) {
    free(item->copy);
    return 0;
  }
  longer[(*count)++] = *item;
  *list = longer;
  return 1;
}

int forensic_add_envelope(
    forensic_evidence *evidence, uint32_t key, const forensic_address *address, const uint8_t *bytes, size_t length) {
  sealed item;
  if (key >= MOST || !take_apart(&item, key, bytes, length)) return 0;
  uint8_t field[2] = {(uint8_t)(address->field >> 8), (uint8_t)address->field};
  put(&item, "lethe/field/v1", 14);
  put(&item, address->tenant, 16);
  put(&item, address->subject, 16);
  put(&item, address->row, 16);
  put(&item, field, sizeof field);
  put(&item, &item.suite, 1);
  if (item.ciphertext_bytes > evidence->longest) evidence->longest = item.ciphertext_bytes;
  return append(&evidence->envelopes[item.suite], &evidence->envelope_count[item.suite], &item);
}

int forensic_add_wrapped(
    forensic_evidence *evidence, uint32_t key, const forensic_owner *owner, const uint8_t *bytes, size_t length) {
  sealed item;
  if (!take_apart(&item, key, bytes, length)) return 0;
  if (item.ciphertext_bytes != KEY_BYTES || evidence->wrapped_count[item.suite] >= MOST) {
    free(item.copy);
    return 0;
  }
  uint8_t epoch[4] = {
      (uint8_t)(owner->epoch >> 24), (uint8_t)(owner->epoch >> 16), (uint8_t)(owner->epoch >> 8), (uint8_t)owner->epoch};
  item.epoch = owner->epoch;
  put(&item, "lethe/wrap/v1", 13);
  put(&item, &owner->kind, 1);
  put(&item, owner->tenant, 16);
  put(&item, owner->id, 16);
  put(&item, epoch, sizeof epoch);
  put(&item, &item.suite, 1);
  return append(&evidence->wrapped[item.suite], &evidence->wrapped_count[item.suite], &item);
}
