#include "tests/support/json_schema.h"

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include "tests/support/subprocess.h"

namespace picket::test {

struct JsonSchema::Impl {
  explicit Impl(const rapidjson::Document& document) : schema(document) {}
  rapidjson::SchemaDocument schema;
};

JsonSchema::JsonSchema(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonSchema::~JsonSchema() = default;

absl::StatusOr<std::unique_ptr<JsonSchema>> JsonSchema::read(const std::string& path) {
  auto text = read_file(path);
  if (!text.ok()) return text.status();
  rapidjson::Document document;
  document.Parse(text->c_str());
  if (document.HasParseError())
    return absl::InvalidArgumentError(
        fmt::format("read the schema {}: byte {}: {}", path, document.GetErrorOffset(),
                    rapidjson::GetParseError_En(document.GetParseError())));
  return std::unique_ptr<JsonSchema>(new JsonSchema(std::make_unique<Impl>(document)));
}

absl::Status JsonSchema::check(const nlohmann::json& document) const {
  const std::string text = document.dump();
  rapidjson::Document parsed;
  parsed.Parse(text.c_str());
  rapidjson::SchemaValidator validator(impl_->schema);
  if (parsed.Accept(validator)) return absl::OkStatus();
  rapidjson::StringBuffer place, rule;
  validator.GetInvalidDocumentPointer().Stringify(place);
  validator.GetInvalidSchemaPointer().Stringify(rule);
  return absl::InvalidArgumentError(fmt::format("{}: breaks {} of {}: {}", place.GetString(),
                                                validator.GetInvalidSchemaKeyword(),
                                                rule.GetString(), text));
}

}  // namespace picket::test
