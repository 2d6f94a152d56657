// libsodium as Swift sees it: its header, and inline functions for system calls that do not import because they take
// a variable number of arguments or an enumeration.
#ifndef LETHE_CSODIUM_SHIM_H
#define LETHE_CSODIUM_SHIM_H

#include <errno.h>
#include <sodium.h>
#include <sys/mman.h>
#include <sys/resource.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

/// Forbids core dumps of this process and attaching to it by other processes of the same user. 0, or an `errno`.
static inline int lethe_forbid_dumps(void) {
#if defined(__linux__)
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
#else
  return ENOSYS;
#endif
}

/// 1 while the process may be dumped, 0 when it may not, -1 when the system cannot say.
static inline int lethe_may_be_dumped(void) {
#if defined(__linux__)
  return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 1;
#else
  return -1;
#endif
}

/// Sets the greatest size of a core file to zero, for good. 0, or an `errno`.
static inline int lethe_forbid_core_files(void) {
  struct rlimit none = {0, 0};
  return setrlimit(RLIMIT_CORE, &none) == 0 ? 0 : errno;
}

/// Raises the amount of memory that may be locked to what the system allows. 0, or an `errno`.
static inline int lethe_raise_locked_memory(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) return errno;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? 0 : errno;
}

#endif
