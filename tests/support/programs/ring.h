/* An io_uring, and one request after the other through it. For programs in C and tests in C++. */
#ifndef PICKET_TEST_RING_H
#define PICKET_TEST_RING_H

#include <linux/io_uring.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Later than some headers. */
#define RING_OP_BIND 56
#define RING_OP_LISTEN 57

#define NO_ANSWER (-1000)

struct ring {
  struct io_uring_params setup;
  struct io_uring_sqe* entries;
  char* shared;
  int fd;
};

static inline int make_ring_of(struct ring* ring, unsigned places) {
  ring->fd = (int)syscall(SYS_io_uring_setup, places, &ring->setup);
  if (ring->fd < 0 || !(ring->setup.features & IORING_FEAT_SINGLE_MMAP)) return 0;
  const struct io_uring_params* setup = &ring->setup;
  const size_t size = setup->cq_off.cqes + setup->cq_entries * sizeof(struct io_uring_cqe);
  void* shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQ_RING);
  void* entries = mmap(NULL, setup->sq_entries * sizeof(struct io_uring_sqe),
                       PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, IORING_OFF_SQES);
  ring->shared = (char*)shared;
  ring->entries = (struct io_uring_sqe*)entries;
  return shared != MAP_FAILED && entries != MAP_FAILED;
}

static inline int make_ring(struct ring* ring) { return make_ring_of(ring, 4); }

/* One request, and its result; of one that asks for no answer 0. */
static inline int perform(struct ring* ring, const struct io_uring_sqe* request) {
  const struct io_uring_params* setup = &ring->setup;
  unsigned* tail = (unsigned*)(ring->shared + setup->sq_off.tail);
  unsigned* indices = (unsigned*)(ring->shared + setup->sq_off.array);
  unsigned* head = (unsigned*)(ring->shared + setup->cq_off.head);
  const struct io_uring_cqe* answers = (struct io_uring_cqe*)(ring->shared + setup->cq_off.cqes);
  const unsigned answer = request->flags & IOSQE_CQE_SKIP_SUCCESS ? 0 : 1;
  ring->entries[0] = *request;
  indices[*tail & (setup->sq_entries - 1)] = 0;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring->fd, 1, answer, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
    return NO_ANSWER;
  if (!answer) return 0;
  const int result = answers[*head & (setup->cq_entries - 1)].res;
  __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
  return result;
}

/* One request and others that wait for each other and for it; of them all only the first, which
 * fails, gives an answer. */
static inline int perform_chain(struct ring* ring, const struct io_uring_sqe* first,
                                const struct io_uring_sqe* other, unsigned others) {
  const struct io_uring_params* setup = &ring->setup;
  unsigned* tail = (unsigned*)(ring->shared + setup->sq_off.tail);
  unsigned* indices = (unsigned*)(ring->shared + setup->sq_off.array);
  unsigned* head = (unsigned*)(ring->shared + setup->cq_off.head);
  const struct io_uring_cqe* answers = (struct io_uring_cqe*)(ring->shared + setup->cq_off.cqes);
  for (unsigned i = 0; i <= others; ++i) {
    ring->entries[i] = i == 0 ? *first : *other;
    if (i < others) ring->entries[i].flags |= IOSQE_IO_LINK;
    indices[(*tail + i) & (setup->sq_entries - 1)] = i;
  }
  __atomic_store_n(tail, *tail + others + 1, __ATOMIC_RELEASE);
  const long taken =
      syscall(SYS_io_uring_enter, ring->fd, others + 1, 1, IORING_ENTER_GETEVENTS, NULL, 0);
  if (taken != (long)others + 1) return NO_ANSWER;
  const int result = answers[*head & (setup->cq_entries - 1)].res;
  __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
  return result;
}

#endif
