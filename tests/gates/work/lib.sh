# What the work scripts share. SCALE (1) is how much of everything; every script works in a folder of its own below $HOME
# and ends with a status that says whether the tools did their work.
set -euo pipefail
: "${SCALE:=1}"
mkdir -p "$HOME/work/$(basename "$0" .sh)"
cd "$HOME/work/$(basename "$0" .sh)"

# Until a condition holds that raises nothing one could wait for; a minute at most.
until_true() {
  local tries=0
  until "$@" >/dev/null 2>&1; do
    [ $((tries += 1)) -lt 600 ] || { echo "never: $*" >&2 && return 1; }
    sleep 0.1
  done
}

# An ssh server of one's own at a port of loopback, with a key that opens it; it ends with the script.
ssh_server() { # PORT
  mkdir -p "$HOME/.ssh" server
  chmod 700 "$HOME/.ssh"
  [ -e "$HOME/.ssh/id_ed25519" ] || ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
  ssh-keygen -q -t ed25519 -N '' -f server/host_key
  cp "$HOME/.ssh/id_ed25519.pub" server/authorized
  /usr/sbin/sshd -f /dev/null -h "$PWD/server/host_key" -p "$1" -o ListenAddress=127.0.0.1 -o UsePAM=no \
    -o PidFile="$PWD/server/pid" -o AuthorizedKeysFile="$PWD/server/authorized" -o StrictModes=no -E "$PWD/server/log"
  until_true test -s server/pid
  sshd=$(cat server/pid)
  trap 'kill $sshd' EXIT
}

c_project() { # FOLDER FILES: a program of so many files, with a test, built by cmake
  mkdir -p "$1"
  local i
  for i in $(seq "$2"); do
    printf '#include <map>\n#include <string>\nint f%d(int n) { std::map<std::string, int> m; while (n-- > 0) m[std::to_string(n %% 97)] += n; return (int)m.size(); }\n' "$i" >"$1/f$i.cpp"
  done
  {
    for i in $(seq "$2"); do echo "int f$i(int);"; done
    echo 'int main(int argc, char**) { int sum = argc - 1;'
    for i in $(seq "$2"); do echo "  sum += f$i(5000);"; done
    echo '  return sum == 0; }'
  } >"$1/main.cpp"
  cat >"$1/CMakeLists.txt" <<'TEXT'
cmake_minimum_required(VERSION 3.25)
project(work CXX)
enable_testing()
file(GLOB sources *.cpp)
add_executable(work ${sources})
add_test(NAME work COMMAND work)
TEXT
}
