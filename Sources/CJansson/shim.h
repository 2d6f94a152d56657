// Jansson as Swift sees it: its header, and inline functions for the macros that do not import.
#ifndef LETHE_CJANSSON_SHIM_H
#define LETHE_CJANSSON_SHIM_H

#include <jansson.h>

/// The kind of a value; `json_typeof` is a macro.
static inline json_type lethe_json_typeof(const json_t *value) {
  return json_typeof(value);
}

/// The code of a parsing error, which Jansson keeps in the last byte of the text.
static inline int lethe_json_error_code(const json_error_t *error) {
  return (int)json_error_code(error);
}

#endif
