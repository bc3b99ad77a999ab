# shellcheck shell=bash
# Sourced: checks that look at what a command has printed, or at files. Each says what is
# wrong and fails, and fails too where there was nothing to look at. `controls` gives each
# of them what it must refuse.

# The test command of README, word for word.
test_command='cargo test --workspace --all-features'

complain() {
  echo "$*" >&2
  return 1
}

# tests_ran LOG REASON [NAME...]: what `cargo test` printed. Each of these programs, or of
# all of this crate and of cli/, has run and has a test that passed. No test was ignored, but for REASON.
tests_ran() {
  local log=$1 reason=$2 program programs
  shift 2
  programs=("$@")
  [ $# -gt 0 ] || mapfile -t programs < <(test_programs; [ ! -d cli/tests ] || (cd cli && test_programs))
  [ ${#programs[@]} -gt 0 ] || complain 'there is no test program' || return
  for program in "${programs[@]}"; do
    awk -v program="$program" -v reason="$reason" '
      $1 == "Running" { here = $2 == "tests/" program ".rs" || $2 == "tests/" program "/main.rs"; ran = ran || here }
      here && /^test result: ok\. [1-9]/ { passed = 1 }
      here && reason != "" && /^test .* ignored, / && index($0, reason) { passed = 1 }
      END { exit !(ran && passed) }' "$log" || complain "no test of $program has passed" || return
  done
  awk -v reason="$reason" '
    /^test .* \.\.\. ignored/ && !(reason != "" && index($0, ", " reason)) { print "ignored: " $0; bad = 1 }
    /^test result: ok/ { passed += $4; ignored += $8 }
    END {
      if (bad || !passed) { print passed + 0 " tests passed"; exit 1 }
      printf "%d tests passed%s\n", passed, ignored ? ", " ignored " ignored: " reason : ""
    }' "$log"
}

# The names of the test programs in tests/, but for folders that are packages.
test_programs() {
  local program
  for program in tests/*.rs tests/*/main.rs; do
    [ -e "$program" ] || continue
    program=${program#tests/}
    echo "${program%.rs}"
  done | sed 's|/main$||' | sort
}

# documented FILE: it names the command that runs the tests.
documented() {
  grep -qxF "$test_command" "$1" || complain "$1 does not give the command that is run here: $test_command"
}

# forbids_unsafe FOLDER: the root of the crate there forbids unsafe code.
forbids_unsafe() {
  grep -qx '#!\[forbid(unsafe_code)\]' "$1/src/lib.rs" || complain "$1/src/lib.rs does not forbid unsafe code"
}

# two_forms FOLDER: the flag that chooses the form for small targets is one that is asked for.
two_forms() {
  grep -rqw gotalk_compact "$1/src" || complain "nothing in $1/src asks for gotalk_compact"
}

# no_dependency FEATURES: with these features the crate stands alone.
no_dependency() {
  local tree
  tree=$(cargo tree --locked -p gotalk -e normal --no-default-features --features "$1")
  [[ $tree == 'gotalk v'* && $tree != *$'\n'* ]] || complain "dependencies: $tree"
}

# packaged LIST: the files of a package are those that its users need, and no others.
packaged() {
  local file
  for file in Cargo.toml README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT src/lib.rs; do
    grep -qx "$file" "$1" || complain "not in the package: $file" || return
  done
  if grep -vxE '(src|examples)/.*\.rs|(docs/)?[A-Z-]+(\.md)?|Cargo\.(lock|toml|toml\.orig)|\.cargo_vcs_info\.json' "$1"; then
    complain 'not for a package, those above'
  fi
}

# qualified FEATURE: as a workspace wants it, of the package that has it.
qualified() {
  [ -z "$1" ] || echo "gotalk/$1"
}

# shell_scripts LIST: the scripts in this list of files have none of the usual mistakes.
shell_scripts() {
  [ -s "$1" ] || complain 'no script' || return
  xargs shellcheck -x -S warning -e SC2154,SC2155 <"$1"
}
