#ifndef LETHE_CPROCESS_H
#define LETHE_CPROCESS_H

#include <spawn.h>

// GNU extensions that Swift's Glibc module does not show. Each returns what the function it wraps does.

// The child closes every descriptor from `first` on.
int lethe_spawn_close_from(posix_spawn_file_actions_t *actions, int first);

// The child works in `folder`.
int lethe_spawn_change_folder(posix_spawn_file_actions_t *actions, const char *folder);

// An unnamed file in memory, closed on exec; -1 and errno on failure.
int lethe_memory_file(void);

// A pipe, both ends closed on exec: [0] to read from, [1] to write to.
int lethe_pipe(int ends[2]);

#endif
