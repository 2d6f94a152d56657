// OpenSSL 3's libcrypto as Swift sees it: the headers in use, and inline functions for what does not import
// (macros and variadic functions).
#ifndef LETHE_COPENSSL_SHIM_H
#define LETHE_COPENSSL_SHIM_H

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/pem.h>

/// A fresh Ed25519 pair, or NULL.
static inline EVP_PKEY *lethe_generate_ed25519(void) {
  return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

/// A fresh P-256 pair, or NULL.
static inline EVP_PKEY *lethe_generate_p256(void) {
  return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
}

/// The P-256 public key of the 65 bytes 04 || x || y, or NULL unless they are a point on the curve. In C, because the
/// names of the parameters have to outlive the call that takes them, which a Swift string passed to C doesn't.
static inline EVP_PKEY *lethe_p256_public_key(const unsigned char *point) {
  EVP_PKEY *key = NULL;
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)"prime256v1", 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (void *)point, 65),
      OSSL_PARAM_construct_end(),
  };
  if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
      EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
    EVP_PKEY_free(key);
    key = NULL;
  }
  EVP_PKEY_CTX_free(context);
  return key;
}

/// Where a memory BIO keeps its bytes, and how many. The BIO stays the owner.
static inline long lethe_bio_memory(BIO *bio, char **bytes) {
  return BIO_get_mem_data(bio, bytes);
}

/// Answers a question for a pass phrase with a failure: without it, OpenSSL would ask on the terminal.
static inline int lethe_no_pass_phrase(char *buffer, int size, int writing, void *context) {
  (void)buffer;
  (void)size;
  (void)writing;
  (void)context;
  return -1;
}

/// Reads a private key in PEM; an encrypted one is refused, never asked for. NULL when malformed.
static inline EVP_PKEY *lethe_read_private_pem(BIO *bio) {
  return PEM_read_bio_PrivateKey(bio, NULL, lethe_no_pass_phrase, NULL);
}

#endif
