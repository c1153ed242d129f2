// Files and sockets that rules know by a name: secrets of a kind, places from which something
// starts by itself (`- file_class: NAME`), each with the tools that have business there. Immutable
// once made; any thread may read. Nothing fails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/enrich/process.h"

namespace picket::rule {

enum class FileKind : uint8_t {
  secret,   // who reads it has what it opens
  decoy,    // nobody has business there
  startup,  // what is written there runs some day
  kEnd
};
std::string_view to_string(FileKind kind);

struct FileClass {
  std::string name;
  FileKind kind = FileKind::secret;
  std::vector<std::string> paths = {};     // shell patterns, * matches / too
  std::vector<std::string> except = {};    // of these, files that are none
  std::vector<std::string> sockets = {};   // the same of unix sockets
  std::vector<std::string> programs = {};  // paths of its tools' executables
  std::vector<std::string> scripts = {};   // of what an interpreter runs
  std::vector<Origin> tools = {};          // whole kinds of tools, by their lineage definitions

  // By where the program is and by who wrote it: a copy or a renamed program is not the tool.
  bool is_tool(const Process& process) const;
};

class FileClasses {
 public:
  FileClasses() = default;
  explicit FileClasses(std::vector<FileClass> classes);
  FileClasses(const FileClasses&) = delete;
  FileClasses& operator=(const FileClasses&) = delete;

  // nullptr: of no class. Of several decoys count first.
  const FileClass* of_file(std::string_view path) const;
  const FileClass* of_socket(std::string_view path) const;

  // What the kernel has to look for: last components of paths and directories, with PK_NAME_*.
  const std::map<std::string, uint32_t>& names() const { return names_; }

 private:
  struct Pattern {
    std::string_view glob;
    const FileClass* file_class;
  };
  using Patterns = absl::flat_hash_map<std::string_view, std::vector<Pattern>>;

  void add(const FileClass& file_class, const std::string& path);
  static const FileClass* find(const Patterns& patterns, std::string_view key,
                               std::string_view path);

  std::vector<FileClass> classes_;
  Patterns by_name_, by_directory_;  // by the last component, or, where that is a pattern, by the
                                     // directory's
  std::vector<Pattern> sockets_;
  std::map<std::string, uint32_t> names_;
};

// The component of a path pattern by which its files are found; nullopt: neither the last one nor
// its directory is plain.
struct PlainComponent {
  std::string_view name;
  bool directory = false;
};
std::optional<PlainComponent> plain_component(std::string_view pattern);

}  // namespace picket::rule
