// Which names a condition may compare evt.type with. Beside event_names() in field.h, which says
// how an event is called. Immutable; any thread; nothing fails.
#pragma once

#include <string_view>

namespace picket::rule {

bool is_event_name(std::string_view name);  // whether any event is ever called so
// Of a name that none is but that rules may know (a call that is left alone, an event of Falco's
// own): why not, as in "it ..."; empty: there is no such name.
std::string_view why_never_told(std::string_view name);
// An event's name that looks like it; empty: none does.
std::string_view nearest_event_name(std::string_view name);

}  // namespace picket::rule
