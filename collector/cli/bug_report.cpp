#include "collector/cli/bug_report.h"

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "common/secrets.h"

namespace picket {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFileBytes = 1 << 20;
constexpr std::chrono::seconds kHttpPatience{3};
constexpr std::chrono::minutes kPackPatience{1};

std::string failure(const absl::Status& status) {
  return fmt::format("not to be had: {}\n", std::string(status.message()));
}

std::string file_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) return failure(absl::NotFoundError(fmt::format("no readable {}", file.string())));
  std::string text(kFileBytes, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  return text;
}

std::string program_text(const BugSources& sources, const std::vector<std::string>& argv) {
  const auto output = sources.run(argv);
  if (!output.ok()) return failure(output.status());
  std::string text = output->out;
  if (!output->err.empty()) text += fmt::format("standard error:\n{}", output->err);
  if (output->exit_code != 0) text += fmt::format("exit code {}\n", output->exit_code);
  return text;
}

std::string page_text(const BugSources& sources, uint16_t port, const std::string& path) {
  const auto page = sources.get(port, path);
  return page.ok() ? *page : failure(page.status());
}

// Names, sizes and ages say enough; what is in them belongs to nobody else.
std::string folder_text(const fs::path& folder) {
  std::error_code error;
  std::string text = folder.string() + '\n';
  std::vector<std::string> lines;
  for (fs::recursive_directory_iterator next(folder, error), end; !error && next != end;
       next.increment(error)) {
    struct stat info {};
    if (lstat(next->path().c_str(), &info) != 0) continue;
    lines.push_back(fmt::format("  {:>12} {:o} {} {}\n", info.st_size, info.st_mode & 07777,
                                info.st_mtim.tv_sec,
                                fs::relative(next->path(), folder, error).string()));
  }
  if (error) lines.push_back(fmt::format("  not to be had: {}\n", error.message()));
  std::sort(lines.begin(), lines.end());
  for (const std::string& line : lines) text += line;
  return text;
}

// Configurations and their drop-ins. What else lies there, as the folder of keys, is left alone.
void add_configurations(const BugSources& sources, std::vector<BugFile>& files) {
  const fs::path folder = sources.root / "etc/picket";
  std::error_code error;
  for (fs::recursive_directory_iterator next(folder, error), end; !error && next != end;
       next.increment(error))
    if (next->path().extension() == ".yaml" && next->is_regular_file(error))
      files.push_back(
          {"config/" + fs::relative(next->path(), folder, error).string(), file_text(*next)});
}

void add_daemon(const BugSources& sources, const std::string& name, const std::string& unit,
                uint16_t port, std::vector<BugFile>& files) {
  for (const char* page : {"livez", "readyz", "metrics"})
    files.push_back({name + "/" + page, page_text(sources, port, std::string("/") + page)});
  files.push_back(
      {name + "/log", program_text(sources, {"journalctl", "--unit", unit, "--lines", "5000",
                                             "--no-pager", "--utc", "--output", "short-iso"})});
  files.push_back(
      {name + "/unit", program_text(sources, {"systemctl", "show", "--no-pager", unit})});
}

std::string system_text(const BugSources& sources) {
  std::string text = program_text(sources, {"uname", "-a"});
  for (const char* file :
       {"etc/os-release", "proc/cmdline", "proc/self/mounts", "proc/loadavg", "proc/meminfo",
        "sys/kernel/security/lsm", "sys/kernel/security/lockdown"})
    text += fmt::format("\n/{}\n{}", file, file_text(sources.root / file));
  return text;
}

struct TemporaryFolder {
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "picket-bugtool-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path = pattern;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    if (!path.empty()) fs::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  fs::path path;
};

}  // namespace

BugFile redacted(BugFile file) {
  if (auto masked = mask_secrets(file.text)) file.text = *std::move(masked);
  return file;
}

std::vector<BugFile> gather(const BugSources& sources) {
  std::vector<BugFile> files;
  files.push_back({"doctor.jsonl", program_text(sources, {sources.picketd, "--doctor"})});
  files.push_back({"coverage.json", program_text(sources, {sources.picketd, "--coverage"})});
  files.push_back({"version", program_text(sources, {sources.picketd, "--version"})});
  files.push_back({"packages", program_text(sources, {"dpkg-query", "--list", "picket*"})});
  files.push_back({"system", system_text(sources)});
  files.push_back({"state", folder_text(sources.root / "var/lib/picket") +
                                folder_text(sources.root / "var/lib/picket-collector")});
  add_configurations(sources, files);
  add_daemon(sources, "agent", "picketd.service", sources.agent_port, files);
  add_daemon(sources, "collector", "picket-collector.service", sources.collector_port, files);
  for (BugFile& file : files) file = redacted(std::move(file));
  std::sort(files.begin(), files.end(),
            [](const BugFile& one, const BugFile& other) { return one.name < other.name; });
  return files;
}

absl::Status pack(const std::vector<BugFile>& files, const std::string& name,
                  const fs::path& archive) {
  const TemporaryFolder folder;
  if (folder.path.empty()) return absl::InternalError("make a temporary folder: no place for it");
  for (const BugFile& file : files) {
    const fs::path place = folder.path / name / file.name;
    std::error_code error;
    fs::create_directories(place.parent_path(), error);
    std::ofstream out(place, std::ios::binary);
    out << file.text;
    out.close();
    if (!out) return absl::InternalError(fmt::format("write {}", place.string()));
  }
  const mode_t before = umask(0077);
  const auto packed = run_program({"tar", "--create", "--gzip", "--file", fs::absolute(archive),
                                   "--directory", folder.path, "--sort=name", name},
                                  kPackPatience);
  umask(before);
  if (!packed.ok()) return packed.status();
  if (packed->exit_code != 0)
    return absl::InternalError(fmt::format("make {}: {}", archive.string(), packed->err));
  return absl::OkStatus();
}

absl::StatusOr<std::string> get_local(uint16_t port, const std::string& path) {
  boost::asio::ip::tcp::iostream stream;
  stream.expires_after(kHttpPatience);
  stream.connect("127.0.0.1", std::to_string(port));
  std::string answer;
  if (stream) {
    stream << "GET " << path << " HTTP/1.0\r\nHost: localhost\r\n\r\n" << std::flush;
    answer.assign(std::istreambuf_iterator<char>(stream), {});
  }
  if (answer.empty())
    return absl::UnavailableError(
        fmt::format("http://127.0.0.1:{}{}: {}", port, path, stream.error().message()));
  return answer;
}

}  // namespace picket
