/* escape: one step on the way out of a container, as far as it does no harm, by a program that
 * needs no shell and no library. What is opened is closed unread and unwritten.
 *
 *   escape open PATH            for writing      escape openat2 PATH   for writing
 *   escape read PATH            for reading      escape ring PATH      for writing, by an io_uring
 *   escape ringread PATH        for reading, by an io_uring
 *   escape handle DIRECTORY     open_by_handle_at of it
 *   escape fsmount TYPE SOURCE  a file system by the new calls, mounted nowhere
 *   escape module | kexec       with arguments that no kernel takes
 *   escape userns32             a user namespace, asked for by `int 0x80`; 77: no such interface
 *   escape bpf TYPE             loads a program of two instructions that is attached to nothing
 *   escape join NS-FILE... -- PROGRAM...      setns, then runs it
 *   escape joinpid PID -- PROGRAM...          the same by pidfd, all at once
 *   escape in DIRECTORY PROGRAM...            chdir, then runs it
 *   escape memfd PROGRAM WORDS...     runs a copy that is in memory only
 *   escape nameless PROGRAM     runs it without any argument, its name included
 *   escape deleted PROGRAM WORDS...   runs it after it has lost its name
 *   escape connect SOCKET       a unix stream socket
 *   escape serve SOCKET         listens there until it is ended; prints "ready"
 * Exits with 0 when it was done, 1 when the kernel refused. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int refused(long result) { return result < 0; }

static int open_by_openat2(const char* path) {
  struct open_how how = {.flags = O_WRONLY};
  return refused(syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how)));
}

static int open_by_ring(const char* path, unsigned flags) {
  struct io_uring_params setup = {0};
  int ring = syscall(SYS_io_uring_setup, 2, &setup);
  if (ring < 0) return 2;
  size_t size = setup.sq_off.array + setup.sq_entries * sizeof(unsigned);
  size_t answers = setup.cq_off.cqes + setup.cq_entries * sizeof(struct io_uring_cqe);
  if (answers > size) size = answers;
  char* place = mmap(0, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring, 0);
  struct io_uring_sqe* request =
      mmap(0, setup.sq_entries * sizeof(*request), PROT_READ | PROT_WRITE,
           MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
  if (place == MAP_FAILED || request == MAP_FAILED) return 2;
  memset(request, 0, sizeof(*request));
  request->opcode = IORING_OP_OPENAT;
  request->fd = AT_FDCWD;
  request->addr = (unsigned long)path;
  request->open_flags = flags;
  unsigned* tail = (unsigned*)(place + setup.sq_off.tail);
  ((unsigned*)(place + setup.sq_off.array))[0] = 0;
  __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
  if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, 0, 0) != 1) return 2;
  return refused(((struct io_uring_cqe*)(place + setup.cq_off.cqes))[0].res);
}

static int mount_anew(char** words) {
  int context = syscall(SYS_fsopen, words[0], 0);
  if (context < 0 || syscall(SYS_fsconfig, context, 1, "source", words[1], 0)) return 1;
  return refused(syscall(SYS_fsconfig, context, 6, 0, 0, 0));
}

static int open_by_handle(const char* directory) {
  struct {
    struct file_handle head;
    unsigned char bytes[MAX_HANDLE_SZ];
  } handle = {.head = {.handle_bytes = MAX_HANDLE_SZ}};
  int mount_id = 0, root = open(directory, O_RDONLY | O_DIRECTORY);
  if (name_to_handle_at(root, "", &handle.head, &mount_id, AT_EMPTY_PATH)) return 2;
  return refused(open_by_handle_at(root, &handle.head, O_RDONLY));
}

static int load_program(unsigned type) {
  struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 0},
                            {.code = BPF_JMP | BPF_EXIT}};
  union bpf_attr attributes;
  memset(&attributes, 0, sizeof(attributes));
  attributes.prog_type = type;
  attributes.insns = (unsigned long)code;
  attributes.insn_cnt = 2;
  attributes.license = (unsigned long)"GPL";
  return refused(syscall(SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes)));
}

static void no_interface(int number) {
  (void)number;
  _exit(77);
}

static int user_namespace_by_32_bits(void) {
  enum { UNSHARE = 310 };
  long result = UNSHARE;
  signal(SIGSEGV, no_interface);
  __asm__ volatile("int $0x80"
                   : "+a"(result)
                   : "b"((unsigned long)CLONE_NEWUSER)
                   : "memory", "r8", "r9", "r10", "r11");
  return refused((int)result);
}

/* In a child, which is in a new pid namespace too then. */
static int run(char** program) {
  pid_t child = fork();
  if (child == 0) {
    execvp(program[0], program);
    _exit(127);
  }
  int state = 0;
  waitpid(child, &state, 0);
  return WIFEXITED(state) ? WEXITSTATUS(state) : 128;
}

static int join(char** names) {
  int descriptors[8], count = 0;
  for (; *names && strcmp(*names, "--") != 0 && count < 8; ++names)
    descriptors[count++] = open(*names, O_RDONLY);
  if (!*names) return 2;
  for (int i = 0; i < count; ++i)
    if (setns(descriptors[i], 0)) return 1;
  return run(names + 1);
}

static int join_by_pid(char** words) {
  int process = syscall(SYS_pidfd_open, atoi(words[0]), 0);
  if (process < 0 || setns(process, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS)) return 1;
  return run(words + 2);
}

static int unix_socket(const char* path, int serves) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (!serves) return refused(connect(fd, (struct sockaddr*)&name, sizeof(name)));
  if (bind(fd, (struct sockaddr*)&name, sizeof(name)) || listen(fd, 8)) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) pause();
}

static int run_without_arguments(const char* program) {
  char* none[] = {0};
  execve(program, none, environ);
  return 1;
}

static int run_nameless(char** words, int in_memory) {
  int from = open(words[0], O_RDONLY), to = from;
  char bytes[65536];
  if (in_memory) {
    to = syscall(SYS_memfd_create, "x", 0);
    for (ssize_t got; (got = read(from, bytes, sizeof(bytes))) > 0;)
      if (write(to, bytes, got) != got) return 2;
    close(from);
  } else if (unlink(words[0])) {
    return 2;
  }
  fexecve(to, words, environ);
  return 1;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const char* what = argv[1];
  char** words = argv + 2;
  if (!strcmp(what, "module")) return refused(syscall(SYS_finit_module, -1, "", 0));
  if (!strcmp(what, "kexec")) return refused(syscall(SYS_kexec_load, 0, 17, 0, ~0ul));
  if (!strcmp(what, "userns32")) return user_namespace_by_32_bits();
  if (argc < 3) return 2;
  if (!strcmp(what, "handle")) return open_by_handle(words[0]);
  if (!strcmp(what, "open")) return refused(open(words[0], O_WRONLY));
  if (!strcmp(what, "read")) return refused(open(words[0], O_RDONLY));
  if (!strcmp(what, "openat2")) return open_by_openat2(words[0]);
  if (!strcmp(what, "ring")) return open_by_ring(words[0], O_WRONLY);
  if (!strcmp(what, "ringread")) return open_by_ring(words[0], O_RDONLY);
  if (!strcmp(what, "bpf")) return load_program(strtoul(words[0], 0, 0));
  if (!strcmp(what, "join")) return join(words);
  if (!strcmp(what, "connect")) return unix_socket(words[0], 0);
  if (!strcmp(what, "serve")) return unix_socket(words[0], 1);
  if (!strcmp(what, "nameless")) return run_without_arguments(words[0]);
  if (argc < 4) return 2;
  if (!strcmp(what, "memfd")) return run_nameless(words, 1);
  if (!strcmp(what, "deleted")) return run_nameless(words, 0);
  if (!strcmp(what, "fsmount")) return mount_anew(words);
  if (!strcmp(what, "joinpid")) return join_by_pid(words);
  if (!strcmp(what, "in")) return chdir(words[0]) ? 1 : run(words + 1);
  return 2;
}
