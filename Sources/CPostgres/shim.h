#ifndef LETHE_CPOSTGRES_SHIM_H
#define LETHE_CPOSTGRES_SHIM_H

#include <libpq-fe.h>

// libpq's field codes are character macros, which Swift does not import; these are the same numbers by name.
enum {
  LETHE_DIAG_SQLSTATE = PG_DIAG_SQLSTATE,
  LETHE_DIAG_MESSAGE_PRIMARY = PG_DIAG_MESSAGE_PRIMARY,
  LETHE_DIAG_SCHEMA_NAME = PG_DIAG_SCHEMA_NAME,
  LETHE_DIAG_TABLE_NAME = PG_DIAG_TABLE_NAME,
  LETHE_DIAG_COLUMN_NAME = PG_DIAG_COLUMN_NAME,
  LETHE_DIAG_CONSTRAINT_NAME = PG_DIAG_CONSTRAINT_NAME
};

static inline char *lethe_result_field(const PGresult *result, int field) {
  return PQresultErrorField(result, field);
}

// Server notices can quote values; nothing of them is kept.
static inline void lethe_ignore_notice(void *context, const PGresult *notice) {
  (void)context;
  (void)notice;
}

static inline void lethe_silence_notices(PGconn *connection) {
  PQsetNoticeReceiver(connection, lethe_ignore_notice, NULL);
}

#endif
