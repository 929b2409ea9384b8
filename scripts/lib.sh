# Shared by the scripts that a newcomer runs: messages and packages. Sourced, not run.

say() { printf '\n== %s\n' "$*"; }
# die WHAT [WHAT TO DO]
die() {
  printf '\n%s: %s\n' "$(basename "$0")" "$1" >&2
  [ -z "${2:-}" ] || printf '  try: %s\n' "$2" >&2
  exit 1
}

# What the build needs, and what the tests need beside it (Debian's names).
build_packages="g++ cmake ninja-build pkg-config libfmt-dev libprotobuf-dev protobuf-compiler flatbuffers-compiler
  libflatbuffers-dev libcli11-dev nlohmann-json3-dev libboost-dev libssl-dev libgrpc++-dev zlib1g-dev libjpeg-dev libpng-dev libwebp-dev libre2-dev
  libavcodec-dev libavformat-dev libavdevice-dev libavutil-dev libswscale-dev"
test_packages="libgtest-dev mold python3 python3-venv xz-utils"
# What scripts/fuzz needs beside what the build needs.
fuzz_packages="clang-19 libclang-rt-19-dev llvm-19 libgtest-dev python3"

# Runs as root, with sudo if there is need of it.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "'$*' has to run as root, and there is no sudo" "run this script as root"
  fi
}

missing_packages() {
  local package
  for package in "$@"; do
    case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null)" in
      *" installed") ;;
      *) printf '%s ' "$package" ;;
    esac
  done
}

# configure FOLDER [CMAKE OPTION...]: sets a build folder up; with MONZA_COLD_BUILD=1 a new one for a build from nothing.
configure() {
  local folder=$1 new='' cold=()
  shift
  [ -f "$folder/CMakeCache.txt" ] || new=1
  [ -z "$new" ] || [ -z "${MONZA_COLD_BUILD:-}" ] || cold=(-DMONZA_COLD_BUILD=ON)
  cmake -S . -B "$folder" -G Ninja "${cold[@]}" "$@" >/dev/null || {
    [ -z "$new" ] || rm -f "$folder/CMakeCache.txt" # a half-made configuration would be taken for a good one
    die "the build cannot be configured" "cmake -S . -B $folder -G Ninja $*"
  }
}

apt_lists_fresh=
refresh_apt() {
  [ -z "$apt_lists_fresh" ] || return 0
  as_root apt-get update -qq || die "the package lists cannot be fetched" "check the network and /etc/apt/sources.list, then run this again"
  apt_lists_fresh=1
}

# install_packages PACKAGE...: installs those that are missing. Nothing is fetched when all are there.
install_packages() {
  command -v apt-get >/dev/null || {
    say "This is no Debian: make sure that what these packages hold is installed: $*"
    return 0
  }
  local missing
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  say "Installing: $missing"
  refresh_apt
  # shellcheck disable=SC2086  # a list of words
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null ||
    die "packages could not be installed: $missing" "apt-get install $missing"
}
