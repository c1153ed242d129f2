// Signatures over folders of rules: what is signed verifies, and nothing else does.
#include <gmock/gmock.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <cstdio>
#include <filesystem>

#include "agent/detect/bundle/bundle.h"

namespace picket {
namespace {

using ::testing::HasSubstr;

struct BundleTest : testing::Test {
  BundleTest() {
    std::string name = testing::TempDir() + "bundle-XXXXXX";
    folder = mkdtemp(name.data());
    make_key("a");
    make_key("b");
  }
  ~BundleTest() override { std::filesystem::remove_all(folder); }
  void make_key(const std::string& name) const {
    EVP_PKEY* key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
    FILE* secret = fopen((folder / (name + ".key")).c_str(), "w");
    PEM_write_PrivateKey(secret, key, nullptr, nullptr, 0, nullptr, nullptr);
    fclose(secret);
    FILE* open = fopen((folder / (name + ".pub")).c_str(), "w");
    PEM_write_PUBKEY(open, key);
    fclose(open);
    EVP_PKEY_free(key);
  }
  std::string sign(const std::string& key) const {
    return sign_rules("rules", files, 7, *BundleKey::read_private(folder / (key + ".key"))).value();
  }
  std::string problem(const std::vector<RuleFile>& read, std::string_view signature) const {
    return std::string(
        verify_rules("rules", read, signature, *BundleKey::read_public(folder / "a.pub"))
            .status()
            .message());
  }
  std::filesystem::path folder;
  const std::vector<RuleFile> files = {{"rules/a.yaml", "one"}, {"rules/lists/b.yaml", "two"}};
};

TEST_F(BundleTest, WhatIsSignedVerifiesWhereverItLies) {
  EXPECT_EQ(problem(files, sign("a")), "");
  const std::vector<RuleFile> moved = {{"/etc/x/lists/b.yaml", "two"}, {"/etc/x/a.yaml", "one"}};
  const auto serial =
      verify_rules("/etc/x", moved, sign("a"), *BundleKey::read_public(folder / "a.pub"));
  ASSERT_TRUE(serial.ok()) << serial.status();
  EXPECT_EQ(*serial, 7U);
}

TEST_F(BundleTest, NothingElseDoes) {
  auto altered = files, added = files, missing = files;
  altered[1].text = "twos";
  added.push_back({"rules/c.yaml", ""});
  missing.pop_back();
  EXPECT_THAT(problem(altered, sign("a")), HasSubstr("lists/b.yaml was altered"));
  EXPECT_THAT(problem(added, sign("a")), HasSubstr("c.yaml was added"));
  EXPECT_THAT(problem(missing, sign("a")), HasSubstr("lists/b.yaml is missing"));
  EXPECT_THAT(problem(files, sign("b")), HasSubstr("not made with the configured key"));
  std::string list = sign("a");
  list[list.find("a.yaml")] = 'x';
  EXPECT_THAT(problem(files, list), HasSubstr("not made with the configured key"));
  list = sign("a");
  list.replace(list.find("serial 7"), 8, "serial 8");
  EXPECT_THAT(problem(files, list), HasSubstr("not made with the configured key"));
  for (const char* text :
       {"", "signature ", "picket-rules 2\n", "picket-rules 2\nserial 7",
        "picket-rules 2\nserial x\nsignature !\n", "picket-rules 1\nsignature !\n"})
    EXPECT_NE(problem(files, text), "") << text;
}

TEST_F(BundleTest, OnlyEd25519KeysAreTaken) {
  EXPECT_FALSE(BundleKey::read_private(folder / "a.pub").ok());
  EXPECT_FALSE(BundleKey::read_public(folder / "none").ok());
}

}  // namespace
}  // namespace picket
