// The Debian packages of this build: what dpkg is told of each, and what is in it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <regex>
#include <sstream>

#include "tests/packaging/stage.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

constexpr std::chrono::minutes kPackPatience{10};

// All packages, once; as they are shipped but for how hard they are compressed.
class Debian : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    const auto packed = run_program(
        {.argv = {"cpack", "--config", PICKET_BINARY_DIR "/CPackConfig.cmake", "-G", "DEB", "-B",
                  folder_->path(), "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=zstd"}},
        kPackPatience);
    ASSERT_TRUE(packed.ok()) << packed.status();
    ASSERT_EQ(packed->exit_code, 0) << packed->out << packed->err;
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  void SetUp() override {
    if (!must_have("dpkg-shlibdeps")) GTEST_SKIP() << "dpkg-dev is not installed";
  }

  static fs::path package(const std::string& name) {
    return folder_->path() / fmt::format("{}_{}_amd64.deb", name, PICKET_VERSION);
  }
  static std::string field(const std::string& name, const std::string& key) {
    const auto value = output_of({"dpkg-deb", "--field", package(name), key});
    EXPECT_TRUE(value.ok()) << value.status();
    return value.ok() ? value->substr(0, value->find_last_not_of('\n') + 1) : "";
  }
  static std::string control(const std::string& name, const std::string& file) {
    const auto text = output_of({"dpkg-deb", "--info", package(name), file});
    EXPECT_TRUE(text.ok()) << text.status();
    return text.ok() ? *text : "";
  }
  struct Entry {
    std::string mode, owner;
  };
  static std::map<std::string, Entry> contents(const std::string& name) {
    const auto list = output_of({"dpkg-deb", "--contents", package(name)});
    EXPECT_TRUE(list.ok()) << list.status();
    std::map<std::string, Entry> entries;
    std::istringstream lines(list.value_or(""));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string mode, owner, size, day, hour, path;
      words >> mode >> owner >> size >> day >> hour >> path;
      entries[path] = {mode, owner};
    }
    return entries;
  }

  static inline TemporaryFolder* folder_ = nullptr;
};

const std::vector<std::string> kPackages{"picket-agent", "picket-collector", "picketctl"};

TEST_F(Debian, PackagesSayWhatTheyAre) {
  int described = 0;
  for (const std::string& name : kPackages) {
    EXPECT_EQ(field(name, "Package"), name);
    EXPECT_EQ(field(name, "Version"), PICKET_VERSION);
    EXPECT_EQ(field(name, "Architecture"), "amd64");
    EXPECT_EQ(field(name, "Section"), "admin");
    EXPECT_THAT(field(name, "Maintainer"), HasSubstr("@"));
    const std::string description = field(name, "Description");
    EXPECT_LT(description.find('\n'), 70u) << "one line first: " << description;
    for (const char* line : {"agent of Picket", "collector of Picket", "command line of Picket"})
      if (description.starts_with(line)) ++described;
  }
  EXPECT_EQ(described, 3) << "each has a description of its own";
}

// Libraries by the packages that the programs of this build were linked with.
TEST_F(Debian, DependenciesAreThoseOfThePrograms) {
  EXPECT_THAT(field("picket-collector", "Depends"), HasSubstr("adduser"));
  for (const char* library :
       {"libc6 (>= ", "libgrpc++1.51", "libsqlite3-0 (>= ", "libssl3 (>= ", "librdkafka++1 (>= "})
    EXPECT_THAT(field("picket-collector", "Depends"), HasSubstr(library));
  EXPECT_THAT(field("picketctl", "Depends"), HasSubstr("libre2-9"));
  EXPECT_THAT(field("picketctl", "Depends"), Not(HasSubstr("libsqlite3")));
}

TEST_F(Debian, FilesBelongToRootAndNobodyElseWritesThem) {
  for (const std::string& name : kPackages) {
    const auto entries = contents(name);
    EXPECT_GT(entries.size(), 8u) << name;
    for (const auto& [path, entry] : entries) {
      EXPECT_EQ(entry.owner, "root/root") << path;
      EXPECT_EQ(entry.mode[5], '-') << path << ' ' << entry.mode;
      EXPECT_EQ(entry.mode[8], '-') << path << ' ' << entry.mode;
      EXPECT_THAT(path, ::testing::StartsWith("./"));
      EXPECT_THAT(path, Not(HasSubstr("/usr/local"))) << name;
    }
  }
}

TEST_F(Debian, EachHasItsFiles) {
  const auto agent = contents("picket-agent");
  for (const char* file :
       {"./usr/sbin/picketd", "./etc/picket/picketd.yaml", "./lib/systemd/system/picketd.service",
        "./usr/share/man/man8/picketd.8.gz", "./usr/share/picket/rules/reverse_shell.yaml",
        "./usr/share/doc/picket-agent/copyright", "./usr/share/doc/picket-agent/changelog.gz"})
    EXPECT_TRUE(agent.contains(file)) << file;
  const auto collector = contents("picket-collector");
  for (const char* file : {"./usr/bin/picket-collector", "./etc/picket/collector.yaml",
                           "./lib/systemd/system/picket-collector.service",
                           "./usr/share/man/man8/picket-collector.8.gz"})
    EXPECT_TRUE(collector.contains(file)) << file;
  const auto ctl = contents("picketctl");
  for (const char* file : {"./usr/bin/picketctl", "./usr/share/man/man1/picketctl.1.gz",
                           "./usr/share/bash-completion/completions/picketctl",
                           "./usr/share/zsh/vendor-completions/_picketctl",
                           "./usr/share/fish/vendor_completions.d/picketctl.fish"})
    EXPECT_TRUE(ctl.contains(file)) << file;
  EXPECT_FALSE(agent.contains("./usr/bin/picketctl"));
  EXPECT_FALSE(collector.contains("./usr/sbin/picketd"));
}

// What an administrator changed, dpkg asks about; each file of /etc is one of these.
TEST_F(Debian, ConfigurationFilesAreKept) {
  for (const char* name : {"picket-agent", "picket-collector"}) {
    std::vector<std::string> kept;
    std::istringstream lines(control(name, "conffiles"));
    for (std::string line; std::getline(lines, line);) kept.push_back("." + line);
    std::vector<std::string> shipped;
    for (const auto& [path, entry] : contents(name))
      if (path.starts_with("./etc/") && entry.mode[0] == '-') shipped.push_back(path);
    EXPECT_THAT(kept, ::testing::UnorderedElementsAreArray(shipped));
  }
}

TEST_F(Debian, ScriptsAreOfTheShellAndKnowTheirUnit) {
  for (const auto& [name, unit] : {std::pair("picket-agent", "picketd.service"),
                                   std::pair("picket-collector", "picket-collector.service")}) {
    for (const char* script : {"postinst", "prerm", "postrm"}) {
      const std::string text = control(name, script);
      EXPECT_THAT(text, ::testing::StartsWith("#!/bin/sh\n"));
      EXPECT_THAT(text, HasSubstr(unit));
      EXPECT_THAT(text, HasSubstr("\nset -e\n"));
      const fs::path file = folder_->path() / script;
      ASSERT_TRUE(write_file(file, text).ok());
      const auto parsed = output_of({"sh", "-n", file});
      EXPECT_TRUE(parsed.ok()) << parsed.status();
    }
  }
  EXPECT_THAT(control("picket-collector", "postrm"), Not(HasSubstr("rm -rf")))
      << "evidence is nobody's to remove but a person's";
}

// The changelog, the programs and the packages are of one version.
TEST_F(Debian, TheChangelogNamesThisVersion) {
  const auto changelog = read_file(PICKET_SOURCE_DIR "/packaging/debian/changelog");
  ASSERT_TRUE(changelog.ok()) << changelog.status();
  EXPECT_THAT(*changelog, ::testing::StartsWith(fmt::format("picket ({}) ", PICKET_VERSION)));
  const auto said = output_of({PICKET_BINARY_DIR "/picketd", "--version"});
  ASSERT_TRUE(said.ok()) << said.status();
  EXPECT_THAT(*said, HasSubstr(PICKET_VERSION));
}

}  // namespace
}  // namespace picket::test
