#!/bin/sh
# Installs what the tests need and PyPI does not have: `make test` and `.ci/run` begin with it. Quick when nothing is
# missing. Uses apt, as root or through sudo where that asks for no password; INSTALL=no leaves the machine as it is.
# It never fails: a run says at its end which tests lacked a tool (tests/needs.py), and fails for that where CI=true.
set -u
cd "$(dirname "$0")/.." || exit 0

has() { command -v "$1" >/dev/null 2>&1; }
any() { [ -e "$1" ]; } # of what a pattern expands to
has_python() { # new enough, and able to make an environment
  [ -x .venv/bin/python ] || "${PYTHON:-python3}" -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}
has_browser() { { has chromium || has chromium-browser || has google-chrome; } && has chromedriver; }
has_rust() { # Debian's: a rustc of rustup, earlier on the PATH, is another version or lacks these targets
  [ -x /usr/bin/rustc ] && any /usr/lib/rustlib/wasm32-wasi*/lib/libstd-* &&
    any /usr/lib/rustlib/wasm32-unknown-unknown/lib/libstd-*
}

# What is missing, a group of packages a line: a group that cannot be had does not keep the others away.
missing=$(
  has make || echo make
  has git || echo git
  has_python || echo python3 python3-venv
  has_browser || echo chromium chromium-driver
  has_rust || echo rustc libstd-rust-dev-wasm32
  has systemd-analyze || echo systemd
)
[ -n "$missing" ] || exit 0

packages=$(echo "$missing" | tr '\n' ' ')
if ! has apt-get || [ "${INSTALL:-yes}" = no ]; then
  echo "tests need packages that are not installed: $packages" >&2
  exit 0
elif [ "$(id -u)" = 0 ]; then
  as_root=
elif has sudo && sudo -n true 2>/dev/null; then
  as_root="sudo -n"
else
  echo "tests need packages that only root may install: sudo apt-get install $packages" >&2
  exit 0
fi

install() {
  # shellcheck disable=SC2086 # words on purpose
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    -o DPkg::Lock::Timeout=600 $1 >/dev/null
}
echo "installing what tests need: $packages(INSTALL=no leaves the machine as it is)"
if ! install "$packages" 2>/dev/null; then
  $as_root apt-get update -qq
  echo "$missing" | while read -r group; do
    install "$group" || echo "apt cannot install $group" >&2
  done
fi
exit 0
