#!/usr/bin/env bash
# test.sh: installs what is missing, builds and runs every test; ends with one line: N passed, N failed[, N skipped].
#   ./test.sh           everything: dev build, other kernels (emulated), sanitizers, layout and static checks
#   ./test.sh --quick   unit and end-to-end tests of the dev build
# Tests run as an ordinary user, with a home of their own; what they write stays in the checkout's build folder
# and a temporary one. Called as root, they run on a copy under an unused user id: see as_tester.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

quick=
case ${1:-} in
  '') ;;
  --quick) quick=1 ;;
  *) sed -n '2,4s/^# *//p' test.sh; [[ $1 == -h || $1 == --help ]]; exit ;;
esac

# shellcheck source=tools/bootstrap.sh
. tools/bootstrap.sh

passed=0 failed=0 skipped=0
scratch=$(mktemp -d /tmp/toren-test.XXXXXX)
finish() {
  local status=$?
  trap - EXIT
  rm -rf "$scratch"
  if ((status != 0 && failed == 0)); then failed=1; fi # the build failed, or a step of this script
  echo
  echo "$passed passed, $failed failed$( ((skipped == 0)) || echo ", $skipped skipped")"
  exit $((failed > 0))
}
trap finish EXIT
trap 'exit 130' INT TERM

tally() { passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3)); }
step() { printf '\n== %s\n' "$*"; }
skip() { echo "skipped: $*"; tally 0 0 1; }
check() { # NAME COMMAND...: one result
  step "$1"
  if "${@:2}"; then tally 1 0 0; else echo "failed: $1"; tally 0 1 0; fi
}

# --- the user that tests run as ---------------------------------------------------------------------------------

checkout=$PWD
tester=$EUID

# The tester's folders, and for root a copy of the checkout that the tester owns.
prepare_tester() {
  mkdir "$scratch"/{bin,home,results,tmp}
  local node
  node=$(realpath "$(command -v node || true)" 2>/dev/null) || node=
  if ((EUID != 0)); then
    [[ ! $node ]] || ln -s "$node" "$scratch/bin/node"
    return
  fi
  [[ ! $node || $node == /usr/* ]] || cp "$node" "$scratch/bin/node" # root's cache folder is closed to others
  tester=61170
  while getent passwd "$tester" >/dev/null || getent group "$tester" >/dev/null; do tester=$((tester + 1)); done
  mkdir "$scratch/checkout"
  tar -cf - --exclude=./.git --exclude=./projects --exclude=./toren.toml --exclude=./build/release \
    --exclude=./build/tsan ${quick:+--exclude=./build/asan} --exclude='*.o' . | tar -xf - -C "$scratch/checkout"
  chown -R "$tester:$tester" "$scratch"
  chmod 755 "$scratch"
}

# as_tester COMMAND...: runs it in the checkout as an ordinary user, with an environment of the tests' own.
# For root, in a mount namespace where the tester's copy lies over the checkout, so that every path in build files
# stays true; a folder above it that only root may enter (/root) is covered by an empty one.
as_tester() {
  local run=(env -i PATH="$scratch/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" HOME="$scratch/home"
    TMPDIR="$scratch/tmp" LANG=C.UTF-8 TOREN_BIN="$checkout/build/dev/bin" ${CI:+CI="$CI"}
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$@")
  if ((EUID != 0)); then "${run[@]}"; return; fi
  # shellcheck disable=SC2016  # expanded in the namespace
  unshare --mount --propagation private bash -euc '
    checkout=$1 copy=$2 as=(setpriv --reuid "$3" --regid "$3" --clear-groups --inh-caps=-all --); shift 3
    above=
    IFS=/ read -ra parts <<<"${checkout#/}"
    for part in "${parts[@]::${#parts[@]}-1}"; do
      above+=/$part
      "${as[@]}" test -x "$above" && continue
      mount -t tmpfs -o mode=755 tmpfs "$above"
      mkdir -p "$checkout"
      break
    done
    mount --bind "$copy" "$checkout"
    cd "$checkout"
    exec "${as[@]}" "$@"' as_tester "$checkout" "$scratch/checkout" "$tester" "${run[@]}"
}

# --- the suites -------------------------------------------------------------------------------------------------

run_ctest() { # PRESET CTEST-ARGS...
  step "ctest: $1"
  local status=0 results=$scratch/results/$1.xml head=''
  as_tester "$(command -v ctest)" --test-dir "$checkout/build/$1" --output-on-failure --no-tests=error \
    --parallel "$(nproc)" --output-junit "$results" "${@:2}" || status=$?
  [[ ! -f $results ]] || head=$(tr '\n\t' '  ' <"$results" | grep -o -m1 '<testsuite [^>]*>' | sed 1q)
  count() { [[ $head =~ \ $1=\"([0-9]+)\" ]] && echo "${BASH_REMATCH[1]}" || echo 0; }
  local bad out
  bad=$(count failures) out=$(($(count skipped) + $(count disabled)))
  tally $(($(count tests) - bad - out)) "$bad" "$out"
  if ((status != 0 && bad == 0)); then tally 0 1 0; fi
}

build_node_tests() ( # FOLDER
  cd "$1"
  [[ node_modules/.package-lock.json -nt package-lock.json ]] || npm ci --no-audit --no-fund --loglevel=error
  npm run build --if-present
)

run_node_tests() { # FOLDER
  step "node: $1"
  local status=0 files results=$scratch/results/node-${1//\//-}.tap
  mapfile -t files < <(find "$1" -name node_modules -prune -o -name '*.test.*js' -print | sort)
  ((${#files[@]})) || { echo "failed: $1 has a package.json and no built *.test.js"; tally 0 1 0; return; }
  as_tester node --test --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=tap --test-reporter-destination="$results" "${files[@]}" || status=$?
  count() { sed -n "s/^# $1 \([0-9]*\)$/\1/p" "$results" 2>/dev/null | tail -1 | grep . || echo 0; }
  local bad
  bad=$(($(count fail) + $(count cancelled)))
  tally "$(count pass)" "$bad" $(($(count skipped) + $(count todo)))
  if ((status != 0 && bad == 0)); then tally 0 1 0; fi
}

# The protocol's documents, against each other, the page, the client's types and what the broker serves.
run_protocol_check() {
  local table=$scratch/results/operations.json with=()
  if [[ -x build/dev/bin/print-operations ]]; then
    build/dev/bin/print-operations >"$table"
    with=(--table "$table")
  else
    skip "there is no build/dev/bin/print-operations, so the documents were not compared with the broker's table"
  fi
  check 'protocol documents' node agent/dist/tools/check.js "${with[@]}"
}

# The kernels that users have, emulated. Packages and kernels are fetched as the caller: the tester has no way to them.
run_kernels() {
  step 'other kernels'
  [[ $(uname -m) == x86_64 ]] || { skip "they are tried on x86_64 only, and this is $(uname -m)"; return; }
  (ensure_packages vm) || { skip 'QEMU is not to be had, so no other kernel was tried'; return; }
  run_kernel '5.10: no Landlock, no mount_setattr' 5.10
  run_kernel '6.1 with Landlock off' --without-landlock 6.1
  run_kernel '6.1: Landlock ABI 2' 6.1
  run_kernel '6.12: Landlock ABI 6' 6.12
}

run_kernel() { # NAME KERNEL-TESTS-ARGS...
  step "kernel $1"
  local status=0 image tail
  image=$(tests/vm/fetch-kernel "${*: -1}") || { skip "kernel ${*: -1} is not to be had"; return; }
  mkdir -p "$scratch/cache/toren-vm"
  [[ -e $scratch/cache/toren-vm/${*: -1} ]] || cp -r "$image" "$scratch/cache/toren-vm/"
  [[ $tester == "$EUID" ]] || chown -R "$tester:$tester" "$scratch/cache"
  as_tester env XDG_CACHE_HOME="$scratch/cache" tests/vm/kernel-tests "${@:2}" "$checkout/build/dev/bin" |
    tee "$scratch/results/kernel" || status=$?
  tail=$(tail -n 1 "$scratch/results/kernel")
  if [[ $tail =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
    tally "${BASH_REMATCH[@]:1}"
  elif ((status == 77)); then
    skip "kernel $1 was not tried"
  else
    echo "failed: kernel $1"
    tally 0 1 0
  fi
}

sources() { # of C++, ours
  find base ipc policy supervisor broker workers runner cli tests bench -name node_modules -prune -o -name "$1" -print0 2>/dev/null || true
}

run_format() {
  clang-format --version 2>/dev/null | grep -q 'version 14\.' ||
    { skip 'clang-format 14 is not here, and other versions lay code out otherwise'; return; }
  check 'clang-format' xargs -0r clang-format --dry-run -Werror < <(sources '*.h' && sources '*.cpp')
}

# broker/task.h: GCC 12 destroys an aggregate twice that is made inside a co_await expression.
no_aggregates_in_awaits() {
  ! sources '*.h' | xargs -0 grep -Pzo 'co_await (?!Io\()[^;{}]*[(,]\s*[A-Z][\w:]*\{[^}]*\}' &&
    ! sources '*.cpp' | xargs -0 grep -Pzo 'co_await (?!Io\()[^;{}]*[(,]\s*[A-Z][\w:]*\{[^}]*\}'
}

run_tidy() {
  command -v clang-tidy >/dev/null || { skip 'clang-tidy is not here'; return; }
  step 'clang-tidy'
  local status=0 limit=${TIDY_SECONDS:-1200}
  sources '*.cpp' | while IFS= read -rd '' file; do
    ! grep -qF "\"$checkout/$file\"" build/dev/compile_commands.json || printf '%s\0' "$file"
  done | timeout "$limit" xargs -0r -n1 -P2 clang-tidy -p build/dev --quiet --warnings-as-errors='*' || status=$?
  case $status in
    0) tally 1 0 0 ;;
    124) skip "clang-tidy found nothing in $limit s, but did not finish" ;;
    *) tally 0 1 0 ;;
  esac
}

run_shellcheck() {
  command -v shellcheck >/dev/null || { skip 'shellcheck is not here'; return; }
  check 'shellcheck' shellcheck --external-sources run.sh test.sh tools/bootstrap.sh .ci/run tests/vm/* bench/real-work
}

# --- the run ----------------------------------------------------------------------------------------------------

ensure_packages build test ${CI:+lint}
configure_and_build dev
[[ $quick ]] || configure_and_build asan unit_tests
ensure_node
build_node_tests agent
build_node_tests tests/e2e
prepare_tester

if [[ $quick ]]; then run_ctest dev -L '^(unit|e2e)$'; else run_ctest dev; fi
run_protocol_check
run_node_tests agent
run_node_tests tests/e2e
if [[ ! $quick ]]; then
  run_kernels
  run_ctest asan -L '^unit$'
  run_format
  check 'no aggregate is made inside a co_await' no_aggregates_in_awaits
  run_shellcheck
  [[ ! ${TIDY:-} ]] || run_tidy # takes half an hour; `make tidy`
fi
