// What is a dynamic loader by its content, and what asks for that: a program of the writable layer
// that was given arguments.
#include "agent/enrich/loader_file.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "agent/enrich/process_table.h"
#include "tests/unit/records.h"

namespace picket {
namespace {

bool is_loader_at(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  EXPECT_GE(fd, 0) << path;
  const bool found = is_loader_file(fd);
  close(fd);
  return found;
}

struct Made {
  uint16_t type = ET_DYN;
  bool asks_for_loader = false;
  std::vector<Elf64_Dyn> entries = {};
  size_t cut = 0;  // bytes missing at the end
};

bool is_loader_made(const Made& made) {
  Elf64_Ehdr header{};
  const std::string_view magic(ELFMAG, SELFMAG);
  magic.copy(reinterpret_cast<char*>(header.e_ident), SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_type = made.type;
  header.e_phoff = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  std::vector<Elf64_Phdr> segments(made.entries.empty() ? 0 : 1);
  for (Elf64_Phdr& segment : segments) segment.p_type = PT_DYNAMIC;
  if (made.asks_for_loader) segments.emplace_back().p_type = PT_INTERP;
  header.e_phnum = static_cast<uint16_t>(segments.size());
  for (Elf64_Phdr& segment : segments) {
    segment.p_offset = sizeof header + segments.size() * sizeof segment;
    segment.p_filesz = made.entries.size() * sizeof(Elf64_Dyn);
  }
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(segments.data()),
               segments.size() * sizeof segments[0]);
  bytes.append(reinterpret_cast<const char*>(made.entries.data()),
               made.entries.size() * sizeof(Elf64_Dyn));
  bytes.resize(bytes.size() - made.cut);
  const int fd = memfd_create("made", MFD_CLOEXEC);
  EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  const bool found = is_loader_file(fd);
  close(fd);
  return found;
}

constexpr Elf64_Dyn kNamed{.d_tag = DT_SONAME, .d_un = {.d_val = 7}};
constexpr Elf64_Dyn kProgram{.d_tag = DT_FLAGS_1, .d_un = {.d_val = DF_1_PIE}};
constexpr Elf64_Dyn kOther{.d_tag = DT_RELACOUNT, .d_un = {.d_val = 3}};

TEST(LoaderFile, ThisMachinesOwnIsOneAndItsProgramsAreNone) {
  Dl_info loader{};
  ASSERT_NE(dladdr(reinterpret_cast<void*>(getauxval(AT_BASE)), &loader), 0);
  EXPECT_TRUE(is_loader_at(loader.dli_fname));
  EXPECT_TRUE(is_loader_name(loader.dli_fname));
  EXPECT_FALSE(is_loader_at("/proc/self/exe"));
  EXPECT_FALSE(is_loader_at("/etc/passwd"));
}

TEST(LoaderFile, ItIsALibraryThatCanBeRun) {
  EXPECT_TRUE(is_loader_made({.entries = {kOther, kNamed}}));
  EXPECT_TRUE(is_loader_made({.entries = {kNamed, kProgram}}));
  EXPECT_TRUE(is_loader_made({.entries = {kOther}})) << "its name taken away";
}

TEST(LoaderFile, StaticProgramsAndWhatAsksForALoaderAreNone) {
  EXPECT_FALSE(is_loader_made({.entries = {kOther, kProgram}})) << "static, at any address";
  EXPECT_FALSE(is_loader_made({.type = ET_EXEC, .entries = {kNamed}}));
  EXPECT_FALSE(is_loader_made({})) << "nothing dynamic";
  EXPECT_FALSE(is_loader_made({.asks_for_loader = true, .entries = {kNamed}}));
}

TEST(LoaderFile, WhatIsCutIsNone) {
  EXPECT_FALSE(is_loader_made({.entries = {kNamed}, .cut = 1}));
  EXPECT_FALSE(is_loader_made({.entries = {kNamed}, .cut = 40}));
  EXPECT_FALSE(is_loader_made({.entries = {kNamed}, .cut = 100}));
}

TEST(LoaderFile, ByName) {
  EXPECT_TRUE(is_loader_name("/lib64/ld-linux-x86-64.so.2"));
  EXPECT_TRUE(is_loader_name("/lib/ld-musl-aarch64.so.1"));
  EXPECT_FALSE(is_loader_name("/usr/bin/ld"));
  EXPECT_FALSE(is_loader_name("/usr/bin/ld-config"));
  EXPECT_FALSE(is_loader_name("/tmp/x"));
}

struct Machine final : LiveProcesses {
  uint64_t write(ProcessKey, const pk_lineage&) override { return 0; }
  std::optional<pk_lineage> read(ProcessKey) override { return std::nullopt; }
  std::string environment(ProcessKey) override { return {}; }
  std::string script(const Process&) override { return {}; }
  bool runs_loader(const Process& process) override {
    ++asked;
    return process.exe == "/tmp/x";
  }
  int asked = 0;
};

TEST(LoaderFile, IsAskedOfTheWritableLayerWithArguments) {
  Machine machine;
  ProcessTable table({.live = &machine});
  uint64_t time_ns = 1'000'000;
  const auto run = [&](const char* exe, const char* layer, std::vector<std::string> argv) {
    RecordBuilder builder =
        test::record(PK_EXEC, {.time_ns = ++time_ns, .key = {10, 100}, .flags = 0});
    test::set(builder, "exe", exe);
    test::set(builder, "layer", layer);
    EXPECT_TRUE(builder.set_list("argv", argv).ok());
    const auto bytes = builder.bytes();
    return table.apply(*Event::parse(bytes)).is_loader;
  };
  EXPECT_TRUE(run("/tmp/x", "upper", {"x", "/bin/true"}));
  EXPECT_FALSE(run("/tmp/y", "upper", {"y", "/bin/true"}));
  EXPECT_EQ(machine.asked, 2);
  EXPECT_FALSE(run("/tmp/x", "upper", {"x"}));
  EXPECT_FALSE(run("/tmp/x", "image", {"x", "/bin/true"}));
  EXPECT_TRUE(run("/lib64/ld-linux-x86-64.so.2", "image", {"ld", "/bin/true"}));
  EXPECT_EQ(machine.asked, 2) << "the others are not opened";
}

}  // namespace
}  // namespace picket
