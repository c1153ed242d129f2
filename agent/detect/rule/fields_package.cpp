// proc.package.*: the package for whose sake a process runs while it is installed or built
// (agent/enrich/package.h).
#include "agent/detect/rule/field.h"

namespace picket::rule {
namespace {

template <auto Member>
void read_text(const FieldRequest& request, FieldResult& result) {
  if (const Package* package = request.observation.process.package.get())
    result.add_present((package->*Member).view());
}

// With a slash at its end, so that a path can be asked whether it lies below.
template <auto Member>
void read_folder(const FieldRequest& request, FieldResult& result) {
  const Package* package = request.observation.process.package.get();
  if (package == nullptr || (package->*Member).empty()) return;
  result.text = (package->*Member).view();
  if (!result.text.ends_with('/')) result.text += '/';
  result.add(std::string_view(result.text));
}

}  // namespace

std::span<const Field> package_fields() {
  using enum FieldType;
  static const auto kFields = std::to_array<Field>({
      {"proc.package.name", text,
       "Package whose install or build script it is, or belongs to, as its manager calls it or its "
       "folder is called",
       read_text<&Package::name>},
      {"proc.package.manager", text, "The package manager that started the script: npm pip ...",
       read_text<&Package::manager>},
      {"proc.package.project", text,
       "Working folder in which the manager was started, with a slash at its end",
       read_folder<&Package::project>},
      {"proc.package.folder", text,
       "Working folder in which the script was started, with a slash at its end",
       read_folder<&Package::folder>},
  });
  return kFields;
}

}  // namespace picket::rule
