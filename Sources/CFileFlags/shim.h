// The immutable attribute of a file, for Swift: `ioctl` takes a variable number of arguments and does not import.
#ifndef LETHE_CFILEFLAGS_SHIM_H
#define LETHE_CFILEFLAGS_SHIM_H

#include <errno.h>
#if defined(__linux__)
#include <linux/fs.h>
#include <sys/ioctl.h>
#endif

/// Sets (1) or clears (0) the immutable attribute of the open file; its other attributes stay. 0, or an `errno`:
/// EPERM without the capability, ENOTTY or EOPNOTSUPP where the file system has no attributes.
static inline int lethe_set_immutable(int file, int immutable) {
#if defined(__linux__)
  int flags = 0;
  if (ioctl(file, FS_IOC_GETFLAGS, &flags) != 0) return errno;
  int wanted = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
  if (wanted == flags) return 0;
  return ioctl(file, FS_IOC_SETFLAGS, &wanted) == 0 ? 0 : errno;
#else
  (void)file;
  (void)immutable;
  return ENOTTY;
#endif
}

/// 1 when the open file has the immutable attribute, 0 when not, or when the file system has no attributes.
static inline int lethe_is_immutable(int file) {
#if defined(__linux__)
  int flags = 0;
  return ioctl(file, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL) ? 1 : 0;
#else
  (void)file;
  return 0;
#endif
}

#endif
