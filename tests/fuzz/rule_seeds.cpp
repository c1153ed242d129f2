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
    "- rule: r\n  desc: d\n  condition: evt.type = execve\n  output: \"*%8proc.name "
    "%toupper(proc.aname[2]) %container.info\"\n  priority: INFO\n  exceptions:\n    - name: e\n   "
    "   "
    "fields: [proc.name, proc.pname]\n      comps: [in, startswith anyof]\n      values:\n        "
    "- "
    "[[a, b], \"(c, d)\"]\n    - name: f\n      fields: proc.exepath\n      comps: pmatch\n      "
    "values: "
    "[/usr, l]\n- rule: r\n  append: true\n  condition: and not x\n  exceptions:\n    - name: f\n  "
    "    "
    "values: [/b]\n- rule: r\n  override: {condition: append, tags: replace}\n  condition: or "
    "evt.num >= 0\n  tags: [t]\n- rule: r\n  enabled: false\n- list: l\n  items: [z]\n- list: l\n  "
    "items: [y]\n  override: {items: append}\n",
    "- required_plugin_versions:\n    - name: container\n      version: 0.4.0\n      alternatives: "
    "[{name: x, version: 1.2.3}]\n- rule: k\n  source: k8s_audit\n  condition: ka.verb = x\n  "
    "output: "
    "o\n  priority: INFO\n- rule: s\n  skip-if-unknown-filter: true\n  warn_evttypes: false\n  "
    "condition: no.field = 1 or m\n  output: o\n  priority: INFO\n- macro: m\n  condition: "
    "no.other exists\n",
    "- list: a\n  items: &a [b, c]\n- list: d\n  items: *a\n- macro: &m m\n  condition: &c "
    "proc.name in "
    "(a)\n- macro: n\n  condition: *c\n- rule: *m\n  condition: *c\n  output: *m\n  priority: "
    "DEBUG\n",
    "- list: a\n  items: [[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]\n- macro: m\n  condition: "
    "((((((((((((not not not evt.num=0))))))))))))\n",
    "- x: &a [l,l,l,l,l]\n  y: &b [*a,*a,*a,*a]\n  z: &c [*b,*b,*b,*b]\n- list: q\n  items: *c\n",
    "tolower(proc.name) = val(proc.pname) and len(basename(proc.exepath)) > 3 and proc.cmdline "
    "contains "
    "allof (a, b) or proc.name != oneof (x, y) and proc.exepath iglob /U*/B and proc.name "
    "bcontains 6173",
    "proc.env[HOME] icontains x or container.mount.dest[/proc*] in (\"N/A\") or user.name != root "
    "or "
    "join(\",\", (proc.name)) = x or k8s.pod.label.app-name exists",
    "proc.cmdline regex \"((a{100}){5}|b+)*[^c-z]{3,60}(?i:x)?\" or proc.name regex '(x+x+)+y'",
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
