/* credentials UID GID: asks for nothing with unshare(0), as root and then as UID and GID, in one
 * process and without an exec between. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  uid_t uid = (uid_t)atol(argv[1]);
  gid_t gid = (gid_t)atol(argv[2]);
  if (unshare(0) != 0) return 3;
  if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) return 4;
  return unshare(0) == 0 ? 0 : 5;
}
