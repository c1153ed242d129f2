#include "tests/bench/replay/rule_sets.h"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

namespace picket::bench {
namespace {

constexpr size_t kTen = 10;

// What rule authors write most: names of programs, arguments, parents, paths, addresses, ports,
// parts of command lines, exceptions to all of it.
constexpr auto kShapes = std::to_array<const char*>({
    "started and proc.name in (tool{0}, tool{0}-client, tool{0}d)",
    "started and proc.name = curl{0} and proc.args contains --proxy{0}",
    "evt.type = connect and fd.rport = {1} and not proc.name in (git, curl, pip)",
    "started and proc.exepath startswith /opt/vendor{0}/ and proc.pname = sh",
    "started and proc.pname in (nginx{0}, httpd{0}) and proc.name in (sh, bash)",
    "opened and evt.is_open_write = true and fd.name startswith /etc/service{0}/",
    "opened and evt.is_open_read = true and fd.name in (/etc/secret{0}, /root/.secret{0}) and not "
    "proc.name in (sshd, sudo, tool{0})",
    "started and container.id != host and proc.cmdline contains \"--mine-pool{0}\"",
    "opened and evt.is_open_write = true and fd.filename = unit{0}.service and not proc.pname = "
    "tool{0}",
    "evt.type = connect and fd.sip = \"203.0.{2}.{3}\"",
    "opened and fd.typechar = 'f' and fd.name endswith /.token{0}",
    "started and (proc.aname[2] in (server{0}, daemon{0}) or proc.pname = server{0}) and not "
    "proc.cmdline startswith \"sh -c tool{0}\"",
    "evt.type in (unlink, unlinkat, rename, renameat) and evt.arg.path startswith /var/log/app{0}",
    "evt.type in (chmod, fchmod, fchmodat) and evt.arg.mode contains S_ISUID and proc.name = "
    "tool{0}",
    "started and user.uid = 0 and proc.name = admin{0} and not proc.aname in (make, ninja)",
    "opened and fd.directory = /srv/data{0} and not proc.name in (backup{0})",
});

std::string generated(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    const std::string condition =
        fmt::format(fmt::runtime(kShapes[i % kShapes.size()]), i, 20'000 + i, i / 250, 1 + i % 250);
    text += fmt::format(
        "- rule: bench.rule_{0}\n  desc: Of the benchmark\n  condition: {1}\n"
        "  output: \"%proc.cmdline in %container.name\"\n  priority: NOTICE\n"
        "  exceptions:\n    - {{name: known, fields: [proc.name, proc.pname], values: [[ok{0}, "
        "init]]}}\n",
        i, condition);
  }
  return text;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RuleSet>> rule_set(const std::vector<RuleFile>& files) {
  LoadReport report;
  auto rules = compile_rule_files(files, report);
  if (!rules.ok()) return absl::InternalError(report.error_text());
  return std::shared_ptr<const RuleSet>(*std::move(rules));
}

absl::StatusOr<std::vector<RuleFile>> rule_files(size_t count) {
  if (count == 0) return std::vector<RuleFile>();
  std::vector<std::filesystem::path> paths{PICKET_SOURCE_DIR "/tests/bench/replay/ten_rules.yaml"};
  if (count > kTen) {
    paths.emplace_back(PICKET_SOURCE_DIR "/rules");
    paths.emplace_back(PICKET_SOURCE_DIR "/tests/records/falco/language.yaml");
    const char* upstream = std::getenv("PICKET_UPSTREAM_RULES");
    if (upstream != nullptr && *upstream != '\0') paths.emplace_back(upstream);
  }
  LoadReport report;
  std::vector<RuleFile> files = read_rule_files(paths, report);
  if (!report.errors.empty()) return absl::InternalError(report.error_text());
  const auto known = rule_set(files);
  if (!known.ok()) return known.status();
  const size_t have = (*known)->rules().size();
  if (have < count) files.push_back({"generated.yaml", generated(count - have)});
  return files;
}

}  // namespace picket::bench
