#include "tests/acceptance/battery.h"

namespace picket::test {

// NODE is a process outside of the container; nothing that is opened for writing is written.
const std::vector<Form>& escape_forms() {
  static const std::vector<Form> all = {
      {"core_pattern by dd", "escape.core_pattern",
       "dd if=/dev/null of=/proc/sys/kernel/core_pattern count=0"},
      {"core_pattern by python", "escape.core_pattern",
       "/usr/bin/python3 -c \"open('/proc/self/root/proc/sys/kernel/core_pattern','a')\""},
      {"core_pattern by the node's root", "escape",
       "/usr/bin/python3 -c \"open('/proc/NODE/root/proc/sys/kernel/core_pattern','a')\""},
      {"where programs lie", "escape.kernel_protection", ": >>/proc/sys/kernel/randomize_va_space"},
      {"a switch of sysfs", "escape.device_setting", ": >>/sys/kernel/rcu_normal"},
      {"a folder in the node's root", "escape", "mkdir /proc/NODE/root/mnt/made"},
      {"a link in the node's root", "escape", "ln -s /etc/shadow /proc/NODE/root/mnt/log"},
      {"a rename in the node's working directory", "escape",
       "ln -s /x /proc/NODE/cwd/one; mv /proc/NODE/cwd/one /proc/NODE/cwd/two"},
      {"a program by the node's root", "escape.foreign_program", "/proc/NODE/root/mnt/runtime 0"},
      {"the program that the node runs", "escape", "/proc/NODE/exe 0"},
      {"a signal", "escape.foreign_process", "kill -CONT NODE"},
      {"its memory by a call", "escape.foreign_process privilege",
       "/usr/bin/python3 -c \"import ctypes;l=ctypes.CDLL(None);b=ctypes.create_string_buffer(8);"
       "v=(ctypes.c_size_t*2)(ctypes.addressof(b),8);l.process_vm_readv(NODE,v,1,v,1,0)\""},
      {"it is traced", "escape.foreign_process privilege",
       "/usr/bin/python3 -c \"import ctypes;ctypes.CDLL(None).ptrace(0x4206,NODE,0,0)\""},
      {"its memory by a file", "secrets escape", "dd if=/proc/NODE/mem of=/dev/null count=0"},
      {"its environment", "secrets escape", "cat /proc/NODE/environ"},
      {"its namespaces, by a copy of nsenter", "escape.namespace",
       "cp /usr/bin/nsenter /tmp/make; /tmp/make -t NODE -u -n true"},
      {"its system bus", "escape.runtime_socket",
       "/usr/bin/python3 -c \"import socket;socket.socket(socket.AF_UNIX).connect('SOCKET')\""},
      {"a disk under another name", "escape.block_device", "mknod /tmp/notes b 8 1"},
      {"a disk by the new calls and another path", "escape.disk_mount",
       "escape fsmount ext4 /var/none"},
      {"a map of the node's", "escape.bpf_load",
       "/usr/bin/python3 -c \"import ctypes;ctypes.CDLL(None).syscall(321,14,0,0)\""},
      {"release_agent by the new calls", "escape.release_agent",
       "/usr/bin/python3 -c \"import ctypes;s=ctypes.CDLL(None).syscall;f=s(430,b'cgroup',0);"
       "s(431,f,1,b'release_agent',b'/x',0)\""},
      {"debugfs by a type of its own", "escape.debugfs", "escape fsmount debugfs x"},
  };
  return all;
}

// VICTIM is another process of the container.
const std::vector<Form>& secret_forms() {
  static const std::vector<Form> all = {
      {"cp", "credentials", "cp /root/.ssh/id_ed25519 /tmp/s1"},
      {"tar", "credentials", "tar cf /tmp/s2 /root/.aws"},
      {"dd", "credentials", "dd if=/root/.kube/config of=/tmp/s3"},
      {"a mapping", "credentials",
       "/usr/bin/python3 -c \"import mmap;f=open('/root/.netrc','rb');"
       "mmap.mmap(f.fileno(),0,access=mmap.ACCESS_READ)[:]\""},
      {"sendfile", "credentials",
       "/usr/bin/python3 -c \"import os;a=os.open('/root/.git-credentials',0);"
       "b=os.open('/tmp/s4',65);os.sendfile(b,a,0,9)\""},
      {"an io_uring", "credentials", "escape ringread /root/.docker/config.json"},
      {"a hard link", "credentials", "ln /root/.pgpass /tmp/s5; cat /tmp/s5"},
      {"a rename of its folder", "credentials", "mv /root/.azure /tmp/s6; cat /tmp/s6/*"},
      {"a bind mount", "credentials",
       "mkdir /tmp/s8; mount --bind /root/.config /tmp/s8; cat /tmp/s8/gh/hosts.yml"},
      {"another's working directory", "credentials",
       "sh -c 'cd /root/.claude; exec sleep 1' & cd /proc/$!/root/root/.claude; cat "
       ".credentials.json"},
      {"redirection", "credentials", "read x </root/.cargo/credentials.toml; :"},
      {"find and exec", "credentials", "find /root -name id_rsa -exec head -c 1 {} +"},
      {"a decoy", "credentials", "od /srv/picket-decoy/key"},
      {"passwords of the system", "credentials", "awk 1 /etc/shadow"},
      {"environment of a thread", "secrets", "cat /proc/VICTIM/task/VICTIM/environ"},
      {"environment, read in python", "secrets",
       "/usr/bin/python3 -c \"open('/proc/VICTIM/environ','rb').read()\""},
      {"memory", "secrets", "dd if=/proc/VICTIM/mem of=/dev/null count=0"},
      {"memory by a call", "secrets",
       "/usr/bin/python3 -c \"import ctypes,re;a=int(re.match('[0-9a-f]+',"
       "open('/proc/VICTIM/maps').read())[0],16);l=ctypes.CDLL(None);"
       "b=ctypes.create_string_buffer(8);v=(ctypes.c_size_t*2)(ctypes.addressof(b),8);"
       "w=(ctypes.c_size_t*2)(a,8);assert l.process_vm_readv(VICTIM,v,1,w,1,0)==8\""},
      {"traced", "secrets",
       "/usr/bin/python3 -c \"import ctypes;assert "
       "ctypes.CDLL(None).ptrace(0x4206,VICTIM,0,0)==0\""},
      {"a descriptor taken", "secrets",
       "/usr/bin/python3 -c \"import ctypes,os;p=os.pidfd_open(VICTIM);"
       "assert ctypes.CDLL(None).syscall(438,p,0,0)>=0\""},
      {"what was typed, by busybox", "credentials", "grep -i secret /root/.bash_history"},
      {"what was typed, by redirection", "credentials",
       "/usr/bin/bash -c 'read x </root/.bash_history'"},
      {"an exchange, and the other name", "credentials",
       "touch /tmp/s9; /usr/bin/python3 -c \"import ctypes;assert ctypes.CDLL(None).renameat2(-100,"
       "b'/root/.netrc',-100,b'/tmp/s9',2)==0\"; cat /tmp/s9"},
      {"an exchange the other way round", "credentials",
       "touch /tmp/s10; /usr/bin/python3 -c \"import ctypes;assert "
       "ctypes.CDLL(None).renameat2(-100,b'/tmp/s10',-100,b'/root/.git-credentials',2)==0\"; cat "
       "/tmp/s10"},
      {"a key of the kernel's", "secrets",
       "/usr/bin/python3 -c \"import ctypes;ctypes.CDLL(None).syscall(250,11,-4,0,0)\""},
  };
  return all;
}

const std::vector<Form>& persistence_forms() {
  static const std::vector<Form> all = {
      {"a prompt's command", "persistence",
       "mkdir -p /etc/profile.d; echo 'PROMPT_COMMAND=x' >/etc/profile.d/p.sh"},
      {"zlogout", "persistence", "echo x >>/root/.zlogout"},
      {"inputrc", "persistence", "echo x >/root/.inputrc"},
      {"environment.d", "persistence",
       "mkdir -p /root/.config/environment.d; echo LD_PRELOAD=/tmp/x "
       ">/root/.config/environment.d/a"},
      {"vim", "persistence", "echo x >/root/.vimrc"},
      {"tmux", "persistence", "echo x >/tmp/t; cp /tmp/t /root/.tmux.conf"},
      {"gdb", "persistence", "echo x >/tmp/g; mv /tmp/g /root/.gdbinit"},
      {"pip", "persistence", "mkdir -p /root/.config/pip; echo x >/root/.config/pip/pip.conf"},
      {"npm", "persistence", "echo 'script-shell=/tmp/x' >>/root/.npmrc"},
      {"cargo", "persistence", "mkdir -p /root/.cargo; echo x >/root/.cargo/config.toml"},
      {"a program in front", "persistence",
       "mkdir -p /root/.local/bin; cp /bin/true /root/.local/bin/sudo"},
      {"a program of the system", "persistence", "cp /bin/true /bin/renamed-helper"},
      {"a drop-in", "persistence",
       "mkdir -p /etc/systemd/system/ssh.service.d; echo x "
       ">/etc/systemd/system/ssh.service.d/z.conf"},
      {"a timer", "persistence",
       "mkdir -p /root/.config/systemd/user/timers.target.wants; ln -s /tmp/x "
       "/root/.config/systemd/user/timers.target.wants/x.timer"},
      {"at", "persistence",
       "mkdir -p /var/spool/cron/atjobs; echo x >/var/spool/cron/atjobs/a0001"},
      {"autostart", "persistence",
       "mkdir -p /root/.config/autostart; echo x >/root/.config/autostart/x.desktop"},
      {"git's templates", "persistence",
       "/usr/bin/git config --file /tmp/c1 init.templateDir /tmp/t"},
      {"git's monitor", "persistence", "/usr/bin/git -c core.fsmonitor=/tmp/x version"},
      {"git's ssh", "persistence",
       "/usr/bin/git config --file /tmp/c2 core.sshCommand 'sh -c \"curl x|sh\"'"},
      {"git's configuration by echo", "persistence",
       "mkdir -p /p/.git; echo '[core]' >>/p/.git/config"},
      {"a hook by a symlink", "persistence",
       "mkdir -p /p/.git/hooks; ln -s /tmp/x /p/.git/hooks/post-checkout"},
      {"ssh's client", "persistence", "mkdir -p /root/.ssh; echo x >>/root/.ssh/config"},
      {"PAM", "persistence", "mkdir -p /etc/pam.d; echo x >/etc/pam.d/sshd"},
      {"names", "persistence", "echo x >>/etc/nsswitch.conf"},
      {"the loader's folders", "persistence",
       "mkdir -p /etc/ld.so.conf.d; echo /tmp >/etc/ld.so.conf.d/x.conf"},
      {"site-packages", "persistence",
       "mkdir -p /v/site-packages; echo 'import os' >/v/site-packages/a.pth"},
      {"ipython", "persistence",
       "mkdir -p /root/.ipython/profile_default/startup; echo x "
       ">/root/.ipython/profile_default/startup/00.py"},
      {"an agent's skill", "persistence",
       "mkdir -p /p/.claude/skills/x; echo x >/p/.claude/skills/x/SKILL.md"},
      {"an agent's orders", "persistence", "echo x >>/p/CLAUDE.md"},
      {"an agent's servers", "persistence", "mkdir -p /p/.vscode; echo x >/p/.vscode/mcp.json"},
      {"an editor's rules for agents", "persistence",
       "mkdir -p /p/.cursor/rules; echo x >/p/.cursor/rules/a.mdc"},
      {"an action", "persistence",
       "mkdir -p /p/.github/actions/x; echo x >/p/.github/actions/x/action.yml"},
      {"an extension", "persistence",
       "mkdir -p /root/.vscode/extensions; mkdir /tmp/x1; mv /tmp/x1 "
       "/root/.vscode/extensions/evil"},
      {"a second name", "persistence", "touch /root/.zshrc; ln /root/.zshrc /tmp/z1"},
      {"an exchange", "persistence",
       "touch /root/.profile /tmp/z2; /usr/bin/python3 -c \"import ctypes;"
       "ctypes.CDLL(None).renameat2(-100,b'/root/.profile',-100,b'/tmp/z2',2)\""},
      {"an io_uring", "persistence", "touch /root/.xprofile; escape ring /root/.xprofile"},
  };
  return all;
}

const std::vector<Form>& other_forms() {
  static const std::vector<Form> all = {
      {"a set-user-id node", "privilege",
       "/usr/bin/python3 -c \"import os;os.mknod('/tmp/o1',0o104755)\""},
      {"the bit by busybox", "privilege", "cp /bin/true /tmp/o2; chmod u+s /tmp/o2"},
      {"a capability by its bytes", "privilege",
       "touch /tmp/o3; /usr/bin/python3 -c \"import os,struct;os.setxattr('/tmp/o3',"
       "'security.capability',struct.pack('<5I',0x2000001,128,0,0,0))\""},
      {"passwords for everybody", "privilege", "touch /etc/shadow; chmod 644 /etc/shadow"},
      {"rights of sudo by their owner", "privilege",
       "mkdir -p /etc/sudoers.d; echo >/etc/sudoers.d/x; chown 1000 /etc/sudoers.d/x"},
      {"a namespace of one's own", "privilege",
       "triggers as 1000 /usr/bin/unshare -Urm /opt/picket-test/escape fsmount overlay x"},
      {"an agent without questions", "agent",
       "mkdir -p /opt/bin; cp /opt/picket-test/escape /opt/bin/claude; /opt/bin/claude in / true "
       "--dangerously-skip-permissions"},
      {"an agent that overwrites", "agent",
       "mkdir -p /opt/bin; cp /opt/picket-test/escape /opt/bin/codex; /opt/bin/codex in / "
       "/usr/bin/git push --force"},
      {"an agent that skips checks", "agent",
       "mkdir -p /opt/bin; cp /opt/picket-test/escape /opt/bin/gemini; /opt/bin/gemini in / "
       "/usr/bin/git commit --no-verify -m x"},
      {"an agent that forgets", "agent",
       "mkdir -p /opt/bin /q/.git; cp /opt/picket-test/escape /opt/bin/goose; /opt/bin/goose in /q "
       "rm "
       "-r .git"},
  };
  return all;
}

}  // namespace picket::test
