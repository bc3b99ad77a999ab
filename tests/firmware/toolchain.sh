# shellcheck shell=bash
# Sourced by the scripts that build for firmware. It installs what they need, once,
# and gives them `firmware_cargo`: Debian's compiler, which has the source of `core`
# and so can build it for any target. The usual compiler is left alone.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
images=${CARGO_TARGET_DIR:-$root/target}/firmware

# apt_install PACKAGE...: by apt, only what is missing, with one more try.
apt_install() {
  local package missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  local sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  for _ in 1 2; do
    $sudo apt-get update -qq >&2 &&
      $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 && return
  done
  echo "cannot install ${missing[*]}" >&2
  return 1
}

firmware_cargo() {
  env -u RUSTFLAGS -u CARGO_ENCODED_RUSTFLAGS \
    RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc RUSTC_BOOTSTRAP=1 \
    CARGO_TARGET_THUMBV6M_NONE_EABI_LINKER=arm-none-eabi-ld \
    CARGO_TARGET_THUMBV6M_NONE_EABI_RUSTFLAGS=-Clinker-flavor=ld \
    CARGO_TARGET_THUMBV7M_NONE_EABI_LINKER=arm-none-eabi-ld \
    CARGO_TARGET_THUMBV7M_NONE_EABI_RUSTFLAGS=-Clinker-flavor=ld \
    CARGO_TARGET_DIR="$images" /usr/bin/cargo "$@"
}

# build_image TARGET PROFILE BIN [OPTION...]: prints the path of the image.
build_image() {
  local target=$1 profile=$2 bin=$3
  shift 3
  firmware_cargo build -q --locked --manifest-path "$root/tests/firmware/Cargo.toml" -Zbuild-std=core \
    --target "$target" --profile "$profile" --bin "$bin" "$@" >&2 &&
    echo "$images/$target/$profile/$bin"
}

# emulate BOARD IMAGE [OPTION...]: runs it; its text comes on standard output.
emulate() {
  local board=$1 image=$2
  shift 2
  timeout 120 qemu-system-arm -M "$board" -display none -monitor none -serial none "$@" \
    -semihosting-config enable=on,target=native -kernel "$image" </dev/null 2>&1
}

apt_install rustc-web cargo-web rust-web-src qemu-system-arm binutils-arm-none-eabi
