/* rings PORT: through an io_uring and without a system call for any of it: opens /etc/passwd as a
 * descriptor and again into the ring's own table, makes and removes the directory made-by-ring, and
 * connects to 127.0.0.1:PORT, where nobody needs to listen. Exits with the number of the step that
 * failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct io_uring_sqe* entries;
static char* shared;
static struct io_uring_params setup;
static int ring;

static int make_ring(void) {
  ring = syscall(SYS_io_uring_setup, 4, &setup);
  if (ring < 0 || !(setup.features & IORING_FEAT_SINGLE_MMAP)) return 0;
  size_t size = setup.cq_off.cqes + setup.cq_entries * sizeof(struct io_uring_cqe);
  shared = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
  entries = mmap(0, setup.sq_entries * sizeof(*entries), PROT_READ | PROT_WRITE, MAP_SHARED, ring,
                 IORING_OFF_SQES);
  return shared != MAP_FAILED && entries != MAP_FAILED;
}

/* One request, and its result. */
static int perform(const struct io_uring_sqe* request) {
  unsigned* tail = (unsigned*)(shared + setup.sq_off.tail);
  unsigned* indices = (unsigned*)(shared + setup.sq_off.array);
  unsigned* head = (unsigned*)(shared + setup.cq_off.head);
  struct io_uring_cqe* answers = (struct io_uring_cqe*)(shared + setup.cq_off.cqes);
  entries[0] = *request;
  indices[*tail & (setup.sq_entries - 1)] = 0;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1) return -1000;
  int result = answers[*head & (setup.cq_entries - 1)].res;
  __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
  return result;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (!make_ring()) return 3;
  struct io_uring_sqe request = {
      .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, .open_flags = O_RDONLY};
  request.addr = (unsigned long)"/etc/passwd";
  if (perform(&request) < 0) return 4;

  int table[1] = {-1};
  if (syscall(SYS_io_uring_register, ring, IORING_REGISTER_FILES, table, 1)) return 5;
  request.file_index = 1; /* the first place */
  if (perform(&request) < 0) return 6;

  memset(&request, 0, sizeof(request));
  request.opcode = IORING_OP_MKDIRAT;
  request.fd = AT_FDCWD;
  request.addr = (unsigned long)"made-by-ring";
  request.len = 0755;
  if (perform(&request) != 0) return 7;
  request.opcode = IORING_OP_UNLINKAT;
  request.len = 0;
  request.unlink_flags = AT_REMOVEDIR;
  if (perform(&request) != 0) return 8;

  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  memset(&request, 0, sizeof(request));
  request.opcode = IORING_OP_CONNECT;
  request.fd = socket(AF_INET, SOCK_DGRAM, 0);
  request.addr = (unsigned long)&peer;
  request.off = sizeof(peer);
  return perform(&request) == -1000 ? 9 : 0;
}
