#include "agent/detect/rule/file_values.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

namespace picket::rule {
namespace {

constexpr auto kOpenFlags = std::to_array<Word>({
    {O_CREAT, "O_CREAT"},
    {O_EXCL, "O_EXCL"},
    {O_NOCTTY, "O_NOCTTY"},
    {O_TRUNC, "O_TRUNC"},
    {O_APPEND, "O_APPEND"},
    {O_NONBLOCK, "O_NONBLOCK"},
    {O_DSYNC, "O_DSYNC"},
    {O_DIRECT, "O_DIRECT"},
    {O_DIRECTORY, "O_DIRECTORY"},
    {O_NOFOLLOW, "O_NOFOLLOW"},
    {O_NOATIME, "O_NOATIME"},
    {O_CLOEXEC, "O_CLOEXEC"},
    {O_PATH, "O_PATH"},
    {O_TMPFILE & ~O_DIRECTORY, "O_TMPFILE"},
});

constexpr auto kModeBits = std::to_array<Word>({
    {S_IXOTH, "S_IXOTH"},
    {S_IWOTH, "S_IWOTH"},
    {S_IROTH, "S_IROTH"},
    {S_IXGRP, "S_IXGRP"},
    {S_IWGRP, "S_IWGRP"},
    {S_IRGRP, "S_IRGRP"},
    {S_IXUSR, "S_IXUSR"},
    {S_IWUSR, "S_IWUSR"},
    {S_IRUSR, "S_IRUSR"},
    {S_ISVTX, "S_ISVTX"},
    {S_ISGID, "S_ISGID"},
    {S_ISUID, "S_ISUID"},
});

// <linux/magic.h>, and what is not in there.
constexpr auto kFileSystems = std::to_array<Word>({
    {PROC_SUPER_MAGIC, "proc"},
    {SYSFS_MAGIC, "sysfs"},
    {CGROUP_SUPER_MAGIC, "cgroup"},
    {CGROUP2_SUPER_MAGIC, "cgroup2"},
    {DEBUGFS_MAGIC, "debugfs"},
    {TRACEFS_MAGIC, "tracefs"},
    {SECURITYFS_MAGIC, "securityfs"},
    {BPF_FS_MAGIC, "bpf"},
    {EFIVARFS_MAGIC, "efivarfs"},
    {BINFMTFS_MAGIC, "binfmt_misc"},
    {NSFS_MAGIC, "nsfs"},
    {OVERLAYFS_SUPER_MAGIC, "overlay"},
    {TMPFS_MAGIC, "tmpfs"},
    {EXT4_SUPER_MAGIC, "ext"},
    {XFS_SUPER_MAGIC, "xfs"},
    {BTRFS_SUPER_MAGIC, "btrfs"},
    {NFS_SUPER_MAGIC, "nfs"},
    {0x65735546, "fuse"},
});

void append_word(std::string_view word, std::string& text, size_t begin) {
  if (text.size() > begin) text += '|';
  text += word;
}

void drop_component(std::string& text, size_t begin) {
  const size_t slash = text.rfind('/');
  text.resize(slash == text.npos || slash < begin ? begin : slash);
}

uint8_t kind_of(const Event& event) {
  if (const pk_open* open = event.as<pk_open>()) return open->object.kind;
  if (const pk_file* file = event.as<pk_file>()) return file->object.kind;
  return PK_FD_NONE;
}

// What a refused open was meant for the kernel does not tell: rules ask for it as for a file.
bool is_refused_open(const Event& event) {
  const pk_open* open = event.as<pk_open>();
  return open != nullptr && open->result < 0;
}

}  // namespace

void append_absolute(std::string_view start, std::string_view path, std::string& text) {
  const size_t begin = text.size();
  if (!path.starts_with('/') && start != "/") text += start;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view component = path.substr(0, slash);
    path.remove_prefix(slash == path.npos ? path.size() : slash + 1);
    if (component.empty() || component == ".") continue;
    if (component == "..") {
      drop_component(text, begin);
      continue;
    }
    text += '/';
    text += component;
  }
  if (text.size() == begin) text += '/';
}

void append_open_flags(uint32_t flags, std::string& text) {
  const size_t begin = text.size();
  const uint32_t access = flags & O_ACCMODE;
  append_word(access == O_RDONLY   ? "O_RDONLY"
              : access == O_WRONLY ? "O_WRONLY"
                                   : "O_RDWR",
              text, begin);
  for (const Word& flag : kOpenFlags) {
    if (flags & flag.value) append_word(flag.word, text, begin);
  }
}

void append_mode(uint32_t mode, std::string& text) {
  const size_t begin = text.size();
  for (const Word& bit : kModeBits) {
    if (mode & bit.value) append_word(bit.word, text, begin);
  }
  if (text.size() == begin) text += '0';
}

void append_file_system(uint32_t magic, std::string& text) {
  const auto known = std::ranges::find(kFileSystems, magic, &Word::value);
  if (known != kFileSystems.end())
    text += known->word;
  else
    fmt::format_to(std::back_inserter(text), "{:#x}", magic);
}

std::string_view error_name(int64_t result) {
  if (result >= 0) return "SUCCESS";
  const char* name = result > -4096 ? strerrorname_np(static_cast<int>(-result)) : nullptr;
  return name != nullptr ? name : "unknown";
}

// A file that nothing opened has no descriptor: its name is fs.path.name.
void read_file_name(const FieldRequest& request, FieldResult& result) {
  const Event& event = request.observation.event;
  if (const pk_open* open = event.as<pk_open>()) {
    if (open->object.kind != PK_FD_NONE) return result.add(event.text(open->path));
    const std::string_view raw = event.text(open->raw);
    if (raw.empty()) return;
    append_absolute(event.text(open->directory), raw, result.text);
    return result.add(std::string_view(result.text));
  }
  const pk_file* file = event.as<pk_file>();
  if (file != nullptr && file->object.kind != PK_FD_NONE) result.add(event.text(file->path));
}

void read_file_type(const FieldRequest& request, FieldResult& result) {
  switch (kind_of(request.observation.event)) {
    case PK_FD_NONE:
      if (is_refused_open(request.observation.event)) result.add(std::string_view("file"));
      return;
    case PK_FD_DIR:
      return result.add(std::string_view("directory"));
    case PK_FD_PIPE:
      return result.add(std::string_view("pipe"));
    default:
      return result.add(std::string_view("file"));
  }
}

void read_file_type_char(const FieldRequest& request, FieldResult& result) {
  switch (kind_of(request.observation.event)) {
    case PK_FD_NONE:
      if (is_refused_open(request.observation.event)) result.add(std::string_view("f"));
      return;
    case PK_FD_DIR:
      return result.add(std::string_view("d"));
    case PK_FD_PIPE:
      return result.add(std::string_view("p"));
    default:
      return result.add(std::string_view("f"));
  }
}

}  // namespace picket::rule
