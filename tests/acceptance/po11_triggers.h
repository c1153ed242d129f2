// What makes each of Falco's rules fire in a real container, harmlessly, and what is close to it
// and must not; and the rules of which nothing here does, with the reason. /s/NAME is a script that
// runs its arguments as a process of that name, $T the program tests/support/programs/triggers.c,
// which other names stand for in /tmp; 203.0.113.x are addresses of the container's own loopback.
#pragma once

#include <string_view>
#include <vector>

namespace picket::test {

struct Trigger {
  std::string_view rule, fires, silent;  // shell commands
};

inline const std::vector<Trigger> kStableTriggers = {
    {"Directory traversal monitored file read", "cd /tmp/a; /s/tool /bin/cat ../../etc/hosts",
     "cd /tmp/a; /s/tool /bin/cat /etc/hosts"},
    {"Read sensitive file trusted after startup", "/s/nginx 'sleep 6; read x < /etc/shadow'",
     "/s/nginx 'read x < /etc/shadow'"},
    {"Read sensitive file untrusted", "/bin/cat /etc/shadow", "/s/passwd 'read x < /etc/shadow'"},
    {"Run shell untrusted", "/s/mysqld /bin/sh -c :", "/s/make /bin/sh -c :"},
    {"Terminal shell in container", "$T terminal /s/conmon /bin/sh -c :", "/s/conmon /bin/sh -c :"},
    {"Contact K8S API Server From Container",
     "dns ask udp kubernetes.default.svc.cluster.local; $T talk 203.0.113.80 443",
     "$T talk 203.0.113.81 443"},
    {"Netcat Remote Code Execution in Container",
     "/bin/nc -e /bin/true 127.0.0.1 9 || :", "/bin/nc 127.0.0.1 9 || :"},
    {"Search Private Keys or Passwords", "/bin/find /tmp -name id_rsa",
     "/bin/find /tmp -name main.c"},
    {"Clear Log Activities", ": > /var/log/syslog", "echo x >> /var/log/syslog"},
    {"Remove Bulk Data from Disk", "/s/shred", "/s/tool"},
    {"Create Symlink Over Sensitive Files", "/bin/ln -s /etc/shadow /tmp/link1",
     "/bin/ln -s /etc/hosts /tmp/link2"},
    {"Create Hardlink Over Sensitive Files", "/bin/ln /etc/shadow /tmp/hard1",
     "/bin/ln /etc/hosts /tmp/hard2"},
    {"Packet socket created in container", "$T call packet", "$T call inet"},
    {"Redirect STDOUT/STDIN to Network Connection in Container",
     "listener 4444 1; reverse_shell dup2 4444", "/bin/sh -c 'exec 0</dev/null'"},
    {"Linux Kernel Module Injection Detected", "$T call module", "$T as 1000 $T call module"},
    {"Detect release_agent File Container Escapes", ": > /tmp/release_agent",
     ": < /tmp/a/release_agent"},
    {"PTRACE attached to process", "$T call attach", "$T call traceme"},
    {"PTRACE anti-debug attempt", "$T call traceme", "$T call attach"},
    {"Find AWS Credentials", "/bin/find /tmp -path .aws/credentials",
     "/bin/find /tmp -path credentials"},
    {"Execution from /dev/shm", "/bin/sh /dev/shm/script || :", "/bin/sh /tmp/a/script"},
    {"Drop and execute new binary in container", "cp /bin/busybox /tmp/true; /tmp/true",
     "/bin/true"},
    {"Disallowed SSH Connection Non Standard Port", "/tmp/ssh talk 203.0.113.9 443",
     "/tmp/ssh talk 203.0.113.9 22"},
    {"Fileless execution via memfd_create", "$T memory", "$T"},
};

inline const std::vector<Trigger> kIncubatingTriggers = {
    {"Modify Shell Configuration File", "/bin/cp /etc/hosts /root/.bashrc",
     "/bin/cat /root/.profile"},
    {"Schedule Cron Jobs", "/bin/cp /etc/hosts /etc/cron.d/job", "/bin/cat /etc/cron.d/other"},
    {"Read ssh information", "/bin/cat /root/.ssh/id_rsa", "/s/ssh 'read x < /root/.ssh/id_rsa'"},
    {"DB program spawned process", "/s/mysqld /bin/ls /tmp", "/s/make /bin/ls /tmp"},
    {"Change thread namespace", "$T call setns", "$T call unshare"},
    {"Change namespace privileges via unshare", "$T as 1000 $T call unshare", "$T call unshare"},
    {"System procs network activity", "/tmp/sh talk 203.0.113.9 8080",
     "/tmp/tool talk 203.0.113.9 8080"},
    {"Unexpected UDP Traffic", "$T udp 203.0.113.9 9999", "$T udp 203.0.113.9 53"},
    {"Create files below dev", "/bin/cp /etc/hosts /dev/hidden", "echo x > /dev/null"},
    {"Contact EC2 Instance Metadata Service From Container", "$T talk 169.254.169.254 80",
     "$T talk 203.0.113.9 80"},
    {"Contact cloud metadata service from container", "$T talk 169.254.169.254 80",
     "$T talk 203.0.113.9 80"},
    {"Launch Package Management Process in Container", "/s/apt", "/s/tool"},
    {"Launch Suspicious Network Tool in Container", "/s/nmap", "/s/tool"},
    {"Delete or rename shell history", "/bin/rm /root/.bash_history", "/bin/rm /root/notes"},
    {"Set Setuid or Setgid bit", "/bin/chmod 4755 /tmp/a/script", "/bin/chmod 755 /tmp/a/script"},
    {"Launch Remote File Copy Tools in Container", "/s/scp", "/s/tool"},
    {"Mount Launched in Privileged Container", "/bin/mount -t tmpfs none /tmp/a/mount",
     "/bin/mount"},
    {"Launch Ingress Remote File Copy Tools in Container",
     "/bin/wget http://127.0.0.1:9/ || :", "/bin/true"},
    {"Read environment variable from /proc files", "/bin/cat /proc/self/environ",
     "/bin/cat /proc/self/status"},
    {"Exfiltrating Artifacts via Kubernetes Control Plane",
     "/s/conmon /bin/tar -cf /dev/null /tmp/a/other",
     "/s/tool /bin/tar -cf /dev/null /tmp/a/other"},
    {"Adding ssh keys to authorized_keys", "/bin/cp /etc/hosts /root/.ssh/authorized_keys",
     "/bin/cp /etc/hosts /root/.ssh/config"},
    {"Backdoored library loaded into SSHD (CVE-2024-3094)",
     "/s/sshd 'read x < /usr/lib/liblzma.so.5.6.1'",
     "/s/sshd 'read x < /usr/lib/liblzma.so.5.6.2'"},
    {"BPF Program Not Profiled", "$T call program", "$T call map"},
};

inline const std::vector<Trigger> kSandboxTriggers = {
    {"Unexpected inbound connection source", "$T talk 203.0.113.9 8080", "$T talk 127.0.0.1 8080"},
    {"Read Shell Configuration File", "/bin/cat /root/.profile", "read x < /root/.profile"},
    {"Update Package Repository", "/bin/cp /etc/hosts /etc/apt/sources.list.d/x.list",
     "/s/apt 'echo x > /etc/apt/sources.list.d/y.list'"},
    {"Write below binary dir", "/bin/cp /etc/hosts /usr/bin/x", "/bin/cp /etc/hosts /tmp/x"},
    {"Write below monitored dir", "/bin/cp /etc/hosts /usr/lib/x.so", "/bin/cp /etc/hosts /tmp/x"},
    {"Write below etc", "/bin/cp /etc/hosts /etc/x", "/bin/cp /etc/hosts /tmp/x"},
    {"Write below root", "/bin/cp /etc/hosts /root/x", "/bin/cp /etc/hosts /tmp/x"},
    {"Write below rpm database", "/bin/cp /etc/hosts /var/lib/rpm/x", "/bin/cp /etc/hosts /tmp/x"},
    {"Modify binary dirs", "/bin/rm /usr/bin/old", "/bin/rm /tmp/a/old"},
    {"Mkdir binary dirs", "/bin/mkdir /usr/bin/folder", "/bin/mkdir /tmp/folder"},
    {"Interpreted procs inbound network activity", "/tmp/python3 talk 203.0.113.9 8080",
     "/tmp/tool talk 203.0.113.9 8080"},
    {"Interpreted procs outbound network activity", "/tmp/python3 talk 203.0.113.9 8080",
     "/tmp/tool talk 203.0.113.9 8080"},
    {"Unexpected K8s NodePort Connection", "$T talk 203.0.113.9 31000",
     "$T talk 203.0.113.9 29999"},
    {"Create Hidden Files or Directories", "/bin/mkdir /tmp/.hidden", "/bin/mkdir /tmp/shown"},
    {"Detect outbound connections to common miner pool ports",
     "dns ask udp ca.minexmr.com; $T talk 203.0.113.80 3333", "$T talk 203.0.113.81 3333"},
    {"Detect crypto miners using the Stratum protocol", "/bin/true stratum+tcp://pool",
     "/bin/true pool"},
    {"Kubernetes Client Tool Launched in Container", "/s/kubectl", "/s/tool"},
    {"Container Drift Detected (chmod)", "/bin/chmod 755 /tmp/a/script",
     "/bin/chmod 644 /tmp/a/other"},
    {"Container Drift Detected (open+create)", "$T create /tmp/program",
     "/bin/cp /etc/hosts /tmp/x"},
    {"Sudo Potential Privilege Escalation", "/tmp/sudoedit -s '\\'", "/tmp/sudoedit -s x"},
    {"Unprivileged Delegation of Page Faults Handling to a Userspace Process",
     "$T as 1000 $T call faults", "$T call faults"},
    {"Polkit Local Privilege Escalation Vulnerability (CVE-2021-4034)", "/tmp/pkexec",
     "/tmp/pkexec id"},
    {"Decoding Payload in Container", "/bin/base64 -d /dev/null", "/bin/base64 /dev/null"},
    {"Basic Interactive Reconnaissance", "$T terminal /bin/whoami", "/bin/whoami"},
    {"Network Tool Executed During NPM Package Install", "/s/npm /s/nmap", "/s/make /s/nmap"},
    {"Known Cryptominer Process Executed", "/s/xmrig", "/s/tool"},
    {"Web Server Spawned Shell", "/s/nginx /bin/sh -c :", "/s/make /bin/sh -c :"},
    {"Web Server Spawned Suspicious Child Process", "/s/nginx /bin/id", "/s/make /bin/id"},
    {"Reverse Shell from Web Server", "/s/nginx /bin/true bash -i", "/s/nginx /bin/true bash"},
    {"Privileged Container Device Access", "/bin/cat /dev/sdx9", "/bin/cat /dev/null"},
    {"Container Access to Host Sensitive Paths", "/bin/cat /host/x", "/bin/cat /tmp/a/other"},
};

// How a container was started decides these: they fire in one that is privileged and has this
// machine's /etc, and are silent in a plain one, where the same is done.
inline const std::vector<std::string_view> kOfContainer = {
    "Launch Privileged Container",
    "Launch Excessively Capable Container",
    "Launch Sensitive Mount Container",
    "Debugfs Launched in Privileged Container",
};
// Every container of the tests starts as root: silent on the second process.
constexpr std::string_view kOfFirstProcess = "Container Run as Root User";

struct Untriggered {
  std::string_view rule, why;
};
inline const std::vector<Untriggered> kUntriggered = {
    {"Program run with disallowed http proxy env", "the environment of a process is not read"},
    {"Potential Local Privilege Escalation via Environment Variables Misuse",
     "the environment of a process is not read"},
    {"Network Connection outside Local Subnet", "asks for a member of a list that is empty"},
    {"User mgmt binaries", "about what happens outside of any container"},
    {"Launch Suspicious Network Tool on Host", "about what happens outside of any container"},
    {"Netcat/Socat Remote Code Execution on Host", "about what happens outside of any container"},
    {"Java Process Class File Download", "what is read from a socket is not looked at"},
    {"System user interactive",
     "runc's container keeps its files to itself: no user of it has a name"},
    {"Non sudo setuid", "runc's container keeps its files to itself: no user of it has a name"},
    {"Launch Disallowed Container", "asks for a container without an id"},
    {"Modify Container Entrypoint", "the kernel's own path of a file is never /proc/self/exe"},
};

}  // namespace picket::test
