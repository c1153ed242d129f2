// An alert in the forms that others read. Pure functions, any thread; tests/golden/outputs holds
// what they say, byte for byte. Nothing fails: texts that are not UTF-8 keep their readable part,
// and no form holds a line break.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>

#include "collector/export/output_config.h"
#include "collector/store/store.h"

namespace picket {

// In one of the forms of AlertFormat. `version`: Picket's.
std::string render(AlertFormat format, const v1::Alert& alert, std::string_view version);

// As Falco's own HTTP output sends it, so that what takes Falco's alerts takes these.
std::string falco_json(const v1::Alert& alert);
// OCSF 1.4.0: Detection Finding (2004), profile container, activity Create.
std::string ocsf_json(const v1::Alert& alert, std::string_view version);
// ArcSight Common Event Format, version 0.
std::string cef_line(const v1::Alert& alert, std::string_view version);

// RFC 5424 with `message` as its text, without framing.
std::string syslog_message(const v1::Alert& alert, std::string_view message, uint64_t facility,
                           std::string_view version);

// The body of an OTLP/HTTP request, ExportLogsServiceRequest in its JSON form.
std::string otlp_logs(std::span<const StoredAlert> alerts, std::string_view version);

// Of a container image: without tag and digest, and the tag alone.
struct ImageName {
  std::string repository, tag;
};
ImageName split_image(const std::string& image);

// The node's name in its SPIFFE id.
std::string node_name(const std::string& node);

}  // namespace picket
