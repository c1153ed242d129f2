// Records what a developer does in a real container, told as fully as rules that ask for files make
// the kernel tell it: git, npm, an editor's worth of small files, a cmake build.
#include <fmt/format.h>

#include "tests/bench/suite/stage.h"
#include "tests/support/container.h"
#include "tests/support/http.h"

namespace picket::bench {
namespace {

constexpr const char* kWork = R"(
export HOME=/tmp PATH=/usr/local/bin:/usr/bin:/bin
mkdir /tmp/source && cd /tmp/source && git init -q
for file in $(seq 12); do seq $file > $file.txt; done
git add . && git -c user.name=dev -c user.email=dev@localhost commit -qm files
git clone -q /tmp/source /tmp/clone && cd /tmp/clone
echo more >> 3.txt && git status --short && git diff | wc -l && git log --stat | wc -l
mkdir -p /tmp/packages/p1/package /tmp/app && cd /tmp/packages
echo 'exports.value = 1' > p1/package/index.js
echo '{"name": "p1", "version": "1.0.0"}' > p1/package/package.json
tar -czf p1.tgz -C p1 package
echo '{"name": "app", "version": "1.0.0", "dependencies": {"p1": "file:/tmp/packages/p1.tgz"}}' > /tmp/app/package.json
cd /tmp/app && npm install --offline --no-audit --no-fund --cache /tmp/npm-cache
mkdir /tmp/project && cd /tmp/project
echo 'int f() { return 0; }' > f.cpp
echo 'int f(); int main() { return f(); }' > main.cpp
printf 'cmake_minimum_required(VERSION 3.20)\nproject(p CXX)\nadd_executable(p main.cpp f.cpp)\n' > CMakeLists.txt
cmake -S . -B build && cmake --build build && build/p
grep -rl value /tmp/app | sort | head -3
find /tmp/project -name '*.o' | xargs ls -l
)";

}  // namespace

absl::Status record_work(const std::string& file) {
  auto rules = test::read_file(PICKET_SOURCE_DIR "/tests/records/falco/language.yaml");
  if (!rules.ok()) return rules.status();
  auto ten = test::read_file(PICKET_SOURCE_DIR "/tests/bench/replay/ten_rules.yaml");
  if (!ten.ok()) return ten.status();
  auto stage = Stage::set_up(container_id(), {.rules = *rules + *ten, .recording = file});
  if (!stage.ok()) return stage.status();
  if (auto status = (*stage)->deployment().start_agent(); !status.ok()) return status;
  auto container = test::Container::run_new(
      (*stage)->sandbox(), {.binds = {"/usr", "/lib", "/lib64", "/etc/alternatives"}});
  if (!container.ok()) return container.status();
  const auto done = (*container)->run({"sh", "-ec", kWork});
  if (!done.ok()) return done.status();
  if (done->exit_code != 0) {
    return absl::InternalError(
        fmt::format("the work: exit status {}: {}", done->exit_code, done->out.substr(0, 2000)));
  }
  return (*stage)->deployment().stop_agent();
}

}  // namespace picket::bench
