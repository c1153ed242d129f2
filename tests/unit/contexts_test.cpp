// picketctl's context: one collector, or one for each of several regions; what is refused, and
// where it says so.
#include "collector/cli/context.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <fstream>

namespace picket {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;

constexpr char kOne[] =
    "collector: localhost:7420\nca: ca.crt\ncert: a.crt\nkey: a.key\n"
    "server_id: spiffe://picket/collector/c\n";
constexpr char kCommon[] =
    "ca: ca.crt\ncert: a.crt\nkey: a.key\nserver_id: spiffe://picket/collector/c\n";

class Contexts : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "picket-ctx-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  absl::StatusOr<std::vector<CliContext>> load(const std::string& text) {
    std::ofstream(folder_ / "c.yaml") << text;
    return load_contexts(folder_ / "c.yaml");
  }
  std::string problem(const std::string& text) {
    return std::string(load(text).status().message());
  }

  std::filesystem::path folder_;
};

TEST_F(Contexts, OneCollectorNeedsEveryPartButAName) {
  const auto one = load(kOne);
  ASSERT_TRUE(one.ok()) << one.status();
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(one->front().region, "");
  EXPECT_EQ(one->front().collector, "localhost:7420");
  EXPECT_EQ(one->front().tls.ca, folder_ / "ca.crt");
  EXPECT_EQ(load(std::string(kOne) + "region: eu\n")->front().region, "eu");
  EXPECT_THAT(problem("collector: localhost:7420\n"),
              AllOf(HasSubstr("c.yaml:1:1: ca: expected the file"),
                    HasSubstr("c.yaml:1:1: server_id: expected the collector's SPIFFE id")));
  EXPECT_EQ(load_contexts(folder_ / "none.yaml").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Contexts, RegionsShareWhatStandsBesideThem) {
  const auto set = load(std::string(kCommon) +
                        "regions:\n"
                        "  - {region: eu, collector: 'eu:7420'}\n"
                        "  - {region: us-2, collector: 'us:7420', ca: /etc/us.crt, cert: us.crt,\n"
                        "     key: us.key, server_id: spiffe://us/collector/c}\n");
  ASSERT_TRUE(set.ok()) << set.status();
  ASSERT_EQ(set->size(), 2U);
  EXPECT_EQ(region_names(*set), "eu, us-2");
  EXPECT_EQ(set->front().collector, "eu:7420");
  EXPECT_EQ(set->front().tls.ca, folder_ / "ca.crt");
  EXPECT_EQ(set->front().server_id, "spiffe://picket/collector/c");
  EXPECT_EQ(set->back().tls.ca, "/etc/us.crt");
  EXPECT_EQ(set->back().tls.key, folder_ / "us.key");
  EXPECT_EQ(set->back().server_id, "spiffe://us/collector/c");
}

TEST_F(Contexts, EachErrorOfASetNamesItsPlace) {
  const std::string problems = problem(std::string(kCommon) +
                                       "collector: 'eu:7420'\n"
                                       "regions:\n"
                                       "  - {region: eu, collector: 'eu:7420'}\n"
                                       "  - {region: eu, collector: 'us:7420'}\n"
                                       "  - {region: 'a b', collector: 'ab:7420'}\n"
                                       "  - {collector: 'x:7420'}\n"
                                       "  - {region: nowhere, colector: 'y:7420'}\n");
  EXPECT_THAT(problems,
              AllOf(HasSubstr("c.yaml:5:12: collector: expected in each of the regions"),
                    HasSubstr("c.yaml:8:14: regions.region: two regions have the name \"eu\""),
                    HasSubstr("c.yaml:9:14: regions.region: expected a name of letters"),
                    HasSubstr("c.yaml:10:5: regions.region: expected the region's name"),
                    HasSubstr("c.yaml:11:5: regions.collector: expected HOST:PORT"),
                    HasSubstr("c.yaml:11:23: unknown key \"colector\"; expected one of: ca, ")));
  EXPECT_THAT(problem("regions:\n  - {region: eu, collector: 'eu:7420'}\n"),
              HasSubstr("c.yaml:2:5: regions.cert: expected the file of your certificate"));
}

TEST_F(Contexts, ASetIsAListOfOneAtLeast) {
  EXPECT_THAT(problem(std::string(kCommon) + "regions: []\n"),
              EndsWith("c.yaml:5:10: regions: expected one region at least"));
  EXPECT_THAT(problem(std::string(kCommon) + "regions: eu\n"),
              HasSubstr("c.yaml:5:10: regions: expected a list"));
  EXPECT_THAT(problem(std::string(kCommon) + "regions: [eu]\n"),
              HasSubstr("c.yaml:5:11: expected a mapping of keys to values"));
}

TEST_F(Contexts, NamesChooseRegions) {
  const auto set = load(std::string(kCommon) +
                        "regions:\n"
                        "  - {region: eu, collector: 'eu:1'}\n"
                        "  - {region: us, collector: 'us:1'}\n"
                        "  - {region: ap, collector: 'ap:1'}\n");
  ASSERT_TRUE(set.ok()) << set.status();
  EXPECT_EQ(region_names(*select_regions(*set, {})), "eu, us, ap");
  EXPECT_EQ(region_names(*select_regions(*set, {"ap", "eu", "ap"})), "eu, ap");
  for (const char* wrong : {"EU", "", "eu,us"})
    EXPECT_THAT(std::string(select_regions(*set, {"eu", wrong}).status().message()),
                AllOf(HasSubstr(wrong), HasSubstr("expected one of: eu, us, ap")));
  const auto plain = load(kOne);
  ASSERT_TRUE(plain.ok());
  for (const char* wrong : {"eu", ""})
    EXPECT_THAT(std::string(select_regions(*plain, {wrong}).status().message()),
                EndsWith("the context names none"));
}

}  // namespace
}  // namespace picket
