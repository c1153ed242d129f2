#include "agent/app/program_hashes.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>

#include "agent/enrich/command_line.h"

namespace picket {
namespace {

constexpr size_t kLargest = 64 << 20;
constexpr size_t kKnownMax = 4096;
constexpr size_t kWaitingMax = 64;  // programs
constexpr size_t kFindingsMax = 8;  // of one program
constexpr char kField[] = "proc.exe_sha256";

bool is_loader(const Process& process) { return last_component(process.exe).starts_with("ld-"); }

bool is_in_no_image(const Process& process) {
  return process.layer == PK_LAYER_MEMFD || process.layer == PK_LAYER_DELETED ||
         process.layer == PK_LAYER_UPPER || is_loader(process);
}

// Empty: it could not be read, or is too large.
std::string sha256_of(std::FILE* file) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(),
                                                                   EVP_MD_CTX_free);
  if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1) return {};
  static thread_local std::array<char, 1 << 16> bytes;
  size_t total = 0;
  while (const size_t got = std::fread(bytes.data(), 1, bytes.size(), file)) {
    total += got;
    if (total > kLargest || EVP_DigestUpdate(context.get(), bytes.data(), got) != 1) return {};
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned size = 0;
  if (std::ferror(file) != 0 || EVP_DigestFinal_ex(context.get(), digest.data(), &size) != 1)
    return {};
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

bool is_file(std::FILE* file) {
  struct stat seen {};
  return fstat(fileno(file), &seen) == 0 && S_ISREG(seen.st_mode);
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

}  // namespace

ProgramHashes::~ProgramHashes() {
  jobs_.close();
  if (thread_.joinable()) thread_.join();
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
  File file = is_loader(*process) ? open_what_the_loader_runs(*process) : open(*process);
  if (!file || !is_file(file.get()) || !is_still(process->key) ||
      !jobs_.push({program, std::move(file)}))
    return;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
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

// The file itself, whatever has become of its name.
ProgramHashes::File ProgramHashes::open(const Process& process) {
  return {std::fopen(fmt::format("/proc/{}/exe", process.key.pid).c_str(), "rb"), std::fclose};
}

// What it was told to run, as its own root has it. Values of its options name no file, or a folder.
ProgramHashes::File ProgramHashes::open_what_the_loader_runs(const Process& process) {
  Arguments arguments(process.argv);
  for (size_t i = 0; i < kArgumentsSeen && arguments.more(); ++i) {
    const std::string_view one = arguments.next();
    if (one.empty() || is_option(one)) continue;
    const std::string path =
        fmt::format("/proc/{}/root{}", process.key.pid, absolute_path(process, one));
    File file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (file && is_file(file.get())) return file;
  }
  return {nullptr, std::fclose};
}

void ProgramHashes::run() {
  while (!jobs_.finished()) {
    auto job = jobs_.pop(std::chrono::hours(1));  // a job or the end wakes it
    if (job) answer_({job->program, sha256_of(job->file.get())});
  }
}

}  // namespace picket
