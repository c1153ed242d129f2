// Documents that name tests, rows or keys name those that there are.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path kRoot = PICKET_SOURCE_DIR;

std::string read(const fs::path& file) {
  std::ifstream in(file);
  EXPECT_TRUE(in) << file;
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::set<std::string> all_matches(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), regex), end; it != end; ++it)
    found.insert((*it)[1].str());
  return found;
}

// All tests of the tree, one text.
std::string sources_of_tests() {
  std::string text;
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "tests"))
    if (entry.path().extension() == ".cpp") text += read(entry.path());
  return text;
}

// The rows of a table's last column but for its head: what stands there in capitals and digits.
std::set<std::string> rows_named(const std::string& document) {
  std::set<std::string> rows;
  std::istringstream lines(document);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| "))
      rows.merge(all_matches(line, R"([ ,|]([A-Z]{2}\d+|FLOOD|CHAOS)(?=[ ,|]))"));
  return rows;
}

TEST(Documents, TheThreatModelNamesTestsThatThereAre) {
  const std::string document = read(kRoot / "docs/threat-model.md");
  const std::string tests = sources_of_tests();
  const std::set<std::string> named = all_matches(document, R"(`([A-Z]\w+\.[A-Z]\w+)`)");
  EXPECT_GT(named.size(), 30u);
  for (const std::string& name : named) {
    const size_t dot = name.find('.');
    const std::string test = "(" + name.substr(0, dot) + ", " + name.substr(dot + 1) + ")";
    EXPECT_NE(tests.find(test), std::string::npos) << name;
  }
  const std::string acceptance = read(kRoot / "tests/acceptance/CMakeLists.txt");
  const std::set<std::string> rows = rows_named(document);
  EXPECT_GT(rows.size(), 10u);
  for (const std::string& row : rows)
    EXPECT_NE(acceptance.find("picket_acceptance(" + row), std::string::npos) << row;
  for (const std::string& target : all_matches(document, R"(`fuzz\.(\w+)`)")) {
    std::string areas;
    for (const auto& entry : fs::directory_iterator(kRoot / "tests/fuzz"))
      if (entry.path().extension() == ".cmake") areas += read(entry.path());
    EXPECT_NE(areas.find("picket_fuzz(" + target + " "), std::string::npos) << target;
  }
}

TEST(Documents, ComplianceRestsOnRowsThatWork) {
  std::map<std::string, std::string> state;
  std::istringstream lines(read(kRoot / "docs/features.md"));
  const std::regex row(R"(^\| ([A-Z]{2}\d+) \|.*\| (works|partial|not yet)[^|]*\|)");
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_search(line, match, row)) state[match[1]] = match[2];
  }
  // Controls of the standards are written with a dash or a dot, rows without.
  const std::set<std::string> rows = rows_named(read(kRoot / "docs/compliance.md"));
  EXPECT_GT(rows.size(), 15u);
  for (const std::string& name : rows) {
    ASSERT_TRUE(state.contains(name)) << name << " is no row of docs/features.md";
    EXPECT_NE(state[name], "not yet") << name;
  }
}

// Each file that a document points to is there.
TEST(Documents, LinksLeadSomewhere) {
  size_t links = 0;
  std::vector<fs::path> documents{kRoot / "README.md", kRoot / "SECURITY.md",
                                  kRoot / "CONTRIBUTING.md"};
  for (const auto& entry : fs::recursive_directory_iterator(kRoot / "docs"))
    if (entry.path().extension() == ".md") documents.push_back(entry.path());
  for (const fs::path& document : documents) {
    const std::string text = read(document);
    for (size_t at = 0; (at = text.find("](", at)) != text.npos;) {
      at += 2;
      const std::string link = text.substr(at, text.find_first_of(")#", at) - at);
      if (link.empty() || link.find(':') != link.npos || link.find(' ') != link.npos) continue;
      ++links;
      EXPECT_TRUE(fs::exists(document.parent_path() / link)) << document << ": " << link;
    }
  }
  EXPECT_GT(links, 30u);
}

}  // namespace
