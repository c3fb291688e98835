# shellcheck shell=bash
# bootstrap.sh: what run.sh, test.sh and the Makefile share: get what is missing, then build.
# Sourced with the checkout as working directory and `set -euo pipefail`. Needs bash and a Debian-like system.
# Outside the checkout it touches Debian packages (only missing ones; never removes one) and the cache folder.

# group | package (a|b: the first that the release has) | why
packages='
build | g++                             | the compiler (C++20)
build | cmake                           | reads CMakePresets.json
build | ninja-build                     | runs the build
build | ccache                          | a rebuild after a clean or a branch switch takes seconds
build | pkg-config                      | finds libraries that bring no CMake files
build | libseccomp-dev                  | policy: compiles the system call filters
build | libcap-dev                      | policy: drops capabilities
build | libtomlplusplus-dev             | policy: reads toren.toml
build | libboost1.81-dev|libboost-dev   | broker: Asio and Beast (headers; Debian 12 plain libboost-dev, 1.74, is too old)
build | libsqlite3-dev                  | broker: the state folder
build | nlohmann-json3-dev              | broker: JSON at the HTTP edge
build | libssl-dev                      | broker: TLS, SHA-256, random bytes
build | libgit2-dev                     | vcs worker: status and diff
build | libzstd-dev                     | files worker: archives
build | zlib1g-dev                      | files worker: archives
build | libcli11-dev                    | cli: the command line
build | ripgrep                         | files.search: a command in the cage
test  | libgtest-dev                    | unit tests
test  | libgmock-dev                    | unit tests
test  | zstd                            | unpacks the archives that tests make
test  | unzip                           | the same
test  | patch                           | applies the diffs that tests make
test  | git                             | makes the repositories that tests ask about
vm    | qemu-system-x86                 | test.sh: the tests on other kernels
lint  | clang-format                    | CI only: layout
lint  | clang-tidy                      | CI only: static checks
lint  | shellcheck                      | CI only: these scripts
node  | ca-certificates                 | npm over https
node  | nodejs                          | only the way to a newer Node, where the release has an older one
node  | npm                             | the same
'

say() { echo "$*" >&2; }
die() { say "error: $*"; exit 1; }

as_root() {
  if ((EUID == 0)); then "$@"; return; fi
  command -v sudo >/dev/null || die "packages are missing and there is no sudo; as root: apt-get install ${wanted[*]}"
  sudo env ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    ${no_proxy:+no_proxy="$no_proxy"} "$@" # a proxy in the environment would not pass sudo
}

# A Boost that somebody installed another way is good enough, and libboost1.81-dev would push theirs out.
have_boost() {
  local header
  for header in /usr/local/include/boost/version.hpp /usr/include/boost/version.hpp; do
    [[ -r $header ]] && awk '$2 == "BOOST_VERSION" { found = $3 } END { exit !(found >= 108100) }' "$header" && return
  done
  return 1
}

# ensure_packages GROUP...: installs the packages of these groups that are missing
ensure_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say "note: not a Debian-like system; install what $PWD/tools/bootstrap.sh lists, if the build misses it"
    return
  fi
  local group name choice installed missing=() wanted=()
  installed=$'\n'$(dpkg-query -W -f '${db:Status-Status} ${Package}\n')$'\n'
  while IFS=' ' read -r group _ name _; do
    [[ $group && " $* " == *" $group "* ]] || continue
    if [[ $name == libboost* ]]; then have_boost && continue; fi
    [[ $installed == *$'\n'"installed $name"$'\n'* ]] || missing+=("$name")
  done <<<"$packages"
  ((${#missing[@]})) || return 0

  wanted=("${missing[@]%%|*}")
  say "Installing Debian packages: ${wanted[*]}"
  as_root apt-get -qq update >/dev/null
  wanted=()
  for name in "${missing[@]}"; do
    for choice in ${name//|/ }; do
      [[ $(apt-cache show --no-all-versions "$choice" 2>/dev/null) ]] && break
    done
    wanted+=("$choice")
  done
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-remove --no-install-recommends \
    -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "${wanted[@]}" </dev/null >/dev/null || {
    local removed
    removed=$(apt-get --simulate install "${wanted[@]}" 2>/dev/null | awk '$1 == "Remv" { printf " %s", $2 }')
    die "apt-get failed.${removed:+ It would remove:$removed (which this script never does).} By hand:
    apt-get install ${wanted[*]}"
  }
}

node_cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/toren/node

node_is_new_enough() {
  node -e 'const [a, b] = process.versions.node.split("."); process.exit(+a > 20 || (+a == 20 && +b >= 19) ? 0 : 1)' 2>/dev/null
}

# ensure_node: afterwards `node` (20.19 or newer) and `npm` are on this script's PATH. Where the system's node is
# older, npm's package `node` goes to the cache folder; the system keeps its own.
ensure_node() {
  if node_is_new_enough && command -v npm >/dev/null; then return; fi
  [[ ! -x $node_cache/node_modules/.bin/node ]] || PATH=$node_cache/node_modules/.bin:$PATH
  if node_is_new_enough && command -v npm >/dev/null; then return; fi
  command -v npm >/dev/null || ensure_packages node
  if ! node_is_new_enough; then
    say "Installing Node 22 from npm to $node_cache"
    mkdir -p "$node_cache"
    (cd "$node_cache" && npm install --prefix . --no-save --no-audit --no-fund --ignore-scripts=false \
      --loglevel=error node@22 npm@10) >&2
    PATH=$node_cache/node_modules/.bin:$PATH
  fi
  node_is_new_enough || die "node is $(node --version 2>&1), 20.19 or newer is needed (npm's package in $node_cache did not help)"
}

# One job per processor, as far as memory reaches: a file that includes Boost.Beast takes up to 1.5 GB.
build_jobs() {
  awk -v cpus="$(nproc)" '/^MemAvailable/ { fit = int($2 / 1500000) }
    END { n = fit < cpus ? fit : cpus; print n < 1 ? 1 : n }' /proc/meminfo
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local build=build/$1
  # Ninja sees a changed CMakeLists.txt by itself, but neither changed presets nor a checkout that was moved.
  if [[ ! $build/build.ninja -nt CMakePresets.json ]] ||
    ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$build/CMakeCache.txt"; then
    cmake --preset "$1" --fresh ${CI:+-DCMAKE_COMPILE_WARNING_AS_ERROR=ON} >&2
  fi
  cmake --build "$build" --parallel "$(build_jobs)" ${2:+--target "${@:2}"} >&2
}
