#include "broker/digest.h"

#include <openssl/evp.h>

namespace toren::broker {

std::string sha256(std::string_view bytes) {
    std::string digest(32, '\0');
    EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr, EVP_sha256(),
               nullptr);
    return digest;
}

}  // namespace toren::broker
