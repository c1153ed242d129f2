// Container images of packaging/image: the same programs give the same image, with all that they
// need and a bill of it. On stand-ins of the system, but for the collector, whose closure is the
// real one.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/packaging/stage.h"

namespace picket::test {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Json = nlohmann::json;

const std::string kImage = PICKET_SOURCE_DIR "/packaging/image/";
const std::string kPicketCollector = PICKET_BINARY_DIR "/picket-collector";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

class Image : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"jq", "dpkg-query", "unshare"})
      if (!must_have(program)) GTEST_SKIP() << program << " is not installed";
  }

  // A root with the program and what it does not start without.
  std::vector<std::string> make_root(const std::string& program, const fs::path& root) {
    const auto closure = output_of({kImage + "closure", program});
    EXPECT_TRUE(closure.ok()) << closure.status();
    std::vector<std::string> files = lines_of(closure.value_or(""));
    for (const std::string& file : files) copy(file, root / fs::path(file).relative_path());
    copy(program, root / "usr/bin" / fs::path(program).filename());
    return files;
  }
  static void copy(const fs::path& from, const fs::path& to) {
    fs::create_directories(to.parent_path());
    fs::copy_file(fs::canonical(from), to, fs::copy_options::overwrite_existing);
  }
  std::string pack(const fs::path& root, const std::string& name) {
    const fs::path image = folder_.path() / name;
    const auto packed = output_of({kImage + "pack", root, "picket/test", "1", "65532:65532", image,
                                   "/usr/bin/getent", "hosts"});
    EXPECT_TRUE(packed.ok()) << packed.status();
    return image;
  }
  Json blob(const fs::path& layout, const Json& descriptor) {
    const std::string digest = descriptor["digest"];
    const auto text = read_file(layout / "blobs/sha256" / digest.substr(digest.find(':') + 1));
    EXPECT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->size(), descriptor["size"].get<size_t>());
    return Json::parse(*text, nullptr, false);
  }
  // In that root alone, without any right on this machine.
  static absl::StatusOr<ProgramResult> run_inside(const fs::path& root,
                                                  std::vector<std::string> words) {
    words.insert(words.begin(), {"unshare", "--map-root-user", "--root=" + root.string()});
    return run_program({.argv = words});
  }

  TemporaryFolder folder_;
};

TEST_F(Image, TheSameRootIsTheSameImage) {
  const fs::path root = folder_.path() / "root";
  make_root("/usr/bin/getent", root);
  const auto first = read_file(pack(root, "first.tar"));
  ASSERT_TRUE(first.ok()) << first.status();
  // Made anew, at another time, in another order, by somebody with other habits.
  const fs::path again = folder_.path() / "again";
  fs::create_directories(again / "usr/bin");
  make_root("/usr/bin/getent", again);
  fs::permissions(again / "usr/bin/getent", fs::perms::group_write, fs::perm_options::add);
  const auto second = read_file(pack(again, "second.tar"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(*first == *second);
  ASSERT_TRUE(write_file(again / "more", "x").ok());
  const auto third = read_file(pack(again, "third.tar"));
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_FALSE(*first == *third);
}

TEST_F(Image, IsAnOciLayoutWhoseDigestsAreRight) {
  const fs::path root = folder_.path() / "root", layout = folder_.path() / "layout";
  make_root("/usr/bin/getent", root);
  fs::create_directory(layout);
  ASSERT_TRUE(
      output_of({"tar", "--extract", "--file", pack(root, "i.tar"), "--directory", layout}).ok());
  const Json index = Json::parse(*read_file(layout / "index.json"));
  const Json manifest = blob(layout, index["manifests"][0]);
  const Json config = blob(layout, manifest["config"]);
  EXPECT_EQ(config["config"]["User"], "65532:65532");
  EXPECT_EQ(config["config"]["Entrypoint"], Json({"/usr/bin/getent", "hosts"}));
  EXPECT_EQ(config["os"], "linux");
  for (const auto& entry : fs::directory_iterator(layout / "blobs/sha256")) {
    const auto sum = output_of({"sha256sum", entry.path()});
    ASSERT_TRUE(sum.ok()) << sum.status();
    EXPECT_EQ(sum->substr(0, 64), entry.path().filename());
  }
  // The layer, as a runtime will unpack it.
  const std::string digest = manifest["layers"][0]["digest"];
  const fs::path layer = layout / "blobs/sha256" / digest.substr(digest.find(':') + 1);
  const auto names = output_of({"tar", "--list", "--verbose", "--gzip", "--file", layer});
  ASSERT_TRUE(names.ok()) << names.status();
  EXPECT_THAT(*names, HasSubstr(" 0/0 "));
  EXPECT_THAT(*names, HasSubstr(" ./usr/bin/getent\n"));
  const auto plain =
      output_of({"sh", "-c", fmt::format("gzip -dc '{}' | sha256sum", layer.string())});
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], "sha256:" + plain->substr(0, 64));
}

// As docs/install.md says, with a key of one's own.
TEST_F(Image, ASignatureIsOfThisImageOnly) {
  const std::string key = folder_.path() / "key", pub = folder_.path() / "pub",
                    file = folder_.path() / "image.tar", signature = file + ".sig";
  ASSERT_TRUE(write_file(file, "an image").ok());
  ASSERT_TRUE(output_of({"openssl", "genpkey", "-algorithm", "ed25519", "-out", key}).ok());
  ASSERT_TRUE(output_of({"openssl", "pkey", "-in", key, "-pubout", "-out", pub}).ok());
  ASSERT_TRUE(output_of({"openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in", file,
                         "-out", signature})
                  .ok());
  const std::vector<std::string> verify{"openssl", "pkeyutl", "-verify", "-pubin",   "-inkey", pub,
                                        "-rawin",  "-in",     file,      "-sigfile", signature};
  EXPECT_TRUE(output_of(verify).ok());
  ASSERT_TRUE(write_file(file, "another image").ok());
  EXPECT_FALSE(output_of(verify).ok());
}

// The C library of such a root resolves names without plug-ins of its own.
TEST_F(Image, ANameIsResolvedInside) {
  const fs::path root = folder_.path() / "root";
  make_root("/usr/bin/getent", root);
  fs::create_directories(root / "etc");
  ASSERT_TRUE(write_file(root / "etc/nsswitch.conf", "hosts: files dns\n").ok());
  ASSERT_TRUE(write_file(root / "etc/hosts", "192.0.2.7 collector.example\n").ok());
  const auto found = run_inside(root, {"/usr/bin/getent", "hosts", "collector.example"});
  ASSERT_TRUE(found.ok()) << found.status();
  if (found->exit_code != 0 && found->err.find("unshare") != std::string::npos)
    GTEST_SKIP() << found->err;
  EXPECT_THAT(found->out, HasSubstr("192.0.2.7")) << found->err;
  const auto none = run_inside(root, {"/usr/bin/getent", "hosts", "nobody.invalid"});
  ASSERT_TRUE(none.ok()) << none.status();
  EXPECT_EQ(none->exit_code, 2);
}

TEST_F(Image, TheCollectorsClosureIsAllThatItNeeds) {
  const fs::path root = folder_.path() / "root";
  const std::vector<std::string> files = make_root(kPicketCollector, root);
  EXPECT_GT(files.size(), 10u);
  const auto version = run_inside(root, {"/usr/bin/picket-collector", "--version"});
  ASSERT_TRUE(version.ok()) << version.status();
  if (version->exit_code != 0 && version->err.find("unshare: ") != std::string::npos)
    GTEST_SKIP() << version->err;
  EXPECT_EQ(version->out, PICKET_VERSION "\n") << version->err;
  fs::remove(root / fs::path(files.back()).relative_path());
  const auto broken = run_inside(root, {"/usr/bin/picket-collector", "--version"});
  ASSERT_TRUE(broken.ok()) << broken.status();
  EXPECT_NE(broken->exit_code, 0) << "without " << files.back();
}

TEST_F(Image, TheBillNamesEveryPackageWithItsVersion) {
  const auto closure = output_of({kImage + "closure", kPicketCollector});
  ASSERT_TRUE(closure.ok()) << closure.status();
  std::vector<std::string> words{PICKET_SOURCE_DIR "/packaging/sbom", "picket-collector", "1.2.3"};
  for (const std::string& file : lines_of(*closure)) words.push_back(file);
  const auto text = output_of(words);
  ASSERT_TRUE(text.ok()) << text.status();
  const Json bill = Json::parse(*text, nullptr, false);
  EXPECT_EQ(bill["bomFormat"], "CycloneDX");
  EXPECT_EQ(bill["specVersion"], "1.5");
  EXPECT_EQ(bill["metadata"]["component"]["version"], "1.2.3");
  std::map<std::string, std::string> versions;
  for (const Json& component : bill["components"]) {
    EXPECT_TRUE(versions.emplace(component["name"], component["version"]).second)
        << component["name"] << " stands there twice";
    EXPECT_THAT(component["purl"].get<std::string>(), ::testing::StartsWith("pkg:deb/debian/"));
  }
  for (const char* package : {"libc6", "libgrpc++1.51", "libsqlite3-0", "libssl3"}) {
    const auto installed =
        output_of({"dpkg-query", "--show", "--showformat", "${Version}", package});
    ASSERT_TRUE(installed.ok()) << installed.status();
    EXPECT_EQ(versions[package], *installed) << package;
  }
  EXPECT_EQ(bill["dependencies"][0]["dependsOn"].size(), bill["components"].size());
  const auto foreign =
      run_program({.argv = {PICKET_SOURCE_DIR "/packaging/sbom", "x", "1", kPicketCollector}});
  ASSERT_TRUE(foreign.ok()) << foreign.status();
  EXPECT_NE(foreign->exit_code, 0);
  EXPECT_THAT(foreign->err, HasSubstr("belongs to no Debian package"));
}

}  // namespace
}  // namespace picket::test
