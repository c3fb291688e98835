#!/usr/bin/env bash
# run.sh: from a checkout to a running daemon: installs what is missing, builds, configures, starts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage="Usage: ./run.sh [-- ARGS]
Installs missing Debian packages, builds the release, writes a first toren.toml if there is no
configuration, and starts 'toren serve ARGS' in the foreground. ARGS, for example:
  --listen HOST:PORT   where to listen (port 0 takes a free one)
  --config FILE        another configuration
  --state DIR          where tokens and logs are kept"

case ${1:-} in
  '') ;;
  --) shift ;;
  -h | --help) echo "$usage"; exit ;;
  *) echo "$usage" >&2; exit 2 ;;
esac

# shellcheck source=tools/bootstrap.sh
. tools/bootstrap.sh

# Never overwrites: a configuration anywhere in the daemon's search order is the operator's.
first_configuration() {
  local file
  for file in toren.toml .toren/config.toml ~/.config/toren/config.toml; do
    [[ ! -e $file && ! -L $file ]] || return 0
  done
  mkdir -p projects
  if mkdir projects/hello 2>/dev/null; then
    echo 'A first segment, to try Toren with. Any folder beside this one is a segment, too.' >projects/hello/README.md
    if command -v git >/dev/null; then
      (cd projects/hello && git init -q -b main && git add README.md &&
        git -c user.name=Toren -c user.email=toren@localhost -c commit.gpgsign=false commit -q -m 'A first segment')
    fi
  fi
  (set -o noclobber && cat >toren.toml) <<'TOML'
# Written by run.sh for a first start; yours to change (it is never overwritten).

[server]
host = "127.0.0.1"
port = 8787

[segments]
roots = ["projects"]    # where a client may create a segment
globs = ["projects/*"]  # each folder here is a segment; add your own, such as "~/src/*"
TOML
  say "Wrote a first configuration: $PWD/toren.toml"
}

ensure_packages build
[[ ! -f web/package.json ]] || ensure_node # the page
configure_and_build release
[[ " $* " == *" --config"* ]] || first_configuration

say 'Starting Toren: open the address below in a browser and enter the pairing token (Ctrl-C ends it)'
exec build/release/bin/toren serve "$@"
