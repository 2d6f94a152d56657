#define _GNU_SOURCE
#include "CBaseline.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t baseline_thread_nanoseconds(void) { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

uint64_t baseline_wall_nanoseconds(void) { return nanoseconds(CLOCK_MONOTONIC); }

int baseline_durable_writes(const char *path, size_t count, uint64_t *times) {
  static const char block[8192];
  int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return 0;
  size_t done = 0;
  for (; done < count; done++) {
    uint64_t begin = baseline_wall_nanoseconds();
    if (write(file, block, sizeof block) != (ssize_t)sizeof block || fdatasync(file) != 0) break;
    times[done] = baseline_wall_nanoseconds() - begin;
  }
  close(file);
  unlink(path);
  return done == count;
}
