#include "agent/enrich/process_update.h"

#include <sched.h>

#include <algorithm>
#include <cstring>

namespace picket {
namespace {

std::string_view name_of(const char (&comm)[PK_COMM_LEN]) {
  return {comm, strnlen(comm, sizeof comm)};
}

}  // namespace

bool gains_root(const Process& before, uint32_t uid) {
  return uid == 0 && before.uid != 0 && before.ruid != 0 && before.suid != 0;
}

void update_credentials(Process& process, const pk_header& header) {
  process.uid = process.euid = header.uid;
  process.gid = header.gid;
  process.cap_effective = header.cap_effective;
}

void update_from_exec(Process& process, const Event& event, const pk_exec& exec, TextCache& texts) {
  update_credentials(process, event.header());
  process.vpid = exec.vpid;
  process.session = exec.session;
  process.group = exec.group;
  process.ruid = exec.ruid;
  process.suid = exec.suid;
  process.rgid = exec.rgid;
  process.loginuid = exec.loginuid;
  process.cap_permitted = exec.cap_permitted;
  process.mnt_ns = exec.mnt_ns;
  process.pid_ns = exec.pid_ns;
  process.net_ns = exec.net_ns;
  process.user_ns = exec.user_ns;
  process.exe_inode = exec.exe_inode;
  process.exe_dev = exec.exe_dev;
  process.exe_nlink = exec.exe_nlink;
  process.layer = exec.layer;
  process.has_tty = exec.tty != 0;
  process.tty_nr = exec.tty_nr;
  std::ranges::copy(exec.fd, process.fd.begin());
  process.comm = name_of(exec.comm);
  process.exe = texts.share(event.text(exec.exe));
  process.filename = texts.share(event.text(exec.filename));
  process.interp = texts.share(event.text(exec.interp));
  process.cwd = texts.share(event.text(exec.cwd));
  process.argv = texts.share(event.text(exec.argv));
}

void update_from_fork(Process& child, const pk_fork& fork) {
  child.vpid = fork.vpid;
  child.comm = name_of(fork.comm);
}

void inherit(Process& child, const Process& parent, uint64_t clone_flags) {
  const auto kept = [&](uint64_t flag, uint32_t value) { return clone_flags & flag ? 0 : value; };
  child.session = parent.session;
  child.group = parent.group;
  child.ruid = parent.ruid;
  child.euid = parent.euid;
  child.suid = parent.suid;
  child.gid = parent.gid;
  child.rgid = parent.rgid;
  child.loginuid = parent.loginuid;
  child.cap_effective = parent.cap_effective;
  child.cap_permitted = parent.cap_permitted;
  child.mnt_ns = kept(CLONE_NEWNS, parent.mnt_ns);
  child.pid_ns = kept(CLONE_NEWPID, parent.pid_ns);
  child.net_ns = kept(CLONE_NEWNET, parent.net_ns);
  child.user_ns = kept(CLONE_NEWUSER, parent.user_ns);
  child.exe_inode = parent.exe_inode;
  child.exe_dev = parent.exe_dev;
  child.exe_nlink = parent.exe_nlink;
  child.layer = parent.layer;
  child.is_loader = parent.is_loader;
  child.has_tty = parent.has_tty;
  child.tty_nr = parent.tty_nr;
  child.fd = parent.fd;
  child.exe = parent.exe;
  child.filename = parent.filename;
  child.interp = parent.interp;
  child.cwd = parent.cwd;
  child.argv = parent.argv;
  child.driver = parent.driver;
  child.tool = parent.tool;
  child.source = parent.source;
  child.package = parent.package;
  child.runs_script = parent.runs_script;
  child.entering = parent.entering;
}

}  // namespace picket
