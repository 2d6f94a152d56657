// The evidence's own layout, between the two files that use it.
#ifndef LETHE_CFORENSICS_EVIDENCE_H
#define LETHE_CFORENSICS_EVIDENCE_H

#include "CForensics.h"

// How many keys there may be, and how many wrapped keys of one suite.
#define MOST 64
#define KEY_BYTES 32
#define TAG_BYTES 16
#define SUITE_AES 1
#define SUITE_XCHACHA 2

typedef struct {
  uint32_t key;
  // Of a wrapped key: the epoch that wrapped it.
  uint32_t epoch;
  uint8_t suite;
  const uint8_t *nonce;
  const uint8_t *ciphertext;
  size_t ciphertext_bytes;
  const uint8_t *tag;
  uint8_t data[96];
  size_t data_bytes;
  uint8_t *copy;
} sealed;

struct forensic_evidence {
  // By suite, so that each subkey is derived once a window, and only where something is under it.
  sealed *envelopes[3];
  size_t envelope_count[3];
  sealed *wrapped[3];
  size_t wrapped_count[3];
  size_t longest;
};

#endif
