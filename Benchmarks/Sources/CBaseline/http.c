#define _GNU_SOURCE
#include "CBaseline.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { answer_capacity = 65536 };

static struct sockaddr_in loopback(uint16_t port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

static int connect_to(uint16_t port) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(port);
  struct timeval patience = {.tv_sec = 30};
  int on = 1;
  if (descriptor < 0) return -1;
  setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(descriptor, (struct sockaddr *)&address, sizeof address) == 0) return descriptor;
  close(descriptor);
  return -1;
}

static int send_all(int descriptor, const uint8_t *bytes, size_t length) {
  while (length > 0) {
    ssize_t sent = send(descriptor, bytes, length, MSG_NOSIGNAL);
    if (sent <= 0) return 0;
    bytes += sent;
    length -= (size_t)sent;
  }
  return 1;
}

// Reads one answer, head and body by Content-Length, and returns its status; -1 for anything else.
static int read_answer(int descriptor, char *buffer) {
  size_t length = 0, whole = 0;
  while (whole == 0 || length < whole) {
    ssize_t received = recv(descriptor, buffer + length, answer_capacity - 1 - length, 0);
    if (received <= 0) return -1;
    length += (size_t)received;
    buffer[length] = 0;
    if (whole == 0) {
      char *end = strstr(buffer, "\r\n\r\n");
      if (end == NULL) continue;
      char *field = strcasestr(buffer, "\r\ncontent-length:");
      if (field == NULL || field > end) return -1;
      whole = (size_t)(end - buffer) + 4 + strtoul(field + 17, NULL, 10);
      if (whole >= answer_capacity) return -1;
    }
  }
  return length == whole && length > 12 ? atoi(buffer + 9) : -1;
}

typedef struct {
  uint16_t port;
  const uint8_t *bytes;
  const size_t *offsets;
  size_t kinds;
  size_t count;
  uint64_t *latencies;
  atomic_size_t next;
  atomic_size_t refused;
  atomic_int failed;
} load;

static void *caller(void *argument) {
  load *all = argument;
  char *buffer = malloc(answer_capacity);
  int descriptor = connect_to(all->port);
  if (buffer == NULL || descriptor < 0) all->failed = 1;
  while (!all->failed) {
    size_t index = atomic_fetch_add(&all->next, 1);
    if (index >= all->count) break;
    const size_t *offset = all->offsets + index % all->kinds;
    uint64_t begin = baseline_wall_nanoseconds();
    int status = send_all(descriptor, all->bytes + offset[0], offset[1] - offset[0])
                     ? read_answer(descriptor, buffer)
                     : -1;
    all->latencies[index] = baseline_wall_nanoseconds() - begin;
    if (status < 0) all->failed = 1;
    if (status != 200) atomic_fetch_add(&all->refused, 1);
  }
  if (descriptor >= 0) close(descriptor);
  free(buffer);
  return NULL;
}

baseline_load baseline_http_load(
    uint16_t port, size_t connections, const uint8_t *bytes, const size_t *offsets, size_t kinds, size_t count,
    uint64_t *latencies) {
  load all = {
      .port = port, .bytes = bytes, .offsets = offsets, .kinds = kinds, .count = count, .latencies = latencies};
  pthread_t threads[256];
  size_t started = 0;
  uint64_t begin = baseline_wall_nanoseconds();
  for (; started < connections && started < 256; started++) {
    if (pthread_create(&threads[started], NULL, caller, &all) != 0) {
      all.failed = 1;
      break;
    }
  }
  for (size_t i = 0; i < started; i++) pthread_join(threads[i], NULL);
  uint64_t time = baseline_wall_nanoseconds() - begin;
  return (baseline_load){.nanoseconds = all.failed ? 0 : time, .refused = all.refused};
}

int baseline_http_status(uint16_t port, const char *path) {
  char request[512];
  int length = snprintf(
      request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  int descriptor = connect_to(port), status = -1;
  char *buffer = malloc(answer_capacity);
  if (descriptor >= 0 && buffer != NULL && length > 0 && (size_t)length < sizeof request &&
      send_all(descriptor, (uint8_t *)request, (size_t)length)) {
    status = read_answer(descriptor, buffer);
  }
  if (descriptor >= 0) close(descriptor);
  free(buffer);
  return status;
}

uint16_t baseline_free_port(void) {
  int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  uint16_t port = 0;
  if (descriptor >= 0 && bind(descriptor, (struct sockaddr *)&address, sizeof address) == 0 &&
      getsockname(descriptor, (struct sockaddr *)&address, &length) == 0) {
    port = ntohs(address.sin_port);
  }
  if (descriptor >= 0) close(descriptor);
  return port;
}
