/* A thread that changes what a call was given, while the call runs.
 *   races open FOLDER PROCESSES    each opens FOLDER/x a few times while a thread turns x into the
 * next of a to z
 *   races connect PORT PROCESSES   the same with the port of a datagram socket's peer, of 26 from
 * PORT on
 *   races swap FOLDER PROCESSES    each opens FOLDER/a while a thread puts FOLDER/b into the
 * descriptor
 * A few calls are more where nothing raced yet. Says a line for each call: the process's number in
 * here, which of the 26 the kernel used, as a letter, and which of them the memory names after the
 * call. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "loopback.h"

enum { kChoices = 26, kCalls = 8, kMostCalls = 400 };

static char path[256];
static char* letter;
static struct sockaddr_in peer;
static int first_port;
static int other_file;
static atomic_bool runs;
static bool raced; /* the memory has named another than was used */

static void* change_letter(void* unused) {
  (void)unused;
  volatile char* at = letter;
  runs = true;
  for (;;) *at = *at == 'z' ? 'a' : *at + 1;
  return NULL;
}

static void* change_port(void* unused) {
  (void)unused;
  volatile in_port_t* at = &peer.sin_port;
  runs = true;
  for (int next = 0;; next = (next + 1) % kChoices) *at = htons((uint16_t)(first_port + next));
  return NULL;
}

static void* change_descriptor(void* number) {
  int fd = *(int*)number;
  runs = true;
  for (;;) {
    int kept = dup(fd);
    if (kept < 0) continue;
    dup2(other_file, fd);
    dup2(kept, fd);
    close(kept);
  }
  return NULL;
}

static void start(void* (*change)(void*), void* argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, change, argument)) give_up("thread");
  while (!runs) continue;
}

static void say(char used, char named) {
  raced |= used != named;
  char line[64];
  int length = snprintf(line, sizeof line, "%d %c %c\n", (int)getpid(), used, named);
  if (write(STDOUT_FILENO, line, (size_t)length) != length) give_up("write");
}

static void open_one(const ino_t* inodes) {
  int fd = open(path, O_RDONLY);
  char named = *letter;
  struct stat status;
  if (fd < 0 || fstat(fd, &status)) give_up("open");
  close(fd);
  for (int i = 0; i < kChoices; ++i)
    if (inodes[i] == status.st_ino) say((char)('a' + i), named);
}

static void connect_one(int fd) {
  struct sockaddr_in got;
  socklen_t length = sizeof got;
  if (connect(fd, (struct sockaddr*)&peer, sizeof peer)) give_up("connect");
  int named = ntohs(peer.sin_port) - first_port;
  if (getpeername(fd, (struct sockaddr*)&got, &length)) give_up("getpeername");
  say((char)('a' + ntohs(got.sin_port) - first_port), (char)('a' + named));
}

static void open_many(const char* folder) {
  ino_t inodes[kChoices];
  snprintf(path, sizeof path, "%s/x", folder);
  letter = path + strlen(path) - 1;
  for (int i = 0; i < kChoices; ++i) {
    struct stat status;
    *letter = (char)('a' + i);
    if (stat(path, &status)) give_up("stat");
    inodes[i] = status.st_ino;
  }
  start(change_letter, NULL);
  for (int i = 0; i < kCalls || (!raced && i < kMostCalls); ++i) open_one(inodes);
}

static void connect_many(const char* port) {
  first_port = atoi(port);
  peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  peer.sin_port = htons((uint16_t)first_port);
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  start(change_port, NULL);
  for (int i = 0; i < kCalls || (!raced && i < kMostCalls); ++i) connect_one(fd);
}

/* What is put there is opened by the parent: the process itself opens nothing but FOLDER/a. */
static void open_swapped(const char* folder) {
  snprintf(path, sizeof path, "%s/a", folder);
  int next = dup(other_file);
  close(next);
  start(change_descriptor, &next);
  if (open(path, O_RDONLY) < 0) give_up("open");
  say('a', 'a');
}

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  bool swaps = !strcmp(argv[1], "swap");
  if (swaps) {
    snprintf(path, sizeof path, "%s/b", argv[2]);
    other_file = fcntl(open(path, O_RDONLY), F_DUPFD, 50);
    if (other_file < 0) give_up("open");
    close(3);
  }
  for (int i = 0, count = atoi(argv[3]); i < count; ++i) {
    pid_t child = fork();
    if (child < 0) give_up("fork");
    if (child == 0) {
      if (swaps)
        open_swapped(argv[2]);
      else if (!strcmp(argv[1], "open"))
        open_many(argv[2]);
      else
        connect_many(argv[2]);
      _exit(0);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status) return 1;
  }
  return 0;
}
