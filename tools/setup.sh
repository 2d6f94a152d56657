#!/usr/bin/env bash
# Installs what building, running and testing need from Debian, and checks the Swift toolchain.
#
#   tools/setup.sh           what building, running and testing need
#   tools/setup.sh --demo    also what the demonstration calls
#   tools/setup.sh --lint    only the Swift toolchain: the lint builds nothing
#
# With everything in place it prints nothing and ends at once. It never asks a question: without the right to
# install it prints the one command to run and exits with 1.
set -euo pipefail

# One line a package: group, name, what it is for.
packages="
build libpq-dev       PostgreSQL's client library, for the Postgres target
build libsodium-dev   guarded memory and encryption, for the Vault target
build libssl-dev      signatures and digests, for the Signing target
build libjansson-dev  JSON parsing, for the StrictJSON target
build zlib1g-dev      compression, linked by the HTTP packages
build pkg-config      finds the libraries above
build postgresql      the server behind 'make run' and the tests: a private cluster in the project's folder
build openssl         the command that tests hold our signatures against
build python3         the second verifier of the log, which tests hold the first one against
build git             SwiftPM fetches the packages we use with it
build ca-certificates git checks the servers it fetches from with it
demo  curl            the demonstration calls the service with it
demo  jq              the demonstration reads answers with it
"
needed_major=6
needed_minor=3
cluster_rule=/etc/postgresql-common/createcluster.d/lethe.conf

main() {
  local groups
  case "${1:-}" in
    "") groups="build" ;;
    --demo) groups="build demo" ;;
    --lint) groups="" ;;
    *) stop "unknown option '$1'; the options are --demo and --lint" ;;
  esac
  check_swift
  if [ -n "$groups" ]; then
    install_missing "$groups"
  fi
}

# Exits unless the toolchain on PATH is new enough.
check_swift() {
  local where info version major minor
  where=$(command -v swiftc) ||
    stop "no Swift toolchain: 'swiftc' is not on PATH. Install Swift $needed_major.$needed_minor or later from" \
      "https://www.swift.org/install/linux/ and put its usr/bin folder on PATH."
  info=$("$where" -print-target-info 2>/dev/null) || info=""
  if [[ ! $info =~ Swift\ version\ ([0-9]+)\.([0-9]+) ]]; then
    stop "'$where -print-target-info' names no Swift version; is it a Swift toolchain?"
  fi
  major=${BASH_REMATCH[1]} minor=${BASH_REMATCH[2]} version="${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
  if ((major < needed_major || (major == needed_major && minor < needed_minor))); then
    stop "Swift $needed_major.$needed_minor or later is needed; '$where -print-target-info' says $version."
  fi
}

# Installs the packages of the groups that are not installed yet.
install_missing() {
  local group name reason installed missing=()
  if ! command -v dpkg-query >/dev/null; then
    note "this is no Debian system; not checked: $(names "$1")"
    return
  fi
  # shellcheck disable=SC2046 # one argument a name
  installed=" $(dpkg-query -W -f '${db:Status-Status}=${Package} ' $(names "$1") 2>/dev/null || true)"
  while read -r group name reason; do
    [[ -n $group && " $1 " == *" $group "* ]] || continue
    [[ $installed == *" installed=$name "* ]] && continue
    missing+=("$name")
    note "missing: $name ($reason)"
  done <<<"$packages"
  if ((${#missing[@]})); then
    install_packages "${missing[@]}"
  fi
}

# Installs the named packages as root or through a sudo that asks nothing.
install_packages() {
  local root=() first=""
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
      root=(sudo -n)
    else
      if brings_server "$@"; then
        first="echo 'create_main_cluster = false' | sudo install -D -m 644 /dev/stdin $cluster_rule && "
      fi
      stop "these packages need an administrator. Run this, then try again:" \
        "${first}sudo apt-get install --yes --no-install-recommends $*"
    fi
  fi
  note "installing with apt-get: $*"
  if brings_server "$@"; then
    keep_default_cluster_away ${root[@]+"${root[@]}"}
  fi
  # An index that cannot be refreshed is not the end: an older one may still have the packages.
  ${root[@]+"${root[@]}"} apt-get update -qq </dev/null >&2 || note "the package index could not be refreshed"
  ${root[@]+"${root[@]}"} env DEBIAN_FRONTEND=noninteractive \
    apt-get install --yes --quiet --no-install-recommends "$@" </dev/null >&2 ||
    stop "apt-get could not install: $*"
  note "installed: $*"
}

# Whether installing the named packages installs the first database server of this machine.
brings_server() {
  [[ " $* " == *" postgresql "* ]] && ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# Debian's server package creates and starts a cluster on port 5432 when it is first installed. Ours is private and
# has no port, so that one would only be in the way: one line of configuration, read at that moment, says no.
# The arguments are what to put before a command to run it as root.
keep_default_cluster_away() {
  note "writing $cluster_rule, so that no default database cluster is started"
  printf '%s\n' '# Written by tools/setup.sh of Lethe; remove it to have default clusters again.' \
    'create_main_cluster = false' | "$@" install -D -m 644 /dev/stdin "$cluster_rule"
}

# The package names of the groups, on one line.
names() {
  local group name reason
  while read -r group name reason; do
    [[ -n $group && " $1 " == *" $group "* ]] && printf '%s ' "$name"
  done <<<"$packages" || true
}

note() { printf 'setup: %s\n' "$*" >&2; }

stop() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

main "$@"
