# A person comes in by ssh: tmux, vim on sources and on dot files, a search. An editor's server that runs a terminal.
. "$(dirname "$0")/lib.sh"
seq 1 200 >notes.txt
ssh_server 2223
echo "tmux -S $PWD/tmux new-session -d -x 100 -y 30 bash; exit" |
  ssh -q -tt -p 2223 -o StrictHostKeyChecking=accept-new 127.0.0.1 >login.log
trap 'kill $sshd; tmux -S "$HOME/work/editor/tmux" kill-server' EXIT
tell() { tmux -S "$PWD/tmux" send-keys "$1" Enter; }
tell "cd $PWD && vim -u NONE -c '%s/1/one/g' -c wq notes.txt; touch edited"
until_true test -e edited
grep -q one notes.txt
tell "vim -u NONE -c 'normal Oexport EDITOR=vim' -c wq ~/.bashrc; touch dotfile"
until_true test -e dotfile
grep -q EDITOR=vim ~/.bashrc
tell "rg -l export ~ ; env | sort | head; history | grep vim; top -b -n 1 | head; ps aux; touch looked"
until_true test -e looked
tmux -S "$PWD/tmux" split-window "bash -lc 'id; touch $PWD/split'"
until_true test -e split
# The editor's server: it accepts its user's connection and runs a terminal for it.
cat >server.py <<'TEXT'
import os, pty, select, socket, sys
listener = socket.create_server(("127.0.0.1", 8003))
open("listening", "w").close()
user, _ = listener.accept()
pid, terminal = pty.fork()
if pid == 0:
    os.execv("/bin/bash", ["bash", "-i"])
while True:
    ready, _, _ = select.select([user, terminal], [], [])
    try:
        data = os.read(ready[0].fileno() if ready[0] is user else terminal, 4096)
    except OSError:
        break
    if not data:
        break
    os.write(terminal if ready[0] is user else user.fileno(), data)
os.waitpid(pid, 0)
TEXT
python3 server.py &
until_true test -e listening
python3 - <<'TEXT'
import socket
user = socket.create_connection(("127.0.0.1", 8003))
user.sendall(b"echo from the terminal; exit\n")
said = b""
while chunk := user.recv(4096):
    said += chunk
assert said.count(b"from the terminal") >= 2, said  # as typed, and as answered
TEXT
wait $!
