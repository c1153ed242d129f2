// Fields that rules in Falco's language may name and that no event here fills: they are accepted,
// whatever operator and argument stands beside them, and never have a value. Loading says so, by
// rule, with the reason.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

struct Group {
  std::string_view gap;
  std::vector<std::string_view> names;
};

const std::vector<Group>& groups() {
  static const std::vector<Group> kGroups{
      {"calls are told once, at their end",
       {"evt.latency", "evt.latency.s", "evt.latency.ns", "evt.latency.quantized",
        "evt.latency.human", "evt.deltatime", "evt.deltatime.s", "evt.deltatime.ns",
        "evt.outputtime", "evt.is_wait", "evt.wait_latency"}},
      {"what is read and written is not looked at",
       {"evt.buffer", "evt.buflen", "evt.buflen.in", "evt.buflen.out", "evt.buflen.file",
        "evt.buflen.file.in", "evt.buflen.file.out", "evt.buflen.net", "evt.buflen.net.in",
        "evt.buflen.net.out", "evt.is_io", "evt.is_io_read", "evt.is_io_write", "evt.io_dir",
        "evt.is_syslog"}},
      {"it is about a program that reads events, not about what happened",
       {"evt.around",
        "evt.cpu",
        "evt.info",
        "evt.category",
        "evt.hostname",
        "evt.plugininfo",
        "evt.pluginname",
        "evt.asynctype",
        "evt.is_async",
        "evt.type.is",
        "evt.datetime",
        "evt.datetime.s",
        "evt.time.s",
        "evt.time.iso8601",
        "evt.rawtime.s",
        "evt.rawtime.ns",
        "evt.reltime",
        "evt.reltime.s",
        "evt.reltime.ns",
        "evt.count.error",
        "evt.count.error.file",
        "evt.count.error.net",
        "evt.count.error.memory",
        "evt.count.error.other",
        "evt.count.exit",
        "evt.count.procinfo",
        "evt.count.threadinfo",
        "evt.infra.docker.name",
        "evt.infra.docker.container.id",
        "evt.infra.docker.container.name",
        "evt.infra.docker.container.image",
        "util.cnt"}},
      {"arguments are known by name, to the calls that have them",
       {"evt.arg", "evt.rawarg", "evt.abspath", "evt.abspath.src", "evt.abspath.dst"}},
      {"the environment of a process is not read", {"proc.env", "proc.aenv"}},
      {"it is a state that no event tells",
       {"proc.fdopencount",
        "proc.fdlimit",
        "proc.fdusage",
        "proc.nchilds",
        "proc.nthreads",
        "proc.vmsize",
        "proc.vmrss",
        "proc.vmswap",
        "proc.loginshellid",
        "proc.vpgid",
        "proc.vpgid.name",
        "proc.vpgid.exe",
        "proc.vpgid.exepath",
        "proc.pid.ts",
        "proc.ppid.ts",
        "proc.pidns_init_start_ts",
        "proc.is_exe_writable",
        "proc.exe_ino.mtime",
        "proc.exe_ino.ctime_duration_proc_start",
        "proc.exe_ino.ctime_duration_pidns_start",
        "proc.stdin.name",
        "proc.stdin.type",
        "proc.stdout.name",
        "proc.stdout.type",
        "proc.stderr.name",
        "proc.stderr.type",
        "thread.cap_inheritable",
        "thread.cgroup",
        "thread.cgroups",
        "thread.vtid",
        "thread.nametid",
        "thread.cpu",
        "thread.cpu.user",
        "thread.cpu.system",
        "thread.exectime",
        "thread.totexectime",
        "thread.vmsize",
        "thread.vmsize.b",
        "thread.vmrss",
        "thread.vmrss.b",
        "thread.pfmajor",
        "thread.pfminor",
        "user.homedir",
        "user.shell",
        "fd.containername",
        "fd.containerdirectory",
        "fd.proto",
        "fd.cproto",
        "fd.sproto",
        "fd.lproto",
        "fd.rproto",
        "fd.dev.major",
        "fd.dev.minor",
        "fd.types",
        "fdlist.nums",
        "fdlist.names",
        "fdlist.cips",
        "fdlist.sips",
        "fdlist.cports",
        "fdlist.sports"}},
      {"names are those that the workspace asked DNS for, of peers", {"fd.lip.name"}},
      {"the runtime is not asked for it",
       {"container.image.id", "container.healthcheck", "container.liveness_probe",
        "container.readiness_probe", "container.start_ts", "container.duration", "container.ip",
        "container.cni.json", "container.host_pid", "container.host_network", "container.host_ipc",
        "container.is_pod_sandbox", "proc.is_container_healthcheck",
        "proc.is_container_liveness_probe", "proc.is_container_readiness_probe",
        "k8s.pod.full_sandbox_id", "k8s.pod.sandbox_id", "k8s.pod.ip", "k8s.pod.cni.json"}},
      {"the API server is not asked for it",
       {"k8s.ns.id",
        "k8s.ns.label",
        "k8s.ns.labels",
        "k8s.rc.name",
        "k8s.rc.id",
        "k8s.rc.label",
        "k8s.rc.labels",
        "k8s.svc.name",
        "k8s.svc.id",
        "k8s.svc.label",
        "k8s.svc.labels",
        "k8s.rs.name",
        "k8s.rs.id",
        "k8s.rs.label",
        "k8s.rs.labels",
        "k8s.deployment.name",
        "k8s.deployment.id",
        "k8s.deployment.label",
        "k8s.deployment.labels",
        "k8smeta.pod.name",
        "k8smeta.pod.uid",
        "k8smeta.pod.label",
        "k8smeta.pod.labels",
        "k8smeta.pod.ip",
        "k8smeta.ns.name",
        "k8smeta.ns.uid",
        "k8smeta.ns.label",
        "k8smeta.ns.labels",
        "k8smeta.deployment.name",
        "k8smeta.deployment.uid",
        "k8smeta.deployment.label",
        "k8smeta.deployment.labels",
        "k8smeta.svc.name",
        "k8smeta.svc.uid",
        "k8smeta.svc.label",
        "k8smeta.svc.labels",
        "k8smeta.rs.name",
        "k8smeta.rs.uid",
        "k8smeta.rs.label",
        "k8smeta.rs.labels",
        "k8smeta.rc.name",
        "k8smeta.rc.uid",
        "k8smeta.rc.label",
        "k8smeta.rc.labels"}},
  };
  return kGroups;
}

// Arguments of calls that are not watched, or that are watched for something else.
constexpr auto kArguments = std::to_array<std::string_view>({
    "addr",     "args",       "argv",     "backlog",   "cgroups",  "clockid",  "comm",
    "cpu",      "cwd",        "data",     "dev",       "dirfd",    "env",      "error",
    "euid",     "event_type", "exe",      "fd1",       "fd2",      "fd_in",    "fd_out",
    "fdlimit",  "fds",        "gid",      "how",       "in_fd",    "ino",      "interval",
    "key",      "len",        "length",   "linkdirfd", "mask",     "max",      "msgcontrol",
    "newcur",   "newdir",     "newdirfd", "newfd",     "newmax",   "nsems",    "nsops",
    "offset",   "oldcur",     "olddir",   "olddirfd",  "oldfd",    "oldmax",   "op",
    "opcode",   "operation",  "optname",  "out_fd",    "pathname", "peer",     "pgid",
    "pos",      "ppid",       "prot",     "proto",     "ptid",     "queuelen", "queuemax",
    "queuepct", "ratio",      "res",      "resolve",   "resource", "ret",      "rgid",
    "root",     "ruid",       "semid",    "sgid",      "sid",      "sigmask",  "size",
    "source",   "special",    "status",   "suid",      "tid",      "timeout",  "trusted_exepath",
    "tty",      "tuple",      "type",     "uargs",     "val",      "vm_rss",   "vm_size",
    "vm_swap",  "vpid",       "vtid",     "whence",
});
constexpr std::string_view kNotTold = "no event here tells this argument";

}  // namespace

std::span<const Field> absent_fields() {
  static const auto kFields = [] {
    // Names of fields are views: these live as long as the program.
    static std::vector<std::string> names;
    std::vector<Field> fields;
    const auto add = [&](std::string_view name, std::string_view gap) {
      Field field{name, FieldType::text, "Accepted; never has a value", nullptr};
      field.argument = Argument::anything;
      field.events = 0;
      field.gap = gap;
      fields.push_back(field);
    };
    for (const Group& group : groups())
      for (const std::string_view name : group.names) add(name, group.gap);
    const std::span<const Field> told = system_fields();
    names.reserve(kArguments.size());
    for (const std::string_view argument : kArguments) {
      names.push_back("evt.arg." + std::string(argument));
      if (std::ranges::count(told, names.back(), &Field::name) == 0) add(names.back(), kNotTold);
    }
    return fields;
  }();
  return kFields;
}

}  // namespace picket::rule
