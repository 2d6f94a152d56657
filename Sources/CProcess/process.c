#define _GNU_SOURCE
#include "CProcess.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

int lethe_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
  return posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int lethe_spawn_change_folder(posix_spawn_file_actions_t *actions, const char *folder) {
  return posix_spawn_file_actions_addchdir_np(actions, folder);
}

int lethe_memory_file(void) {
  return memfd_create("lethe", MFD_CLOEXEC);
}

int lethe_pipe(int ends[2]) {
  return pipe2(ends, O_CLOEXEC);
}
