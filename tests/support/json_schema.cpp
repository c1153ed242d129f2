#include "tests/support/json_schema.h"

#include <fmt/format.h>

#include <exception>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "tests/support/subprocess.h"

namespace picket::test {

struct JsonSchema::Impl {
  valijson::Schema schema;
};

JsonSchema::JsonSchema(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
JsonSchema::~JsonSchema() = default;

absl::StatusOr<std::unique_ptr<JsonSchema>> JsonSchema::read(const std::string& path) {
  auto text = read_file(path);
  if (!text.ok()) return text.status();
  auto impl = std::make_unique<Impl>();
  try {
    nlohmann::json document = nlohmann::json::parse(*text);
    valijson::SchemaParser(valijson::SchemaParser::kDraft7)
        .populateSchema(valijson::adapters::NlohmannJsonAdapter(document), impl->schema);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(fmt::format("read the schema {}: {}", path, error.what()));
  }
  return std::unique_ptr<JsonSchema>(new JsonSchema(std::move(impl)));
}

absl::Status JsonSchema::check(const nlohmann::json& document) const {
  valijson::Validator validator;
  valijson::ValidationResults results;
  valijson::adapters::NlohmannJsonAdapter adapter(document);
  if (validator.validate(impl_->schema, adapter, &results)) return absl::OkStatus();
  std::string words;
  for (valijson::ValidationResults::Error error; results.popError(error);) {
    std::string place;
    for (const std::string& part : error.context) place += part;
    words += fmt::format("{}: {}\n", place, error.description);
  }
  return absl::InvalidArgumentError(words + document.dump());
}

}  // namespace picket::test
