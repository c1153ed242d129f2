#include "collector/export/render.h"

#include "common/alert_json.h"

namespace picket {

std::string render(AlertFormat format, const v1::Alert& alert, std::string_view version) {
  switch (format) {
    case AlertFormat::falco:
      return falco_json(alert);
    case AlertFormat::ocsf:
      return ocsf_json(alert, version);
    case AlertFormat::cef:
      return cef_line(alert, version);
    case AlertFormat::picket:
      break;
  }
  return alert_json(alert);
}

ImageName split_image(const std::string& image) {
  const std::string name = image.substr(0, image.find('@'));
  const size_t slash = name.rfind('/');
  const size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
  if (colon == std::string::npos) return {name, ""};
  return {name.substr(0, colon), name.substr(colon + 1)};
}

std::string node_name(const std::string& node) { return node.substr(node.rfind('/') + 1); }

}  // namespace picket
