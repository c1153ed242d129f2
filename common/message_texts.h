// Every text of a message, however deep, replaced where `rewrite` says so. Pure, any thread.
// Nothing fails.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace google::protobuf {
class Message;
}

namespace picket {

// nullopt: the text stays. Keys of maps are texts like any other.
using RewriteText = std::function<std::optional<std::string>(const std::string&)>;
void rewrite_texts(google::protobuf::Message& message, const RewriteText& rewrite);

}  // namespace picket
