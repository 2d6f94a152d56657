#!/usr/bin/env bash
# Holds the tree against the rules of the house. Prints "file:line: reason" for everything that breaks one and ends
# with 1, or prints "lint: clean". Builds nothing.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."

findings=$(mktemp)
trap 'rm -f "$findings"' EXIT

main() {
  swift_format
  swift_rules
  arrows_go_down
  shell_scripts
  markdown_links
  if [ -s "$findings" ]; then
    cat "$findings"
    printf 'lint: %d findings\n' "$(wc -l <"$findings")"
    exit 1
  fi
  echo "lint: clean"
}

# The files below the working folder with one of the name patterns; never what a build or a run made.
files() {
  local pattern tests=()
  for pattern; do
    tests+=(-o -name "$pattern")
  done
  find . \( -name .build -o -name .git -o -name .lethe -o -path ./coverage \) -prune -o \
    -type f \( "${tests[@]:1}" \) -print | sed 's,^\./,,' | sort
}

# Layout and the rules of .swift-format. Every line it prints is a finding or explains one.
swift_format() {
  local path paths=()
  for path in Sources Tests Benchmarks/Sources Benchmarks/Package.swift Package.swift; do
    [ ! -e "$path" ] || paths+=("$path")
  done
  if ! swift format lint --strict --recursive --parallel "${paths[@]}" >>"$findings" 2>&1; then
    [ -s "$findings" ] || echo "swift format failed and said nothing" >>"$findings"
  fi
}

# What no formatter knows: tools/lint.awk has the rules, tools/arrows.txt the allowed imports.
swift_rules() {
  local libraries
  libraries=$(find Sources -name module.modulemap | cut -d/ -f2 | sort -u | tr '\n' ' ')
  files '*.swift' | grep -E '^(Sources|Tests|Benchmarks)/' |
    xargs -r -d '\n' awk -v arrows=tools/arrows.txt -v libraries="$libraries" -f tools/lint.awk >>"$findings"
}

# The table itself may not lead round in a circle.
arrows_go_down() {
  local circle
  circle=$(awk -F ':' '!/^ *(#|$)/ && $1 != "everywhere" { n = split($2, to, " ")
      for (i = 1; i <= n; i++) if (to[i] !~ /\*/) print $1, to[i] }' tools/arrows.txt |
    { tsort 2>&1 >/dev/null || true; } | sed -n 's/^tsort: \([A-Za-z-]*\)$/\1/p' | awk '!seen[$0]++' | tr '\n' ' ')
  [ -z "$circle" ] || echo "tools/arrows.txt:1: these targets depend on each other in a circle: $circle" >>"$findings"
}

# Scripts parse, stop at the first error, and may be run.
shell_scripts() {
  local script complaint
  { files '*.sh'; [ ! -d .ci ] || find .ci -type f; } | while IFS= read -r script; do
    complaint=$(bash -n "$script" 2>&1) ||
      sed -E "s,^[^:]*: line ([0-9]+): ,$script:\1: ," <<<"$complaint" >>"$findings"
    grep -qE '^set -e?uo pipefail' "$script" || echo "$script:1: begins without 'set -euo pipefail'" >>"$findings"
    [ -x "$script" ] || echo "$script:1: is not executable" >>"$findings"
  done
}

# Relative links in documents lead to something. Code blocks and code spans are no links.
markdown_links() {
  local document line target path
  files '*.md' | while IFS= read -r document; do
    awk '/^ *(```|~~~)/ { fenced = !fenced; next }
      fenced { next }
      { gsub(/`[^`]*`/, "")
        while (match($0, /\]\([^()]*(\([^()]*\)[^()]*)*\)/)) {
          print FNR "\t" substr($0, RSTART + 2, RLENGTH - 3); $0 = substr($0, RSTART + RLENGTH) }
        if (match($0, /^ *\[[^]]+\]: +[^ ]+/)) { sub(/^ *\[[^]]+\]: +/, ""); print FNR "\t" $1 } }' "$document" |
      while IFS=$'\t' read -r line target; do
        target=${target%% *}
        case $target in
          *://* | mailto:* | '#'*) continue ;;
          /*) path=.${target%%#*} ;;
          *) path=$(dirname "$document")/${target%%#*} ;;
        esac
        [ -e "$path" ] || echo "$document:$line: the link to $target leads nowhere" >>"$findings"
      done
  done
}

main
