// TempFolder: a folder of a test's own, canonical, gone with the test.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace toren {

class TempFolder {
public:
    TempFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "toren-test-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) ADD_FAILURE() << "mkdtemp " << name;
        path_ = std::filesystem::canonical(name).string();
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    ~TempFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    std::string operator/(const std::string& relative) const { return path_ + '/' + relative; }
    const std::string& path() const { return path_; }

    std::string folder(const std::string& relative) const {
        std::filesystem::create_directories(*this / relative);
        return *this / relative;
    }
    std::string file(const std::string& relative, const std::string& text) const {
        std::ofstream(*this / relative, std::ios::binary) << text;
        return *this / relative;
    }
    std::string link(const std::string& target, const std::string& relative) const {
        std::filesystem::create_symlink(target, *this / relative);
        return *this / relative;
    }

private:
    std::string path_;
};

}  // namespace toren
