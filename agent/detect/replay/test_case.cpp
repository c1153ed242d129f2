#include "agent/detect/replay/test_case.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "agent/detect/replay/test_records.h"
#include "agent/detect/rule/waiver_reader.h"
#include "agent/detect/rule/yaml_documents.h"
#include "agent/detect/rule/yaml_item.h"

namespace picket {
namespace {

using rule::SourceFile;
using rule::SourceText;
using rule::YamlItem;

class CaseReader {
 public:
  CaseReader(std::shared_ptr<const SourceFile> file, LoadReport& report)
      : file_(std::move(file)), report_(report) {}

  void read(const YAML::Node& document, std::vector<TestCase>& cases) {
    if (!document.IsSequence()) {
      fail(document.Mark(), "a list of cases expected: '- name: WHAT HAPPENS'");
      return;
    }
    for (const YAML::Node& node : document) {
      const size_t errors = report_.errors.size();
      TestCase test = read_case(node);
      if (report_.errors.size() == errors) cases.push_back(std::move(test));
    }
  }

 private:
  TestCase read_case(const YAML::Node& node) {
    TestCase test;
    if (!node.IsMap()) {
      fail(node.Mark(), "a mapping expected with name, events and expect");
      return test;
    }
    YamlItem item(node, file_, report_);
    item.allow({"name", "why", "workspace", "peer", "date", "events", "recording", "expect"});
    SourceText name, recording;
    if (item.read_name("name", name)) test.name = name.value;
    test.file = file_->name;
    test.line = node.Mark().line + 1;
    read_workspace(item.value("workspace"), test.workspace);
    read_workspace(item.value(item.has("peer") ? "peer" : "workspace"), test.peer);
    read_date(item, test);
    if (item.has("recording") == item.has("events")) {
      fail(node.Mark(), "either 'events' or 'recording' expected");
    } else if (item.has("events")) {
      read_events(item.value("events"), test);
    } else if (item.read("recording", recording)) {
      test.recording = std::filesystem::path(file_->name).parent_path() / recording.value;
    }
    read_expect(item, test.expect);
    return test;
  }

  void read_date(YamlItem& item, TestCase& test) {
    SourceText date;
    if (!item.has("date") || !item.read("date", date)) return;
    const auto wall_ns = rule::parse_end_ns(date.value);
    if (!wall_ns || date.value.find('T') == date.value.npos) {
      item.fail(date, "a time expected, as in 2026-12-31T18:00:00Z");
    } else {
      test.wall_minus_boot_ns = *wall_ns - TestRecords::kFirstTimeNs;
    }
  }

  void read_workspace(const YAML::Node& node, Workspace& workspace) {
    workspace.id = workspace.container_id = "0123456789abcdef";
    workspace.name = "workspace";
    workspace.image = "image:latest";
    workspace.image_source = "annotation";
    workspace.cgroup = "/workspace";
    workspace.runtime = "runc";
    if (!node.IsDefined()) return;
    if (!node.IsMap()) return fail(node.Mark(), "a mapping expected for 'workspace'");
    YamlItem item(node, file_, report_);
    item.allow({"id",           "name",       "container_id", "image",   "image_source",
                "image_digest", "cgroup",     "runtime",      "labels",  "owner",
                "template",     "repository", "pull_request", "profile", "pod",
                "privileged",   "mounts",     "posture",      "users",   "groups"});
    const std::pair<std::string_view, std::string*> texts[] = {
        {"id", &workspace.id},
        {"name", &workspace.name},
        {"image", &workspace.image},
        {"container_id", &workspace.container_id},
        {"cgroup", &workspace.cgroup},
        {"image_source", &workspace.image_source},
        {"runtime", &workspace.runtime},
        {"image_digest", &workspace.image_digest},
        {"owner", &workspace.owner},
        {"template", &workspace.template_name},
        {"repository", &workspace.repository},
        {"pull_request", &workspace.pull_request},
        {"profile", &workspace.profile},
    };
    for (const auto& [key, value] : texts) {
      SourceText text;
      if (item.has(key) && item.read(key, text)) *value = text.value;
    }
    read_labels(item.value("labels"), workspace.labels);
    read_pod(item.value("pod"), workspace.pod);
    if (bool privileged = false; item.has("privileged") && item.read("privileged", privileged)) {
      workspace.privileged = privileged;
    }
    read_mounts(item.value("mounts"), workspace.mounts);
    if (item.has("posture")) read_posture(item.value("posture"), workspace.posture.emplace());
    read_names(item.value("users"), workspace.users);
    read_names(item.value("groups"), workspace.groups);
  }

  void read_mounts(const YAML::Node& node, std::vector<Mount>& mounts) {
    if (!node.IsDefined()) return;
    for (const YAML::Node& one : node) {
      if (!one.IsMap()) return fail(one.Mark(), "a mapping expected with source and destination");
      YamlItem item(one, file_, report_);
      item.allow({"source", "destination", "mode", "writable", "propagation"});
      Mount& mount = mounts.emplace_back();
      const std::pair<std::string_view, std::string*> texts[] = {
          {"source", &mount.source},
          {"destination", &mount.destination},
          {"mode", &mount.mode},
          {"propagation", &mount.propagation}};
      for (const auto& [key, value] : texts) {
        SourceText text;
        if (item.has(key) && item.read(key, text)) *value = text.value;
      }
      item.read("writable", mount.writable);
    }
  }

  // What is left out is as it should be.
  void read_posture(const YAML::Node& node, Posture& posture) {
    if (!node.IsMap()) return fail(node.Mark(), "a mapping expected for 'posture'");
    YamlItem item(node, file_, report_);
    item.allow(
        {"host_pid", "host_network", "root", "no_seccomp", "added_capabilities", "host_mounts"});
    item.read("host_pid", posture.host_pid);
    item.read("host_network", posture.host_network);
    item.read("root", posture.root);
    item.read("no_seccomp", posture.no_seccomp);
    for (const auto& [key, list] : {std::pair("added_capabilities", &posture.added_capabilities),
                                    std::pair("host_mounts", &posture.host_mounts)}) {
      if (item.has(key))
        item.read_items(
            key, [&, list = list](const SourceText& text, bool) { list->push_back(text.value); });
    }
  }

  // {1000: dev}
  void read_names(const YAML::Node& node, Names& names) {
    for (const auto& [key, value] : fields_of(node, "")) {
      uint32_t id = 0;
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
      const bool number = error == std::errc() && end == key.data() + key.size();
      if (!number || !value.IsScalar()) return fail(value.Mark(), "ID: NAME expected");
      names[id] = value.Scalar();
    }
  }

  void read_labels(const YAML::Node& node, Labels& labels) {
    for (const auto& [key, value] : fields_of(node, "")) {
      labels[key] = value.IsScalar() ? value.Scalar() : "";
    }
  }

  void read_pod(const YAML::Node& node, Pod& pod) {
    if (!node.IsDefined()) return;
    if (!node.IsMap()) return fail(node.Mark(), "a mapping expected for 'pod'");
    YamlItem item(node, file_, report_);
    item.allow({"name", "namespace", "uid", "labels", "annotations"});
    const std::pair<std::string_view, std::string*> texts[] = {
        {"name", &pod.name}, {"namespace", &pod.ns}, {"uid", &pod.uid}};
    for (const auto& [key, value] : texts) {
      SourceText text;
      if (item.has(key) && item.read(key, text)) *value = text.value;
    }
    read_labels(item.value("labels"), pod.labels);
    read_labels(item.value("annotations"), pod.annotations);
  }

  void read_events(const YAML::Node& node, TestCase& test) {
    if (!node.IsSequence()) return fail(node.Mark(), "a list of events expected");
    TestRecords records;
    for (const YAML::Node& event : node) read_event(event, records);
    test.records = records.take();
  }

  void read_event(const YAML::Node& node, TestRecords& records) {
    if (!node.IsMap()) return fail(node.Mark(), "a mapping expected that starts with 'event'");
    std::string type, process = "process", parent, at;
    std::vector<std::pair<std::string, YAML::Node>> fields;
    for (auto& [key, value] : fields_of(node, "")) {
      std::string* own = key == "event"     ? &type
                         : key == "process" ? &process
                         : key == "parent"  ? &parent
                         : key == "at"      ? &at
                                            : nullptr;
      if (own == nullptr) {
        fields.emplace_back(std::move(key), value);
      } else if (value.IsScalar()) {
        *own = value.Scalar();
      }
    }
    if (const absl::Status begun = records.begin(type, process, parent); !begun.ok()) {
      return fail(node.Mark(), std::string(begun.message()));
    }
    if (!at.empty()) {
      if (const absl::Status set = records.set_time(at); !set.ok())
        fail(node.Mark(), std::string(set.message()));
    }
    for (const auto& [field, value] : fields) {
      const absl::Status set = value.IsScalar() ? records.set(field, value.Scalar())
                                                : records.set(field, items_of(value));
      if (!set.ok()) fail(value.Mark(), std::string(set.message()));
    }
    records.end();
  }

  static std::vector<std::string> items_of(const YAML::Node& list) {
    std::vector<std::string> items;
    for (const YAML::Node& item : list) items.push_back(item.IsScalar() ? item.Scalar() : "");
    return items;
  }

  // The fields of a mapping; those of a mapping inside it as OUTER.INNER, a word in its place as
  // OUTER.kind (fd0: tty).
  std::vector<std::pair<std::string, YAML::Node>> fields_of(const YAML::Node& map,
                                                            const std::string& prefix) {
    std::vector<std::pair<std::string, YAML::Node>> fields;
    if (!map.IsDefined() || !map.IsMap()) return fields;
    std::set<std::string> seen;
    for (const auto& entry : map) {
      const YAML::Node key = entry.first, value = entry.second;
      const std::string name = prefix + (key.IsScalar() ? key.Scalar() : "");
      if (!seen.insert(name).second) {
        fail(key.Mark(), fmt::format("key '{}' stands twice in this mapping", name));
      } else if (value.IsMap()) {
        for (auto& inner : fields_of(value, name + ".")) fields.push_back(std::move(inner));
      } else if (value.IsScalar() && is_descriptor(name)) {
        fields.emplace_back(name + ".kind", value);
      } else {
        fields.emplace_back(name, value);
      }
    }
    return fields;
  }

  static bool is_descriptor(std::string_view name) {
    return name == "fd0" || name == "fd1" || name == "fd2" || name == "proc.stdin" ||
           name == "proc.stdout" || name == "proc.stderr";
  }

  void read_expect(YamlItem& item, Expectation& expect) {
    const YAML::Node node = item.value("expect");
    const YAML::Mark mark = node.IsDefined() ? node.Mark() : item.mark();
    if (node.IsDefined() && node.IsSequence()) {
      for (const std::string& rule : items_of(node)) expect.rules[rule] = 1;
      return;
    }
    if (node.IsDefined() && node.IsMap()) {
      for (const auto& [rule, value] : fields_of(node, "")) {
        const auto count = count_of(value);
        if (!count) return fail(value.Mark(), "a number of alerts expected");
        expect.rules[rule] = *count;
      }
      return;
    }
    const std::string word = node.IsDefined() && node.IsScalar() ? node.Scalar() : "";
    expect.all = word == "hit";
    if (word != "hit" && word != "miss") {
      fail(mark, "'expect' is hit, miss, a list of rules, or a mapping of rules to alerts");
    }
  }

  static std::optional<uint64_t> count_of(const YAML::Node& node) {
    const std::string text = node.IsScalar() ? node.Scalar() : "";
    uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size() || count == 0) return {};
    return count;
  }

  void fail(const YAML::Mark& mark, std::string message) {
    report_.errors.push_back({file_->name, mark.line + 1, mark.column + 1, std::move(message)});
  }

  std::shared_ptr<const SourceFile> file_;
  LoadReport& report_;
};

}  // namespace

std::vector<TestCase> read_test_cases(const std::filesystem::path& path, LoadReport& report) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream.is_open()) {
    report.errors.push_back({path.string(), 0, 0, "cannot be read"});
    return {};
  }
  const auto file = std::make_shared<const SourceFile>(
      SourceFile{path.string(), std::string{std::istreambuf_iterator<char>(stream), {}}});
  std::vector<TestCase> cases;
  CaseReader reader(file, report);
  rule::for_each_document(*file, report,
                          [&](const YAML::Node& document) { reader.read(document, cases); });
  return cases;
}

}  // namespace picket
