# Sourced by the scripts that measure. `figure KEY... VALUE` notes a figure; `check_budget`
# compares all of them with budget.txt: `KEY... LIMIT` on each line.

figures=$(mktemp)
trap 'rm -f "$figures"' EXIT

figure() { echo "$*" >> "$figures"; }

# check_budget FIRST_WORD...: fails where a figure is above its limit, and where a
# limit that starts with one of these words has no figure.
check_budget() {
  awk -v words=" $* " '
    { value = $NF; key = $0; sub(/ [^ ]+$/, "", key) }
    NR == FNR { measured[key] = value; next }
    /^(#|$)/ || !index(words, " " $1 " ") { next }
    !(key in measured) { print "budget: nothing measured for " key; bad = 1; next }
    { seen++ }
    measured[key] > value + 0 { print "budget: " key " is " measured[key] ", over " value; bad = 1 }
    END {
      if (!seen) { print "budget: nothing compared"; bad = 1 }
      if (!bad) print "budget: " seen " figures within their limits"
      exit bad
    }' "$figures" "$(dirname "${BASH_SOURCE[0]}")/budget.txt" >&2
}
