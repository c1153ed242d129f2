/* calls32 PORT: what a program does with `int 0x80` alone: opens a file for writing, connects to
 * PORT of this machine through connect and to the next port through socketcall, tries a unix socket
 * and makes a raw socket through that as well, and becomes another program. Ends with 77 where the
 * processor takes no 32-bit calls. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { GETPID = 20, OPEN = 5, EXECVE = 11, SOCKETCALL = 102, SOCKET = 359, CONNECT = 362 };
enum { SYS_SOCKET = 1, SYS_CONNECT = 3 };

/* Linked at a fixed low address: what is static fits into 32 bits, the stack does not. */
static char file[] = "/tmp/calls32-file", program[] = "/bin/true", word[] = "calls32-became";
static struct sockaddr_in inet;
static struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "/tmp/calls32-nobody"};
static uint32_t arguments[6], texts[3], none[1];

static long call(long number, uint32_t a, uint32_t b, uint32_t c) {
  long result = number;
  __asm__ volatile("int $0x80"
                   : "+a"(result)
                   : "b"((uint64_t)a), "c"((uint64_t)b), "d"((uint64_t)c), "S"(0ul), "D"(0ul)
                   : "memory", "r8", "r9", "r10", "r11");
  return (int)result;
}

static uint32_t at(const void* pointer) { return (uint32_t)(uintptr_t)pointer; }

static long socketcall(uint32_t which, uint32_t a, uint32_t b, uint32_t c) {
  arguments[0] = a;
  arguments[1] = b;
  arguments[2] = c;
  return call(SOCKETCALL, which, at(arguments), 0);
}

static void refused(int number) {
  (void)number;
  _exit(77);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  signal(SIGSEGV, refused);
  if (call(GETPID, 0, 0, 0) != getpid()) return 77;
  inet.sin_family = AF_INET;
  inet.sin_port = htons((uint16_t)atoi(argv[1]));
  inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (call(OPEN, at(file), O_WRONLY | O_CREAT, 0600) < 0) return 3;
  long fd = call(SOCKET, AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || call(CONNECT, (uint32_t)fd, at(&inet), sizeof(inet)) != 0) return 4;
  inet.sin_port = htons((uint16_t)(atoi(argv[1]) + 1));
  fd = socketcall(SYS_SOCKET, AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || socketcall(SYS_CONNECT, (uint32_t)fd, at(&inet), sizeof(inet)) != 0) return 5;
  fd = socketcall(SYS_SOCKET, AF_UNIX, SOCK_STREAM, 0);
  if (fd < 0 || socketcall(SYS_CONNECT, (uint32_t)fd, at(&local), sizeof(local)) == 0) return 6;
  if (socketcall(SYS_SOCKET, AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0) return 7;
  texts[0] = at(program);
  texts[1] = at(word);
  call(EXECVE, at(program), at(texts), at(none));
  return 8;
}
