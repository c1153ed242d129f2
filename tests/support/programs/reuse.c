/* Processes that get the numbers of processes which have ended. It has to see the machine's own
 * numbers (no pid namespace of its own).
 *   reuse FOLDER PORT SPOTS TURNS    SPOTS programs "reuse first-PID" run and end; then it forks
 * without end, and of all its children those that get one of these numbers again act: in the second
 * life the child stays what this program is, in the third it becomes "reuse third-PID". Stops when
 * every number has come twice, or the numbers of the machine have gone round TURNS times.
 * Who acts connects a UDP socket to 127.0.0.1:PORT and adds a line "LIFE PID" to FOLDER/acted. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "loopback.h"

enum { MOST_PIDS = 65536 };

static unsigned char lives[MOST_PIDS]; /* of the numbers that count: lives so far */
static const char *folder, *port;

static void act(int life) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)atoi(port)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) give_up("connect");
  char path[256], line[32];
  snprintf(path, sizeof path, "%s/acted", folder);
  int length = snprintf(line, sizeof line, "%d %d\n", life, (int)getpid());
  int file = open(path, O_CREAT | O_WRONLY | O_APPEND, 0644);
  if (file < 0 || write(file, line, (size_t)length) != length) give_up(path);
  _exit(0);
}

static void become(const char* life) {
  char name[32];
  snprintf(name, sizeof name, "%s-%d", life, (int)getpid());
  execl("/proc/self/exe", "reuse", name, folder, port, (char*)NULL);
  _exit(127);
}

static pid_t wait_for(pid_t child) {
  int state = 1;
  if (child < 0 || waitpid(child, &state, 0) != child || state != 0) give_up("run a child");
  return child;
}

static pid_t first_life(void) {
  pid_t child = fork();
  if (child == 0) become("first");
  return wait_for(child);
}

static pid_t next_life(void) {
  pid_t child = fork();
  if (child == 0) {
    pid_t own = getpid();
    if (own >= MOST_PIDS || lives[own] == 0 || lives[own] > 2) _exit(0);
    if (lives[own] == 1) act(2);
    become("third");
  }
  return wait_for(child);
}

int main(int argc, char** argv) {
  folder = argc > 2 ? argv[argc == 4 ? 2 : 1] : "";
  port = argc > 3 ? argv[argc == 4 ? 3 : 2] : "";
  if (argc == 4) act(strncmp(argv[1], "first-", 6) == 0 ? 1 : 3);
  if (argc != 5) return 2;
  mkdir(folder, 0755);
  int spots = atoi(argv[3]), turns = atoi(argv[4]);
  for (int i = 0; i < spots; ++i) {
    pid_t pid = first_life();
    if (pid >= MOST_PIDS) return 3;
    lives[pid] = 1;
  }
  pid_t last = 0;
  for (int round = 0, left = 2 * spots; left > 0 && round < turns;) {
    pid_t pid = next_life();
    if (pid < last) ++round;
    last = pid;
    if (pid >= MOST_PIDS || lives[pid] == 0 || lives[pid] > 2) continue;
    ++lives[pid];
    --left;
  }
  return 0;
}
