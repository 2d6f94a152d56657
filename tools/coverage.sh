#!/usr/bin/env bash
# Prints the line coverage of our own targets after 'make test COVERAGE=1', and ends with 1 when the total is too low.
#
#   tools/coverage.sh [least percentage, 80 unless told]
#
# LETHE_PROFILES names a folder with more .profraw files, written by instrumented programs that the tests did not
# start (run them with LLVM_PROFILE_FILE=<folder>/%p.profraw); they count too.
#
# Counted is every file in Sources but generated ones ("DO NOT EDIT" at the top) and the targets that only serve
# tests, whose names end in Testing. A target that no test binary holds counts all its lines of code as not covered.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."

least=${1:-80}
bin=.build/debug
profile=$bin/codecov/default.profdata
tests=$bin/lethePackageTests.xctest
# The tools have to be those of the compiler that wrote the profile: another LLVM may not read it.
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
  if [ ! -f "$profile" ] || [ ! -f "$tests" ]; then
    echo "coverage: nothing was measured yet; run 'make test COVERAGE=1' first" >&2
    exit 1
  fi
  add_profiles
  { measured; unmeasured; } | table
}

# Joins the profiles in $LETHE_PROFILES, if there are any, to those of the tests.
add_profiles() {
  [ -n "${LETHE_PROFILES:-}" ] || return 0
  find "$LETHE_PROFILES" -type f -name '*.profraw' -size +0 >"$work/profiles"
  [ -s "$work/profiles" ] || return 0
  echo "$profile" >>"$work/profiles"
  "$toolchain/llvm-profdata" merge -sparse --input-files="$work/profiles" -o "$work/all.profdata"
  profile=$work/all.profdata
}

# One line a file that was compiled with instrumentation: target, lines, covered lines.
measured() {
  local program objects=()
  for program in lethe dsar; do
    if [ -f "$bin/$program" ] && grep -q __llvm_covmap "$bin/$program"; then
      objects+=(-object "$bin/$program")
    fi
  done
  "$toolchain/llvm-cov" export -format=lcov -summary-only -instr-profile "$profile" \
    -ignore-filename-regex='/\.build/|/Tests/' "$tests" ${objects[@]+"${objects[@]}"} |
    awk -v logical="$PWD/" -v physical="$(pwd -P)/" '
      /^SF:/ {
        file = substr($0, 4)
        if (index(file, logical) == 1) file = substr(file, length(logical) + 1)
        else if (index(file, physical) == 1) file = substr(file, length(physical) + 1)
      }
      /^LF:/ { lines = substr($0, 4) }
      /^LH:/ { covered = substr($0, 4) }
      /^end_of_record/ && file ~ /^Sources\// { print file "\t" lines "\t" covered }' >"$work/files"
  while IFS=$'\t' read -r file lines covered; do
    counts "$file" && printf '%s %d %d\n' "$(cut -d/ -f2 <<<"$file")" "$lines" "$covered"
  done <"$work/files" || true
}

# The same for each file of a target without a single measured one: its lines of code, none of them covered.
unmeasured() {
  local file target
  while IFS= read -r file; do
    target=$(cut -d/ -f2 <<<"$file")
    if ! grep -q "^Sources/$target/" "$work/files" && counts "$file"; then
      printf '%s %d 0\n' "$target" "$(grep -cvE '^ *(//.*)?$' "$file" || true)"
    fi
  done < <(find Sources -type f -name '*.swift' | sort)
}

# Whether a file is one that tests should cover.
counts() {
  [[ $1 != Sources/*Testing/* ]] && ! head -n 10 "$1" | grep -q '^// DO NOT EDIT'
}

# Adds the lines up by target.
table() {
  sort | awk -v least="$least" '
    function row(name, lines, covered) {
      printf "  %-18s %7d %9d %8.1f %%\n", name, lines, covered, lines ? 100 * covered / lines : 100
    }
    BEGIN { printf "  %-18s %7s %9s %10s\n", "target", "lines", "covered", "" }
    $1 != target { if (target != "") row(target, lines, covered); target = $1; lines = covered = 0 }
    { lines += $2; covered += $3; all_lines += $2; all_covered += $3 }
    END {
      if (target != "") row(target, lines, covered)
      row("total", all_lines, all_covered)
      if (!all_lines || 100 * all_covered < least * all_lines) {
        printf "coverage: the total is under %s %%\n", least
        exit 1
      }
    }'
}

main
