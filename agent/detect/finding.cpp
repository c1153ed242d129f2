#include "agent/detect/finding.h"

namespace picket {

std::string_view to_string(Priority priority) {
  switch (priority) {
    case Priority::emergency:
      return "EMERGENCY";
    case Priority::alert:
      return "ALERT";
    case Priority::critical:
      return "CRITICAL";
    case Priority::error:
      return "ERROR";
    case Priority::warning:
      return "WARNING";
    case Priority::notice:
      return "NOTICE";
    case Priority::informational:
      return "INFORMATIONAL";
    case Priority::debug:
      return "DEBUG";
  }
  return "DEBUG";
}

std::string_view to_string(Action action) {
  switch (action) {
    case Action::none:
      return "none";
    case Action::kill:
      return "kill";
    case Action::freeze:
      return "freeze";
    case Action::thaw:
      return "thaw";
  }
  return "none";
}

}  // namespace picket
