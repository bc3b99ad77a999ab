# shellcheck shell=bash
# Sourced by `run` and `long`: steps that are timed, and the table of them at the end.

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TARGET_DIR=$PWD/target
scratch=$(mktemp -d)

# However it ends, the table says what ran and how long.
ran=()
finish() {
  local code=$?
  trap - EXIT
  kill $(jobs -p) 2>/dev/null || true
  rm -rf "$scratch"
  printf '\nran, in %d s:\n' "$SECONDS"
  printf '  %s\n' "${ran[@]-nothing}"
  [ "$code" = 0 ] || printf '  %5s    %s\n' failed "${current-before the first step}"
  exit "$code"
}
trap finish EXIT

# step NAME COMMAND...
step() {
  local start=$SECONDS
  current=$1
  shift
  printf '\n== %s\n' "$current"
  "$@"
  ran+=("$(printf '%5d s  %s' $((SECONDS - start)) "$current")")
}

# expect CODE COMMAND...: COMMAND must end with that code.
expect() {
  local wanted=$1 code=0
  shift
  "$@" || code=$?
  [ "$code" = "$wanted" ] || { echo "exit code $code, $wanted wanted: $*" >&2; exit 1; }
}
