// What docs/envelope.md says, once more, in C on bare libsodium: nothing here is shared with the vault, so that a
// mistake of one isn't repeated by the other. It opens things only; it makes nothing that the service would read.
#ifndef LETHE_CFORENSICS_H
#define LETHE_CFORENSICS_H

#include <stddef.h>
#include <stdint.h>

// What was recorded of some keys while they lived: the envelopes under each, and the key itself as it was wrapped.
typedef struct forensic_evidence forensic_evidence;

// Where an envelope belongs, as its associated data names it.
typedef struct {
  uint8_t tenant[16];
  uint8_t subject[16];
  uint8_t row[16];
  uint16_t field;
} forensic_address;

// Whose key a wrapped key is, as its associated data names it.
typedef struct {
  uint8_t kind;
  uint8_t tenant[16];
  uint8_t id[16];
  uint32_t epoch;
} forensic_owner;

// How 32 bytes turned out to be a key.
typedef enum {
  // A subject's key: it opens envelopes after the derivation of the fields' subkey.
  FORENSIC_KEY = 0,
  // The subkey itself, as it would lie in a core dump.
  FORENSIC_FIELD_SUBKEY = 1,
  // An epoch key: it opens a wrapped key after the derivation of the wrapping subkey.
  FORENSIC_EPOCH_KEY = 2,
  // The wrapping subkey itself.
  FORENSIC_WRAPPING_SUBKEY = 3
} forensic_role;

// One window that opens something.
typedef struct {
  size_t offset;
  uint32_t key;
  uint32_t role;
  // How many of the key's envelopes it opens, by way of the wrapped key where the window is above it.
  uint32_t opened;
} forensic_hit;

// NULL when libsodium can't be used.
forensic_evidence *forensic_new(void);
void forensic_free(forensic_evidence *evidence);

// Adds an envelope under the key of that number, 0 to 63; 1 when it was taken, 0 for bytes that are no envelope, or one
// that this CPU can't open.
int forensic_add_envelope(
    forensic_evidence *evidence, uint32_t key, const forensic_address *address, const uint8_t *bytes, size_t length);
// Adds the key itself as it was wrapped. 1 when it was taken; 64 are.
int forensic_add_wrapped(
    forensic_evidence *evidence, uint32_t key, const forensic_owner *owner, const uint8_t *bytes, size_t length);

// Tries every 32-byte window of the bytes, at every offset, in every role. A window that repeats one byte is passed over:
// `tried` counts the others. Returns how many windows opened something, of which at most `capacity` are written to
// `hits`; SIZE_MAX when there is no memory left. May run on several threads at once.
size_t forensic_sweep(
    const forensic_evidence *evidence, const uint8_t *bytes, size_t length, forensic_hit *hits, size_t capacity,
    uint64_t *tried);

// Unwraps the key of that number with an epoch key: what a thief with keyring and vault does, and how the sweep's own
// control is made. 1 when one of its wrapped forms opened.
int forensic_unwrap(
    const forensic_evidence *evidence, uint32_t key, const uint8_t epoch_key[32], uint8_t unwrapped[32]);

#endif
