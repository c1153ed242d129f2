// Writes the first inputs of rule_fuzz: a file with every key, and conditions with every operator
// and kind of field.
#include <span>
#include <string_view>

#include "tests/fuzz/seeds.h"

namespace {

constexpr std::string_view kSeeds[] = {
    "- required_engine_version: 0.57.0\n- list: l\n  items: [a, \"b c\", 'd']\n- list: m\n  items: "
    "[l]\n"
    "- macro: x\n  condition: proc.name in (l, m)\n- rule: r\n  desc: d\n  why: >\n    because\n"
    "  condition: >\n    evt.type = execve and x\n    and not proc.pid = 1\n  output: \"%proc.name "
    "%(proc.aname[1])\"\n"
    "  priority: INFO\n  tags: [T1059]\n  enabled: true\n  source: syscall\n  respond: kill\n",
    "- macro: a\n  condition: b\n- macro: b\n  condition: \"not a or \\\"x\\\" \\n\"\n",
    "- rule: &r r\n  condition: 'proc.name = ''a'''\n  output: *r\n  priority: nonsense\n  "
    "priority: DEBUG\n",
    "proc.name = bash and (proc.pid >= 2 or not proc.aname[2] in (a, b)) and proc.exepath glob "
    "/*/b?[a-z]h",
    "proc.cmdline regex \"b.*h -c (id|ls)\" or proc.exepath pmatch (/usr/*/bash, /etc) or fd.snet "
    "in (10.0.0.0/8)",
    "evt.type in (execve, connect) and evt.num >= 0 and proc.stdin.remote_ip != ::1 and event.argv "
    "intersects (id)",
    "proc.name startswith b or proc.name startswith ba or proc.name = x or proc.name in (y) or "
    "workspace.label[k] exists",
    "thread.cap_effective icontains sys_admin and proc.exec_in = true and "
    "container.image.repository endswith w",
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int number = 0;
  for (const std::string_view seed : kSeeds) {
    picket::write_seed(std::filesystem::path(argv[1]) / ("seed" + std::to_string(number++)),
                       std::as_bytes(std::span(seed)));
  }
  return 0;
}
