// Drop-ins: files beside a configuration file that add to it, and say where they are wrong.
#include <gmock/gmock.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "common/config_reader.h"

namespace picket {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

struct Settings {
  std::string address, level = "info";
  uint64_t bytes = 0;
  bool dry_run = false;
  std::vector<std::string> names;
  std::filesystem::path key;
  std::vector<std::string> listed;  // `who` of each item of a list
  std::map<std::string, std::string> labels;
};

class DropInsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-drop-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    std::filesystem::create_directory(folder_ / "main.conf.d");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write(const std::string& file, const std::string& text) {
    std::ofstream(folder_ / file) << text;
  }
  absl::StatusOr<Settings> load() {
    auto reader = ConfigReader::open_with_drop_ins(folder_ / "main.yaml");
    if (!reader.ok()) return reader.status();
    Settings settings;
    reader->read("bytes", settings.bytes, 1, 100);
    reader->read("names", settings.names);
    reader->read("labels", settings.labels);
    ConfigReader collector = reader->section("collector");
    collector.read("address", settings.address);
    collector.read("key", settings.key);
    if (settings.address.empty()) collector.fail("address", "expected HOST:PORT");
    collector.finish_section();
    ConfigReader log = reader->section("log");
    log.read("level", settings.level);
    log.read("dry_run", settings.dry_run);
    log.finish_section();
    for (ConfigReader& item : reader->list("list")) {
      item.read("who", settings.listed.emplace_back());
      item.finish_section();
    }
    if (absl::Status status = reader->finish(); !status.ok()) return status;
    return settings;
  }
  std::string problem() { return std::string(load().status().message()); }

  std::filesystem::path folder_;
};

TEST_F(DropInsTest, AreJoinedKeyByKeyInTheOrderOfTheirNames) {
  write("main.yaml",
        "bytes: 1\nnames: [a, b]\ncollector: {address: a, key: k}\nlist: [{who: x}]\n");
  write("main.conf.d/20-late.yaml", "bytes: 3\nlog: {dry_run: true}\nlist: [{who: y}, {who: z}]\n");
  write("main.conf.d/10-early.yaml", "bytes: 2\nnames: [c]\ncollector: {address: b}\n");
  write("main.conf.d/30-empty.yaml", "");
  const auto settings = load();
  ASSERT_TRUE(settings.ok()) << settings.status();
  EXPECT_EQ(settings->bytes, 3u);
  EXPECT_THAT(settings->names, ElementsAre("c"));
  EXPECT_EQ(settings->address, "b");
  EXPECT_EQ(settings->key, folder_ / "k") << "of the main file, which the drop-in leaves alone";
  EXPECT_EQ(settings->level, "info");
  EXPECT_TRUE(settings->dry_run);
  EXPECT_THAT(settings->listed, ElementsAre("y", "z"));
}

TEST_F(DropInsTest, PathsAreThoseOfTheFileTheyStandIn) {
  write("main.yaml", "collector: {address: a, key: k}\n");
  write("main.conf.d/10.yaml", "collector: {key: k}\n");
  ASSERT_TRUE(load().ok());
  EXPECT_EQ(load()->key, folder_ / "main.conf.d/k");
}

TEST_F(DropInsTest, AMappingOfTextsIsJoinedToo) {
  write("main.yaml", "collector: {address: a}\nlabels: {zone: a, tier: dev}\n");
  write("main.conf.d/10.yaml", "labels: {zone: b, rack: '7'}\n");
  write("main.conf.d/20.yaml", "labels:\n");
  ASSERT_TRUE(load().ok()) << load().status();
  EXPECT_THAT(load()->labels,
              ElementsAre(Pair("rack", "7"), Pair("tier", "dev"), Pair("zone", "b")));
  write("main.conf.d/20.yaml", "labels: {zone: [a], zone: c}\n");
  EXPECT_THAT(problem(), HasSubstr("20.yaml:1:21: key \"zone\" stands here twice"));
  EXPECT_THAT(problem(), HasSubstr("20.yaml:1:16: labels.zone: expected text"));
}

TEST_F(DropInsTest, OnlyYamlOfTheFolderIsRead) {
  write("main.yaml", "collector: {address: a}\n");
  write("main.conf.d/10.yaml.dpkg-new", "collector: {address: b}\n");
  write("main.conf.d/README", "no yaml: [\n");
  write("other.yaml", "collector: {address: c}\n");
  ASSERT_TRUE(load().ok()) << load().status();
  EXPECT_EQ(load()->address, "a");
  std::filesystem::remove_all(folder_ / "main.conf.d");
  EXPECT_TRUE(load().ok()) << "no folder is no error";
}

TEST_F(DropInsTest, ProblemsNameTheFileTheyStandIn) {
  write("main.yaml", "bytes: 1\ncollector: {}\n");
  write("main.conf.d/10.yaml", "bytes: 500\nlog:\n  levle: x\n");
  write("main.conf.d/20.yaml", "collector: [1]\nlist: [{who: [1]}]\n");
  const std::string problems = problem();
  EXPECT_THAT(problems, HasSubstr("main.conf.d/10.yaml:1:8: bytes: expected a whole number"));
  EXPECT_THAT(problems, HasSubstr("main.conf.d/10.yaml:3:3: unknown key \"levle\""));
  EXPECT_THAT(problems, HasSubstr("main.conf.d/20.yaml:1:12: expected a mapping"));
  EXPECT_THAT(problems, HasSubstr("main.conf.d/20.yaml:2:14: list.who: expected text"));
  EXPECT_THAT(problems, HasSubstr("main.yaml:2:12: collector.address: expected HOST:PORT"));
}

TEST_F(DropInsTest, AKeyTwiceInOneFileIsStillAnError) {
  write("main.yaml", "collector: {address: a}\n");
  write("main.conf.d/10.yaml", "bytes: 1\nbytes: 2\n");
  EXPECT_THAT(problem(), HasSubstr("10.yaml:2:1: key \"bytes\" stands here twice"));
  write("main.conf.d/10.yaml", "bytes: [\n");
  EXPECT_THAT(problem(), HasSubstr("10.yaml:"));
}

TEST_F(DropInsTest, WithoutTheMainFileThereIsNoConfiguration) {
  write("main.conf.d/10.yaml", "collector: {address: a}\n");
  EXPECT_TRUE(absl::IsNotFound(load().status())) << load().status();
}

}  // namespace
}  // namespace picket
