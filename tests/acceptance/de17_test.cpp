// DE17: what a compiler of the workspace built runs in silence, also as a copy; what was fetched or
// decoded does not, and the alert says who brought it. A real compiler, the machine's, and a real
// download over the container's loopback.
#include "tests/acceptance/acceptance_test.h"

namespace picket::test {
namespace {

class DE17 : public AcceptanceTest {
 protected:
  void SetUp() override {
    AcceptanceTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    deploy();
    if (HasFatalFailure()) return;
    container_ = make_container({.id = "de17-box", .binds = {"/usr", "/lib", "/lib64"}});
    ASSERT_TRUE(container_);
    shell(
        "mkdir /project /project/www && cd /project && echo 'int main() { return 0; }' >hello.c && "
        "gcc -o hello hello.c && ./hello && cp hello www/tool && ./www/tool");
  }

  void shell(const std::string& script) {
    const auto ran = container_->run({"sh", "-c", "PATH=/bin:/usr/bin; " + script});
    ASSERT_TRUE(ran.ok()) << ran.status();
    ASSERT_EQ(ran->exit_code, 0) << ran->out;
  }

  std::vector<Alert> alerts() { return accusations(alerts_so_far(*container_)); }

  std::unique_ptr<Container> container_;
};

TEST_F(DE17, WhatTheWorkspaceBuiltRunsInSilence) {
  shell(
      "cd /project && tar cf a.tar hello && mkdir x && tar xf a.tar -C x && x/hello && "
      "printf '#!/bin/sh\\nexit 0\\n' >run.sh && chmod +x run.sh && ./run.sh");
  EXPECT_THAT(alerts(), ::testing::IsEmpty());
}

TEST_F(DE17, WhatWasFetchedIsAlertedWithWhereItCameFrom) {
  shell(
      "cd /project && httpd -p 127.0.0.1:8099 -h www && wget -q -O got http://127.0.0.1:8099/tool "
      "&& "
      "mv got ls && chmod +x ls && ./ls");
  const auto found = by_rule(alerts(), "fetched_program");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0]["output"].get<std::string>(),
              ::testing::HasSubstr("wget -q -O got http://127.0.0.1:8099/tool"));
  EXPECT_EQ(found[0]["process"]["exe"], "/project/ls");
  expect_identity(found[0], *container_);
}

TEST_F(DE17, WhatWasDecodedIsAlertedWithWhoWroteIt) {
  shell(
      "cd /project && base64 hello >note.txt && base64 -d note.txt >made && chmod +x made && "
      "./made");
  const auto found = by_rule(alerts(), "foreign_program");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found[0]["output"].get<std::string>(), ::testing::HasSubstr("base64 -d note.txt"));
  EXPECT_EQ(found[0]["process"]["exe"], "/project/made");
}

}  // namespace
}  // namespace picket::test
