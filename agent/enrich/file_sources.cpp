#include "agent/enrich/file_sources.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/hash/hash.h"
#include "agent/enrich/command_line.h"

namespace picket {
namespace {

constexpr uint64_t kByPath = ~uint64_t{0};  // no device has this number
constexpr size_t kSiblingsSeen = 32;

constexpr auto kCopiers = std::to_array<std::string_view>(
    {"ar", "bsdtar", "cat", "cp", "cpio", "dd", "gunzip", "gzip", "install", "ln", "mv", "objcopy",
     "rsync", "strip", "tar", "tee", "unzip", "xz", "zcat"});

constexpr std::array<std::string_view, static_cast<size_t>(FileOrigin::kEnd)> kWords{
    "unknown", "image", "built", "installed", "fetched", "written"};

// The process that writes into the pipe that this one reads: curl | tar x.
const ProcessNode* feeder_of(const ProcessNode& process) {
  const ProcessNode* parent = process.parent_node();
  if (process.fd[0].kind != PK_FD_PIPE || parent == nullptr) return nullptr;
  size_t seen = 0;
  for (auto at = parent->children.rbegin(); at != parent->children.rend() && seen < kSiblingsSeen;
       ++at, ++seen) {
    if (&*at != &process && at->fd[1].kind == PK_FD_PIPE && at->fd[1].inode == process.fd[0].inode)
      return &*at;
  }
  return nullptr;
}

bool is_connected(const ProcessNode& process) {
  return process.files != nullptr && process.files->connected;
}

FileSourcePtr read_by(const ProcessNode& process) {
  return process.files != nullptr ? process.files->read : nullptr;
}

FileUse& use_of(ProcessNode& process) {
  if (process.files == nullptr) process.files = std::make_unique<FileUse>();
  return *process.files;
}

FileSourcePtr told_of(const Process& fetcher, FileOrigin origin = FileOrigin::fetched) {
  auto source = std::make_shared<FileSource>();
  source->origin = origin;
  source->exe = fetcher.exe;
  source->argv = fetcher.argv;
  source->driver = fetcher.driver;
  return source;
}

FileOrigin origin_of_tool(Origin tool) {
  switch (tool) {
    case Origin::build:
      return FileOrigin::built;
    case Origin::package_manager:
    case Origin::ide:
    case Origin::platform:
      return FileOrigin::installed;
    default:
      return FileOrigin::unknown;
  }
}

// Nobody of the workspace wrote it, and it is made to write what it reads.
bool copies(const Process& process) {
  if (process.source != nullptr) return false;
  if (process.layer != PK_LAYER_IMAGE && process.layer != PK_LAYER_MOUNT) return false;
  std::string_view name = last_component(process.exe);
  if (name == "busybox" || name == "coreutils") name = process.comm;
  // The shell of busybox is cp and tar itself, without another exec.
  if (name == "sh" || name == "ash") return last_component(process.exe) == "busybox";
  return std::ranges::find(kCopiers, name) != kCopiers.end();
}

// A tool's own writing is the tool's, wherever it read; what others write may be what they read.
void describe(FileSource& source, const ProcessNode& writer) {
  source.exe = writer.exe;
  source.argv = writer.argv;
  source.driver = writer.driver;
  source.from = nullptr;
  source.origin = origin_of_tool(writer.tool);
  if (source.origin != FileOrigin::unknown) return;
  const ProcessNode* feeder = feeder_of(writer);
  FileSourcePtr from = read_by(writer);
  if (from == nullptr && feeder != nullptr) from = read_by(*feeder);
  if (is_connected(writer)) {
    source.origin = FileOrigin::fetched;
    return;
  }
  if (feeder != nullptr && is_connected(*feeder)) {
    source.origin = FileOrigin::fetched;
    from = told_of(*feeder);
  } else if (from != nullptr && from->origin == FileOrigin::fetched) {
    source.origin = FileOrigin::fetched;
  } else if (copies(writer)) {
    source.origin = from != nullptr ? from->origin : FileOrigin::unknown;
  } else {
    source.origin = FileOrigin::written;
    return;
  }
  // A chain of copies has one beginning; what lies between says nothing more.
  source.from = from != nullptr && from->from != nullptr ? from->from : from;
}

}  // namespace

std::string_view to_string(FileOrigin origin) { return kWords[static_cast<size_t>(origin)]; }

FileSources::Id FileSources::id_of(uint64_t workspace, std::string_view path) {
  return {workspace, absl::HashOf(path), kByPath};
}

FileSourcePtr FileSources::find(const Id& id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second->source;
}

void FileSources::set(const Id& id, FileSourcePtr source) {
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    entries_.splice(entries_.end(), entries_, known->second);
    known->second->source = std::move(source);
    return;
  }
  if (entries_.size() >= max_files_) {
    by_id_.erase(entries_.front().id);
    entries_.pop_front();
  }
  by_id_[id] = entries_.insert(entries_.end(), {id, std::move(source)});
}

void FileSources::on_open(ProcessNode& process, const Event& event, const pk_open& open) {
  if (open.result < 0 || open.object.kind != PK_FD_FILE) return;
  const Id id{process.workspace_cgroup, open.object.inode, open.object.dev};
  if (open.writes || open.created) {
    auto source = std::make_shared<FileSource>();
    describe(*source, process);
    if (const std::string_view path = event.text(open.path); !path.empty())
      set(id_of(id.workspace, path), source);
    set(id, source);
    use_of(process).wrote = std::move(source);
    use_of(process).wrote_inode = id.inode;
    return;
  }
  FileSourcePtr known = find(id);
  if (known == nullptr) return;
  // tar lets a copy of itself read the archive.
  if (ProcessNode* parent = process.parent_node();
      parent != nullptr && parent->exe_inode == process.exe_inode)
    use_of(*parent).read = known;
  use_of(process).read = std::move(known);
}

void FileSources::on_connect(ProcessNode& process) {
  FileUse& use = use_of(process);
  use.connected = true;
  // It may have opened what it fetches before.
  if (use.wrote && use.wrote->origin == FileOrigin::written)
    use.wrote->origin = FileOrigin::fetched;
}

// Of what the last program did only the file counts that it opened for the next.
void FileSources::begin(ProcessNode& process) {
  if (process.files == nullptr) return;
  const FileUse last = *std::exchange(process.files, nullptr);
  const bool redirected = last.wrote && std::ranges::any_of(process.fd, [&](const pk_fd& fd) {
                            return fd.kind == PK_FD_FILE && fd.inode == last.wrote_inode;
                          });
  if (!redirected) return;
  describe(*last.wrote, process);
  use_of(process).wrote = last.wrote;
  use_of(process).wrote_inode = last.wrote_inode;
}

void FileSources::on_exec(ProcessNode& process, const Origins& origins) {
  process.tool = origins.tool_of(process);
  begin(process);
  process.source = script_of(process);
  process.runs_script = process.source != nullptr || !process.interp.empty();
  if (!process.runs_script)
    process.source = find({process.workspace_cgroup, process.exe_inode, process.exe_dev});
  learn_feeder(process);
}

void FileSources::learn_feeder(ProcessNode& process) {
  ProcessNode* reader = reads_script_from_input(process) ? &process : process.parent_node();
  if (reader == nullptr || !reads_script_from_input(*reader)) {
    process.feeder = nullptr;
    return;
  }
  if (const ProcessNode* feeder = feeder_of(*reader))
    reader->feeder =
        told_of(*feeder, is_connected(*feeder) ? FileOrigin::fetched : FileOrigin::written);
  process.feeder = reader->feeder;
}

FileSourcePtr FileSources::script_of(const ProcessNode& process) const {
  const uint64_t workspace = process.workspace_cgroup;
  if (!process.interp.empty())
    return find(id_of(workspace, absolute_path(process, process.filename)));
  FileSourcePtr script;
  if (is_interpreter(process))
    find_script(process, [&](const std::string& path) {
      script = find(id_of(workspace, path));
      return script != nullptr;
    });
  return script;
}

}  // namespace picket
