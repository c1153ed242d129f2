// The shape of the house: who may include whom, how long a file may be, what every file must or
// must not hold.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = PICKET_SOURCE_DIR;
constexpr size_t kMaxLines = 450;

struct Source {
  std::string path;  // from the root
  std::string text;
};

std::vector<Source> sources(const std::set<std::string>& extensions) {
  std::vector<Source> found;
  for (const char* top :
       {"agent", "bpf", "collector", "common", "tests", "proto", "packaging", "rules", "deploy"}) {
    if (!fs::exists(kRoot / top)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kRoot / top)) {
      if (!entry.is_regular_file() || !extensions.contains(entry.path().extension())) continue;
      std::ifstream in(entry.path());
      std::stringstream text;
      text << in.rdbuf();
      found.push_back({fs::relative(entry.path(), kRoot).string(), text.str()});
    }
  }
  return found;
}

// What the command says, and its exit status.
int run(const std::string& command, std::string& said) {
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return -1;
  std::array<char, 4096> part{};
  while (const size_t length = fread(part.data(), 1, part.size(), pipe))
    said.append(part.data(), length);
  return pclose(pipe);
}

// "agent/detect/rule/x.h" -> "agent/detect"; "collector/store/x.h" -> "collector"; "common/x.h" ->
// "common".
std::string folder_of(const std::string& path) {
  const std::string top = path.substr(0, path.find('/'));
  if (top == "bpf") return "bpf";
  if (top != "agent") return top;
  const size_t second = path.find('/', 6);
  return second == std::string::npos ? "agent" : path.substr(0, second);
}

const std::map<std::string, std::set<std::string>>& arrows() {
  static const std::map<std::string, std::set<std::string>> kArrows = [] {
    std::map<std::string, std::set<std::string>> may;
    std::set<std::string> below{"common", "bpf"};
    for (const char* folder :
         {"agent/event", "agent/sensor", "agent/enrich", "agent/detect", "agent/respond"}) {
      below.insert(folder);
      may[folder] = below;
    }
    may["agent/enrich"].insert({"runtime", "containerd"});  // the published interfaces of runtimes
    may["bpf"] = {"bpf"};
    may["common"] = {"common", "picket"};
    may["agent/spool"] = {"common", "picket", "agent/spool"};
    may["agent/uplink"] = {"common", "picket", "agent/spool", "agent/uplink"};
    may["agent/app"] = below;
    may["agent/app"].insert({"agent/spool", "agent/uplink", "agent/app", "picket"});
    may["agent"] = may["agent/app"];
    may["collector"] = {"common", "picket", "collector"};
    return may;
  }();
  return kArrows;
}

// picketctl tests, explains, replays and signs rules with the agent's own engine:
// docs/decisions/0001-rule-tool.md.
bool is_rule_tool(const std::string& path) {
  return path.starts_with("collector/cli/rules_") || path.starts_with("collector/cli/policy_");
}

TEST(House, IncludesFollowTheDataFlow) {
  const std::regex include(R"re(#include "([a-z_]+/[^"]+)")re");
  size_t checked = 0;
  for (const Source& source : sources({".h", ".cpp", ".c"})) {
    const auto allowed = arrows().find(folder_of(source.path));
    if (allowed == arrows().end()) continue;  // tests may include everything
    for (std::sregex_iterator it(source.text.begin(), source.text.end(), include), end; it != end;
         ++it) {
      const std::string target = folder_of((*it)[1].str());
      ++checked;
      if (target == "absl" || target == "google")
        continue;  // libraries that are included by quotes
      if (is_rule_tool(source.path) && target.starts_with("agent/")) continue;
      EXPECT_TRUE(allowed->second.contains(target))
          << source.path << " includes " << (*it)[1] << ", which stands later in the data flow";
    }
  }
  EXPECT_GT(checked, 100U);
}

TEST(House, GrpcHeadersStayWhereTheyAreNeeded) {
  for (const Source& source : sources({".h", ".cpp"})) {
    const bool has_grpc = source.text.find("#include <grpc") != std::string::npos ||
                          source.text.find(".grpc.pb.h\"") != std::string::npos;
    if (!has_grpc) continue;
    const bool allowed = source.path.starts_with("common/tls") ||
                         source.path.starts_with("agent/uplink/stream") ||
                         source.path == "agent/enrich/runtime_api.cpp" ||
                         source.path.starts_with("collector/") || source.path.starts_with("tests/");
    EXPECT_TRUE(allowed) << source.path << " includes gRPC's headers, which are slow to compile";
  }
}

TEST(House, FilesAreShort) {
  for (const Source& source : sources({".h", ".cpp", ".c"})) {
    const auto lines =
        static_cast<size_t>(std::count(source.text.begin(), source.text.end(), '\n'));
    if (source.path == "bpf/kernel.h") continue;
    EXPECT_LE(lines, kMaxLines) << source.path << ": split it";
  }
}

// Only the formatter that `make fmt` means: another version breaks other lines.
TEST(House, NothingIsLeftToFormat) {
  std::string version, complaints;
  run("clang-format --version 2>&1", version);
  if (version.find("version 14.") == std::string::npos) {
    const char* ci = std::getenv("CI");
    ASSERT_FALSE(ci != nullptr && std::string(ci) == "true") << "must run here: " << version;
    GTEST_SKIP() << "clang-format 14 is not installed: " << version;
  }
  std::string command = "cd '" + kRoot.string() + "' && clang-format --dry-run -Werror";
  for (const Source& source : sources({".h", ".cpp", ".c"}))
    if (source.path != "bpf/kernel.h") command += " " + source.path;
  EXPECT_EQ(run(command + " 2>&1", complaints), 0) << "make fmt\n" << complaints;
}

TEST(House, EveryHeaderSaysWhatItIsFor) {
  for (const Source& source : sources({".h"})) {
    if (source.path.starts_with("tests/")) continue;
    const bool has_comment = source.text.starts_with("//") || source.text.starts_with("/*");
    EXPECT_TRUE(has_comment) << source.path
                             << " opens without saying its purpose, owner and errors";
  }
}

TEST(House, BpfObjectsAreDualLicensed) {
  size_t programs = 0;
  for (const Source& source : sources({".c"})) {
    if (!source.path.starts_with("bpf/")) continue;
    EXPECT_NE(source.text.find("SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0"),
              std::string::npos)
        << source.path;
    programs += source.path.ends_with(".bpf.c");
  }
  EXPECT_GT(programs, 0U);
}

TEST(House, NothingIsLeftOpen) {
  // Built at run time, so that this file does not hold what it looks for.
  const std::vector<std::string> words{std::string("TO") + "DO", std::string("FIX") + "ME",
                                       std::string("XX") + "X:", std::string("/wo") + "rk/"};
  for (const Source& source : sources({".h", ".cpp", ".c", ".cmake", ".yaml", ".proto", ""})) {
    for (const std::string& word : words) {
      EXPECT_EQ(source.text.find(word), std::string::npos) << source.path << " holds " << word;
    }
  }
}

TEST(House, WorkingRowsHaveAnAcceptanceTest) {
  std::ifstream table(kRoot / "docs/features.md");
  ASSERT_TRUE(table) << "docs/features.md is missing";
  std::string tests;
  for (const Source& source : sources({".cpp", ".txt", ".cmake"})) {
    if (source.path.starts_with("tests/acceptance/")) tests += source.text;
  }
  const std::regex row(R"(^\| ([A-Z]{2}\d+) \|.*\| (works|partial|not yet)[^|]*\|)");
  size_t rows = 0;
  for (std::string line; std::getline(table, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, row)) continue;
    ++rows;
    if (match[2] == "not yet") continue;
    if (match[1] == "OP8") continue;  // proved by tests/fresh/run, which needs a machine of its own
    EXPECT_TRUE(std::regex_search(tests, std::regex("\\b" + match[1].str() + "\\b")))
        << match[1] << " claims more than a test shows";
  }
  EXPECT_GT(rows, 80U);
}

}  // namespace
