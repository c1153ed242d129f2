// Classes of files: what a definition may say, which file is of which class, and who is its tool.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/detect/rule/file_classes.h"
#include "bpf/picket/policy.h"
#include "tests/unit/rule_fixture.h"

namespace picket {
namespace {

using rule::FileClass;
using rule::FileClasses;
using rule::FileKind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr char kStart[] = "- file_class: x\n  kind: secret\n";

std::string error_of(std::string_view more) {
  return load_report(std::string(kStart) + std::string(more)).error_text();
}

TEST(FileClasses, MistakesAreToldWithTheirPlace) {
  EXPECT_THAT(load_report("- file_class: x\n  paths: [/a]\n").error_text(),
              HasSubstr("'kind' is missing"));
  EXPECT_THAT(load_report("- file_class: x\n  kind: odd\n  paths: [/a]\n").error_text(),
              HasSubstr("test.yaml:2:9: 'odd' is no kind of files"));
  EXPECT_THAT(error_of("  path: [/a]\n"), HasSubstr("path"));
  EXPECT_THAT(error_of(""), HasSubstr("a class of no files"));
  EXPECT_THAT(error_of("  paths: [a/b]\n"), HasSubstr("test.yaml:3:11: 'a/b' is no whole path"));
  EXPECT_THAT(error_of("  paths: ['*/a*/b*']\n"), HasSubstr("without a pattern"));
  EXPECT_THAT(error_of("  paths: [/a]\n  tools: [robot]\n"), HasSubstr("no kind of tool"));
  EXPECT_EQ(error_of("  paths: ['*/a/*', /b]\n  tools: [ide]\n"), "");
}

TEST(FileClasses, AFileIsFoundByItsNameOrItsDirectory) {
  const FileClasses classes({{.name = "aws", .paths = {"*/.aws/credentials"}},
                             {.name = "ssh", .paths = {"*/.ssh/*"}, .except = {"*.pub"}},
                             {.name = "trap", .kind = FileKind::decoy, .paths = {"*/.ssh/old"}},
                             {.name = "agent", .sockets = {"*/ssh-*/agent.*"}}});
  const auto name = [&](std::string_view path) {
    const FileClass* found = classes.of_file(path);
    return found != nullptr ? found->name : std::string();
  };
  EXPECT_EQ(name("/root/.aws/credentials"), "aws");
  EXPECT_EQ(name("/.aws/credentials"), "aws");
  EXPECT_EQ(name("/root/credentials"), "");
  EXPECT_EQ(name("/root/.ssh/any"), "ssh");
  EXPECT_EQ(name("/root/.ssh/any.pub"), "");
  EXPECT_EQ(name("/root/.ssh/old"), "trap");
  EXPECT_EQ(name("credentials"), "");
  EXPECT_EQ(classes.of_socket("/tmp/ssh-1/agent.2")->name, "agent");
  EXPECT_EQ(classes.of_socket("/tmp/agent.2"), nullptr);
  EXPECT_THAT(classes.names(),
              ElementsAre(Pair(".ssh", PK_NAME_SECRET_DIR), Pair("credentials", PK_NAME_SECRET),
                          Pair("old", PK_NAME_SECRET)));
}

FileSourcePtr source(FileOrigin origin, Origin driver = Origin::human) {
  auto made = std::make_shared<FileSource>();
  made->origin = origin;
  made->driver.origin = driver;
  return made;
}

TEST(FileClasses, AToolIsWhatWasInstalledAtItsPlace) {
  const FileClass one{.name = "x", .programs = {"/usr/bin/tool"}};
  Process process;
  process.exe = "/usr/bin/tool";
  process.layer = PK_LAYER_IMAGE;
  EXPECT_TRUE(one.is_tool(process));
  process.exe = "/tmp/tool";
  EXPECT_FALSE(one.is_tool(process));
  process.exe = "/usr/bin/tool";
  process.layer = PK_LAYER_UPPER;
  EXPECT_FALSE(one.is_tool(process)) << "who wrote it is unknown";
  process.source = source(FileOrigin::installed);
  EXPECT_TRUE(one.is_tool(process));
  for (const FileOrigin origin : {FileOrigin::unknown, FileOrigin::written, FileOrigin::fetched}) {
    process.source = source(origin);
    EXPECT_FALSE(one.is_tool(process)) << to_string(origin);
  }
}

TEST(FileClasses, AScriptIsAToolWhereItCertainlyRuns) {
  const FileClass one{.name = "x", .scripts = {"*/bin/aws"}};
  Process process;
  process.exe = "/usr/bin/python3.11";
  process.layer = PK_LAYER_IMAGE;
  process.cwd = "/usr/bin";
  const auto runs = [&](std::string_view argv) {
    process.argv = argv;
    return one.is_tool(process);
  };
  EXPECT_TRUE(runs({"python\0/usr/bin/aws\0", 20}));
  EXPECT_TRUE(runs({"python\0aws\0", 11}));
  EXPECT_FALSE(runs({"python\0-c\0/usr/bin/aws\0", 23}));
  process.interp = "/usr/bin/python3";
  process.filename = "./aws";
  EXPECT_TRUE(runs({"anything\0", 9}));
  process.runs_script = true;
  process.source = source(FileOrigin::written);
  EXPECT_FALSE(runs({"anything\0", 9}));
}

TEST(FileClasses, ToolsThatBringThemselvesMayBeFetchedButNotCopied) {
  const FileClass one{.name = "x", .tools = {Origin::ide}};
  Process process;
  process.tool = Origin::ide;
  process.layer = PK_LAYER_UPPER;
  EXPECT_TRUE(one.is_tool(process));
  process.source = source(FileOrigin::fetched);
  EXPECT_TRUE(one.is_tool(process));
  process.source = source(FileOrigin::unknown, Origin::platform);
  EXPECT_TRUE(one.is_tool(process));
  process.source = source(FileOrigin::written, Origin::package_manager);
  EXPECT_TRUE(one.is_tool(process));
  process.source = source(FileOrigin::unknown);
  EXPECT_FALSE(one.is_tool(process));
  process.tool = Origin::build;
  process.source = nullptr;
  EXPECT_FALSE(one.is_tool(process));
}

}  // namespace
}  // namespace picket
