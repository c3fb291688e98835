// Base64 (RFC 4648): with padding in documents, its URL alphabet without padding in cursors.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace toren::broker {

std::string to_base64(std::string_view bytes);
std::string to_base64_url(std::string_view bytes);
// Of either alphabet, padded or not. Nothing where the text is not exactly what an encoder makes.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace toren::broker
