#include "agent/app/program_hashes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>
#include <utility>

#include "agent/enrich/command_line.h"
#include "agent/sensor/probes.h"
#include "common/bounded_queue.h"

namespace picket {
namespace {

constexpr size_t kLargest = 64 << 20;
constexpr size_t kKnownMax = 4096;
constexpr size_t kWaitingMax = 64;  // programs
constexpr size_t kFindingsMax = 8;  // of one program
constexpr char kField[] = "proc.exe_sha256";

bool is_in_no_image(const Process& process) {
  return process.layer == PK_LAYER_MEMFD || process.layer == PK_LAYER_DELETED ||
         process.layer == PK_LAYER_UPPER || process.is_loader;
}

// A place in the file system, which is asked for nothing yet.
FileDescriptor take_hold(const ProcessKey& process, std::string_view entry) {
  return FileDescriptor(
      open(fmt::format("/proc/{}/{}", process.pid, entry).c_str(), O_PATH | O_CLOEXEC));
}

// Where links lead within `root`, as for who lives there.
FileDescriptor find(const FileDescriptor& root, const std::string& path) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return FileDescriptor(
      static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
}

bool is_file(const FileDescriptor& place) {
  struct stat seen {};
  return place.valid() && fstat(place.get(), &seen) == 0 && S_ISREG(seen.st_mode);
}

// Empty: it could not be read, or is too large.
std::string sha256_of(const FileDescriptor& place) {
  if (!is_file(place)) return {};
  const FileDescriptor file(
      open(fmt::format("/proc/self/fd/{}", place.get()).c_str(), O_RDONLY | O_CLOEXEC));
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!file.valid() || !context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
    return {};
  std::vector<char> bytes(1 << 16);
  size_t total = 0;
  ssize_t got = 0;
  while ((got = read(file.get(), bytes.data(), bytes.size())) > 0) {
    total += static_cast<size_t>(got);
    if (total > kLargest ||
        EVP_DigestUpdate(context.get(), bytes.data(), static_cast<size_t>(got)) != 1)
      return {};
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (got < 0 || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

// The number is not another process's by now.
bool is_still(const ProcessKey& process) {
  std::ifstream in(fmt::format("/proc/{}/stat", process.pid));
  std::string text;
  std::getline(in, text);
  const size_t name_end = text.rfind(')');
  if (name_end == text.npos) return false;
  std::istringstream rest(text.substr(name_end + 1));
  constexpr int kStart = 22, kBehindName = 3;
  std::string field;
  for (int i = kBehindName; i <= kStart; ++i) rest >> field;
  const auto tick_ns = 1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK));
  return field == std::to_string(process.start_ns / tick_ns);
}

// What the loader may have been told to run: values of its options name no file, or a folder.
std::vector<std::string> files_among_arguments(const Process& process) {
  std::vector<std::string> paths;
  Arguments arguments(process.argv);
  for (size_t i = 0; i < kArgumentsSeen && arguments.more(); ++i) {
    const std::string_view one = arguments.next();
    if (!one.empty() && !is_option(one)) paths.push_back(absolute_path(process, one));
  }
  return paths;
}

struct Job {
  ProgramId program;
  FileDescriptor place;            // the program, or the root below which these are
  std::vector<std::string> paths;  // the first that is a file
};

std::string hash_of(const Job& job) {
  if (job.paths.empty()) return sha256_of(job.place);
  for (const std::string& path : job.paths)
    if (const FileDescriptor found = find(job.place, path); is_file(found)) return sha256_of(found);
  return {};
}

}  // namespace

struct ProgramHashes::Worker {
  explicit Worker(Answer the_answer) : answer(std::move(the_answer)) {}

  void run() {
    while (!jobs.finished()) {
      const auto job = jobs.pop(std::chrono::hours(1));  // a job or the end wakes it
      if (!job) continue;
      ProgramHash hash{job->program, hash_of(*job)};
      const std::lock_guard lock(mutex);
      if (!ended) answer(std::move(hash));
    }
  }

  const Answer answer;
  BoundedQueue<Job> jobs{64};
  std::mutex mutex;
  bool ended = false, runs = false;
};

ProgramHashes::ProgramHashes(Answer answer)
    : worker_(std::make_shared<Worker>(std::move(answer))) {}

ProgramHashes::~ProgramHashes() {
  worker_->jobs.close();
  const std::lock_guard lock(worker_->mutex);
  worker_->ended = true;
}

void ProgramHashes::note(Finding& finding, const Process* process) {
  if (process == nullptr || !is_in_no_image(*process) || finding.priority > Priority::notice)
    return;
  const ProgramId program{process->key, process->exe_inode};
  if (const auto known = known_.find(program); known != known_.end()) {
    if (!known->second.empty()) finding.fields.emplace_back(kField, known->second);
    return;
  }
  if (const auto waiting = waiting_.find(program); waiting != waiting_.end()) {
    if (waiting->second.size() < kFindingsMax) waiting->second.push_back(finding);
    return;
  }
  if (process->exited || waiting_.size() >= kWaitingMax) return;
  const bool loader = process->is_loader;
  FileDescriptor place = take_hold(process->key, loader ? "root" : "exe");
  if (!place.valid() || !is_still(process->key)) return;
  Job job{program, std::move(place),
          loader ? files_among_arguments(*process) : std::vector<std::string>()};
  if ((loader && job.paths.empty()) || !worker_->jobs.push(std::move(job))) return;
  if (!std::exchange(worker_->runs, true))
    std::thread([worker = worker_] { worker->run(); }).detach();
  waiting_[program].push_back(finding);
}

std::vector<Finding> ProgramHashes::complete(const ProgramHash& hash) {
  const auto waiting = waiting_.find(hash.program);
  if (waiting == waiting_.end()) return {};
  std::vector<Finding> findings = std::move(waiting->second);
  waiting_.erase(waiting);
  known_[hash.program] = hash.sha256;
  known_order_.push_back(hash.program);
  if (known_order_.size() > kKnownMax) {
    known_.erase(known_order_.front());
    known_order_.pop_front();
  }
  if (hash.sha256.empty()) return {};
  for (Finding& finding : findings) {
    finding.fields.emplace_back(kField, hash.sha256);
    finding.restates = true;
  }
  return findings;
}

}  // namespace picket
