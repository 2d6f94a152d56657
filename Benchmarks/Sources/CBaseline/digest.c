#include "CBaseline.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// Fetched once: the fetch would cost more than the hash.
static EVP_MD *sha256;
static pthread_once_t fetched = PTHREAD_ONCE_INIT;

static void fetch(void) { sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); }

struct baseline_signed {
  EVP_PKEY *key;
  // Set for ES256, NULL for Ed25519, which hashes by itself.
  const EVP_MD *digest;
  unsigned char *signature;
  size_t signature_bytes;
  unsigned char *message;
  size_t message_bytes;
};

static EVP_PKEY *p256(const uint8_t *coordinates) {
  unsigned char point[65] = {4};
  memcpy(point + 1, coordinates, 64);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
      OSSL_PARAM_construct_end(),
  };
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    key = NULL;
  }
  EVP_PKEY_CTX_free(context);
  return key;
}

static size_t der(const uint8_t *raw, unsigned char **output) {
  ECDSA_SIG *signature = ECDSA_SIG_new();
  BIGNUM *r = BN_bin2bn(raw, 32, NULL), *s = BN_bin2bn(raw + 32, 32, NULL);
  int length = 0;
  if (signature != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(signature, r, s) == 1) {
    *output = NULL;
    length = i2d_ECDSA_SIG(signature, output);
  } else {
    BN_free(r);
    BN_free(s);
  }
  ECDSA_SIG_free(signature);
  return length > 0 ? (size_t)length : 0;
}

baseline_signed *baseline_signed_new(
    const uint8_t *key, size_t key_bytes, const uint8_t *signature, const uint8_t *message, size_t message_bytes) {
  pthread_once(&fetched, fetch);
  baseline_signed *item = calloc(1, sizeof *item);
  if (item == NULL) return NULL;
  if (key_bytes == 64) {
    item->key = p256(key);
    item->digest = sha256;
    item->signature_bytes = der(signature, &item->signature);
  } else if (key_bytes == 32) {
    item->key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, key, key_bytes);
    item->signature = OPENSSL_memdup(signature, 64);
    item->signature_bytes = 64;
  }
  item->message = OPENSSL_memdup(message, message_bytes);
  item->message_bytes = message_bytes;
  if (item->key == NULL || item->signature == NULL || item->message == NULL || baseline_signed_verify(item) != 1) {
    baseline_signed_free(item);
    return NULL;
  }
  return item;
}

int baseline_signed_verify(const baseline_signed *item) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int valid = context != NULL && EVP_DigestVerifyInit(context, NULL, item->digest, NULL, item->key) == 1 &&
              EVP_DigestVerify(
                  context, item->signature, item->signature_bytes, item->message, item->message_bytes) == 1;
  EVP_MD_CTX_free(context);
  return valid;
}

void baseline_signed_free(baseline_signed *item) {
  if (item == NULL) return;
  EVP_PKEY_free(item->key);
  OPENSSL_free(item->signature);
  OPENSSL_free(item->message);
  free(item);
}

size_t baseline_sha256_leaf(const uint8_t *bytes, size_t length, size_t count) {
  pthread_once(&fetched, fetch);
  static const unsigned char prefix = 0;
  unsigned char digest[EVP_MAX_MD_SIZE];
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t done = 0;
  for (; done < count; done++) {
    if (context == NULL || EVP_DigestInit_ex2(context, sha256, NULL) != 1 ||
        EVP_DigestUpdate(context, &prefix, 1) != 1 || EVP_DigestUpdate(context, bytes, length) != 1 ||
        EVP_DigestFinal_ex(context, digest, NULL) != 1) {
      break;
    }
  }
  EVP_MD_CTX_free(context);
  return done;
}

size_t baseline_sha256_tree(const uint8_t *bytes, size_t length, size_t count, uint8_t *leaves) {
  pthread_once(&fetched, fetch);
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (context == NULL) return 0;
  unsigned char prefix = 0;
  for (size_t i = 0; i < count; i++) {
    if (EVP_DigestInit_ex2(context, sha256, NULL) != 1 || EVP_DigestUpdate(context, &prefix, 1) != 1 ||
        EVP_DigestUpdate(context, bytes, length) != 1 || EVP_DigestFinal_ex(context, leaves + 32 * i, NULL) != 1) {
      count = 0;
    }
  }
  prefix = 1;
  // Level by level; an odd one out moves up as it is (RFC 9162, section 2.1.2).
  for (size_t width = count; width > 1; width = (width + 1) / 2) {
    for (size_t i = 0; i < width / 2; i++) {
      if (EVP_DigestInit_ex2(context, sha256, NULL) != 1 || EVP_DigestUpdate(context, &prefix, 1) != 1 ||
          EVP_DigestUpdate(context, leaves + 64 * i, 64) != 1 ||
          EVP_DigestFinal_ex(context, leaves + 32 * i, NULL) != 1) {
        EVP_MD_CTX_free(context);
        return 0;
      }
    }
    if (width % 2 == 1) memmove(leaves + 32 * (width / 2), leaves + 32 * (width - 1), 32);
  }
  EVP_MD_CTX_free(context);
  return count;
}
