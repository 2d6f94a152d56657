#define _GNU_SOURCE
#include "CBaseline.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t nanoseconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

uint64_t baseline_thread_nanoseconds(void) { return nanoseconds(CLOCK_THREAD_CPUTIME_ID); }

uint64_t baseline_wall_nanoseconds(void) { return nanoseconds(CLOCK_MONOTONIC); }

static int ascending(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return a < b ? -1 : a > b;
}

uint64_t baseline_durable_write(const char *path, size_t count) {
  static const char block[8192];
  uint64_t *times = calloc(count, sizeof *times);
  int file = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  uint64_t median = 0;
  if (times != NULL && file >= 0) {
    size_t done = 0;
    for (; done < count; done++) {
      uint64_t begin = baseline_wall_nanoseconds();
      if (write(file, block, sizeof block) != (ssize_t)sizeof block || fdatasync(file) != 0) break;
      times[done] = baseline_wall_nanoseconds() - begin;
    }
    if (done == count && count > 0) {
      qsort(times, count, sizeof *times, ascending);
      median = times[count / 2];
    }
  }
  if (file >= 0) close(file);
  unlink(path);
  free(times);
  return median;
}
